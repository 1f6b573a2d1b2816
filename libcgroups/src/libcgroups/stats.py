"""What a cgroup has used: records, and the shape that runtimes print as `events`.

Every number has its unit in the comment.  None is what this kernel or this hierarchy does not
tell; a zero is a measurement.
"""

from __future__ import annotations

from ._record import Record, i64, u64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .files import Directory


class Pressure(Record):
    """One line of a PSI file: the share of time in which tasks waited."""

    avg10: float  # percent, over the last 10 seconds
    avg60: float
    avg300: float
    total: u64  # microseconds since the cgroup was made


class Psi(Record):
    """Pressure of one resource.  Kernel: Documentation/accounting/psi.rst."""

    some: Pressure | None = None  # at least one task waited
    full: Pressure | None = None  # all of them


class CpuStats(Record):
    total: u64 | None = None  # nanoseconds
    user: u64 | None = None  # nanoseconds
    kernel: u64 | None = None  # nanoseconds
    per_cpu: tuple[u64, ...] | None = None  # nanoseconds; v1
    per_cpu_user: tuple[u64, ...] | None = None
    per_cpu_kernel: tuple[u64, ...] | None = None
    periods: u64 | None = None  # of bandwidth control
    throttled_periods: u64 | None = None
    throttled_time: u64 | None = None  # nanoseconds
    psi: Psi | None = None


class MemoryUse(Record):
    """One counter of memory."""

    usage: u64 | None = None  # bytes
    peak: u64 | None = None  # bytes; v2: Linux 5.19
    limit: u64 | None = None  # bytes; v2 without a limit: 2**64-1
    failures: u64 | None = None  # how often the limit was hit; v1


class MemoryStats(Record):
    memory: MemoryUse = MemoryUse()
    swap: MemoryUse = MemoryUse()  # memory and swap together
    kernel: MemoryUse = MemoryUse()  # v1
    kernel_tcp: MemoryUse = MemoryUse()  # v1
    cache: u64 | None = None  # bytes
    raw: dict[str, u64] | None = None  # memory.stat as it is
    psi: Psi | None = None


class PidsStats(Record):
    current: u64 | None = None
    limit: u64 | None = None  # None: no limit


class BlkioEntry(Record):
    """One counter of one block device."""

    major: u64
    minor: u64
    op: str  # "Read", "Write", "Sync", "Async", "Discard", "Total"; "" where there is one only
    value: u64


class BlkioStats(Record):
    """None where this kernel's I/O scheduler does not count."""

    service_bytes: tuple[BlkioEntry, ...] | None = None  # bytes
    serviced: tuple[BlkioEntry, ...] | None = None  # operations
    queued: tuple[BlkioEntry, ...] | None = None  # v1, as are the rest
    service_time: tuple[BlkioEntry, ...] | None = None  # nanoseconds
    wait_time: tuple[BlkioEntry, ...] | None = None  # nanoseconds
    merged: tuple[BlkioEntry, ...] | None = None
    time: tuple[BlkioEntry, ...] | None = None  # milliseconds
    sectors: tuple[BlkioEntry, ...] | None = None
    psi: Psi | None = None


class HugetlbStats(Record):
    usage: u64 | None = None  # bytes
    peak: u64 | None = None  # bytes; v1
    failures: u64 | None = None


class CpusetStats(Record):
    """The files of v1's cpuset."""

    cpus: tuple[u64, ...] = ()
    mems: tuple[u64, ...] = ()
    cpu_exclusive: u64 | None = None
    mem_exclusive: u64 | None = None
    mem_hardwall: u64 | None = None
    memory_migrate: u64 | None = None
    memory_pressure: u64 | None = None
    memory_spread_page: u64 | None = None
    memory_spread_slab: u64 | None = None
    sched_load_balance: u64 | None = None
    sched_relax_domain_level: i64 | None = None


class RdmaUse(Record):
    hca_handles: u64 | None = None
    hca_objects: u64 | None = None


class Stats(Record):
    """One measurement.  A controller that is not there is None, or has only None inside."""

    cpu: CpuStats = CpuStats()
    memory: MemoryStats = MemoryStats()
    pids: PidsStats = PidsStats()
    blkio: BlkioStats = BlkioStats()
    hugetlb: dict[str, HugetlbStats] | None = None  # by page size
    cpuset: CpusetStats | None = None  # v1
    rdma: dict[str, RdmaUse] | None = None  # by device
    misc: dict[str, u64] | None = None  # by resource; v2

    def to_events(self) -> dict[str, Any]:
        """Return the `data` of a stats line as runc's `events` prints it."""
        from .events_json import shape

        return shape(self)


def read_number(directory: Directory | None, file: str) -> int | None:
    """Return a file's number, "max" being all ones; None if there is no such file."""
    text = directory.find(file) if directory is not None else None
    if not text:
        return None
    return 2**64 - 1 if text == "max" else int(text)


def read_table(directory: Directory | None, file: str) -> dict[str, int]:
    """Return a file of lines "name number"; empty if there is no such file."""
    text = directory.find(file) if directory is not None else None
    lines = [line.split() for line in (text or "").splitlines()]
    return {line[0]: int(line[1]) for line in lines if len(line) == 2}


def read_pressure(directory: Directory | None, file: str) -> Psi | None:
    """Return a PSI file; None if the kernel has none, or has it switched off."""
    text = directory.find(file) if directory is not None else None
    if not text:
        return None
    found = {}
    for line in text.splitlines():
        kind, *words = line.split()
        values = dict([word.split("=") for word in words])
        found[kind] = Pressure(
            avg10=float(values["avg10"]),
            avg60=float(values["avg60"]),
            avg300=float(values["avg300"]),
            total=int(values["total"]),
        )
    return Psi(some=found.get("some"), full=found.get("full"))


def read_rdma(directory: Directory | None) -> dict[str, RdmaUse] | None:
    text = directory.find("rdma.current") if directory is not None else None
    if text is None:
        return None
    found = {}
    for line in text.splitlines():
        device, *words = line.split()
        values = {k: int(v) for k, v in [word.split("=") for word in words] if v != "max"}
        found[device] = RdmaUse(values.get("hca_handle"), values.get("hca_object"))
    return found
