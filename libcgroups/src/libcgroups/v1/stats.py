"""Measuring a v1 cgroup."""

from __future__ import annotations

import posix

from ..files import Directory
from ..lists import numbers
from ..stats import (
    BlkioEntry,
    BlkioStats,
    CpusetStats,
    CpuStats,
    HugetlbStats,
    MemoryStats,
    MemoryUse,
    PidsStats,
    Stats,
    read_number,
    read_rdma,
    read_table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .manager import Manager

_TICK = 1_000_000_000 // 100  # nanoseconds of USER_HZ, which is 100 on every architecture
_BLKIO = (
    ("service_bytes", "io_service_bytes"),
    ("serviced", "io_serviced"),
    ("queued", "io_queued"),
    ("service_time", "io_service_time"),
    ("wait_time", "io_wait_time"),
    ("merged", "io_merged"),
    ("time", "time"),
    ("sectors", "sectors"),
)
_CPUSET = (
    "cpu_exclusive", "mem_exclusive", "mem_hardwall", "memory_migrate", "memory_pressure",
    "memory_spread_page", "memory_spread_slab", "sched_load_balance", "sched_relax_domain_level",
)  # fmt: skip


def read_stats(manager: Manager) -> Stats:
    """Measure everything the kernel tells about the cgroup."""
    return Stats(
        cpu=_cpu(manager.directory_of("cpuacct"), manager.directory_of("cpu")),
        memory=_memory(manager.directory_of("memory")),
        pids=_pids(manager.directory_of("pids"), manager),
        blkio=_blkio(manager.directory_of("io")),
        hugetlb=_hugetlb(manager.directory_of("hugetlb")),
        cpuset=_cpuset(manager.directory_of("cpuset")),
        rdma=read_rdma(manager.directory_of("rdma")),
    )


def _cpu(accounting: Directory | None, bandwidth: Directory | None) -> CpuStats:
    ticks = read_table(accounting, "cpuacct.stat")
    stat = read_table(bandwidth, "cpu.stat")
    per_cpu = accounting.find("cpuacct.usage_percpu") if accounting else None
    user, kernel = _usage_all(accounting)
    return CpuStats(
        total=read_number(accounting, "cpuacct.usage"),
        user=ticks["user"] * _TICK if "user" in ticks else None,
        kernel=ticks["system"] * _TICK if "system" in ticks else None,
        per_cpu=None if per_cpu is None else tuple([int(n) for n in per_cpu.split()]),
        per_cpu_user=user,
        per_cpu_kernel=kernel,
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_time=stat.get("throttled_time"),
    )


def _usage_all(
    accounting: Directory | None,
) -> tuple[tuple[int, ...] | None, tuple[int, ...] | None]:
    """Return user and kernel time per CPU: lines "cpu user system" below a heading."""
    text = accounting.find("cpuacct.usage_all") if accounting else None
    if text is None:
        return None, None
    lines = [line.split() for line in text.splitlines()[1:]]
    return tuple([int(line[1]) for line in lines]), tuple([int(line[2]) for line in lines])


def _memory(directory: Directory | None) -> MemoryStats:
    raw = read_table(directory, "memory.stat")
    return MemoryStats(
        memory=_use(directory, "memory"),
        swap=_use(directory, "memory.memsw"),
        kernel=_use(directory, "memory.kmem"),
        kernel_tcp=_use(directory, "memory.kmem.tcp"),
        cache=raw.get("cache"),
        raw=raw or None,
    )


def _use(directory: Directory | None, prefix: str) -> MemoryUse:
    return MemoryUse(
        usage=read_number(directory, f"{prefix}.usage_in_bytes"),
        peak=read_number(directory, f"{prefix}.max_usage_in_bytes"),
        limit=read_number(directory, f"{prefix}.limit_in_bytes"),
        failures=read_number(directory, f"{prefix}.failcnt"),
    )


def _pids(directory: Directory | None, manager: Manager) -> PidsStats:
    current = read_number(directory, "pids.current")
    if current is None:
        return PidsStats(current=len(manager.pids()))
    limit = read_number(directory, "pids.max")
    return PidsStats(current=current, limit=None if limit == 2**64 - 1 else limit)


def _blkio(directory: Directory | None) -> BlkioStats:
    if directory is None:
        return BlkioStats()
    lists: dict[str, Any] = {field: _entries(directory, name) for field, name in _BLKIO}
    return BlkioStats(**lists)


def _entries(directory: Directory, name: str) -> tuple[BlkioEntry, ...] | None:
    # The scheduler's own counters know more, where that scheduler is in use for the device.
    for file in (
        f"blkio.{name}_recursive",
        f"blkio.bfq.{name}_recursive",
        f"blkio.throttle.{name}_recursive",
        f"blkio.throttle.{name}",
    ):
        entries = tuple(_parse(directory.find(file) or ""))
        if entries:
            return entries
    return None


def _parse(text: str) -> list[BlkioEntry]:
    found = []
    for line in text.splitlines():
        words = line.replace(":", " ").split()
        if len(words) in (3, 4) and words[0].isdigit():  # not the line with the total of all
            op = words[2] if len(words) == 4 else ""
            found.append(BlkioEntry(int(words[0]), int(words[1]), op, int(words[-1])))
    return found


def _hugetlb(directory: Directory | None) -> dict[str, HugetlbStats] | None:
    found = {}
    for name in posix.listdir(directory.path) if directory and directory.has("") else ():
        kind, size, rest = (name.split(".", 2) + ["", ""])[:3]
        if directory and kind == "hugetlb" and rest == "usage_in_bytes":
            # What is reserved is used up for others, so that counts where it is known.
            rsvd = f"hugetlb.{size}.rsvd"
            prefix = rsvd if directory.has(f"{rsvd}.usage_in_bytes") else f"hugetlb.{size}"
            found[size] = HugetlbStats(
                usage=read_number(directory, f"{prefix}.usage_in_bytes"),
                peak=read_number(directory, f"{prefix}.max_usage_in_bytes"),
                failures=read_number(directory, f"{prefix}.failcnt"),
            )
    return found or None


def _cpuset(directory: Directory | None) -> CpusetStats | None:
    if directory is None:
        return None
    return CpusetStats(
        cpus=numbers(directory.find("cpuset.cpus") or ""),
        mems=numbers(directory.find("cpuset.mems") or ""),
        **{name: read_number(directory, f"cpuset.{name}") for name in _CPUSET},
    )
