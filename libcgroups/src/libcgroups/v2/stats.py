"""Measuring a v2 cgroup."""

from __future__ import annotations

import posix

from ..files import Directory
from ..stats import (
    BlkioEntry,
    BlkioStats,
    CpuStats,
    HugetlbStats,
    MemoryStats,
    MemoryUse,
    PidsStats,
    Stats,
    read_number,
    read_pressure,
    read_rdma,
    read_table,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .manager import Manager

_NO_LIMIT = 2**64 - 1
# name in io.stat, what it counts, the operation's name in v1
_IO = (
    ("rbytes", "service_bytes", "Read"),
    ("wbytes", "service_bytes", "Write"),
    ("dbytes", "service_bytes", "Discard"),
    ("rios", "serviced", "Read"),
    ("wios", "serviced", "Write"),
    ("dios", "serviced", "Discard"),
)


def read_stats(manager: Manager) -> Stats:
    """Measure everything the kernel tells about the cgroup."""
    directory = manager.directory
    return Stats(
        cpu=_cpu(directory),
        memory=_memory(directory),
        pids=_pids(directory, manager),
        blkio=_io(directory),
        hugetlb=_hugetlb(directory),
        rdma=read_rdma(directory),
        misc=read_table(directory, "misc.current") if directory.has("misc.current") else None,
    )


def _cpu(directory: Directory) -> CpuStats:
    table = read_table(directory, "cpu.stat")

    def nanoseconds(name: str) -> int | None:
        return table[name] * 1000 if name in table else None

    return CpuStats(
        total=nanoseconds("usage_usec"),
        user=nanoseconds("user_usec"),
        kernel=nanoseconds("system_usec"),
        periods=table.get("nr_periods"),
        throttled_periods=table.get("nr_throttled"),
        throttled_time=nanoseconds("throttled_usec"),
        psi=read_pressure(directory, "cpu.pressure"),
    )


def _memory(directory: Directory) -> MemoryStats:
    raw = read_table(directory, "memory.stat")
    usage, limit = read_number(directory, "memory.current"), read_number(directory, "memory.max")
    swap, swap_limit = (
        read_number(directory, "memory.swap.current"),
        read_number(directory, "memory.swap.max"),
    )
    together = MemoryUse()
    if swap is not None and usage is not None:
        finite = None not in (limit, swap_limit) and _NO_LIMIT not in (limit, swap_limit)
        both = (limit or 0) + (swap_limit or 0) if finite else _NO_LIMIT
        together = MemoryUse(usage=usage + swap, limit=both)
    return MemoryStats(
        memory=MemoryUse(usage=usage, peak=read_number(directory, "memory.peak"), limit=limit),
        swap=together,
        cache=raw.get("file"),
        raw=raw or None,
        psi=read_pressure(directory, "memory.pressure"),
    )


def _pids(directory: Directory, manager: Manager) -> PidsStats:
    current = read_number(directory, "pids.current")
    if current is None:
        return PidsStats(current=len(manager.pids()))
    limit = read_number(directory, "pids.max")
    return PidsStats(current=current, limit=None if limit == _NO_LIMIT else limit)


def _io(directory: Directory) -> BlkioStats:
    text = directory.find("io.stat")
    psi = read_pressure(directory, "io.pressure")
    if text is None:
        return BlkioStats(psi=psi)
    counted: dict[str, list[BlkioEntry]] = {"service_bytes": [], "serviced": []}
    for line in text.splitlines():
        device, *words = line.split()
        values = dict([word.split("=") for word in words if "=" in word])
        major, _, minor = device.partition(":")
        for name, field, op in _IO:
            if name in values:
                entry = BlkioEntry(int(major), int(minor), op, int(values[name]))
                counted[field].append(entry)
    return BlkioStats(
        service_bytes=tuple(counted["service_bytes"]),
        serviced=tuple(counted["serviced"]),
        psi=psi,
    )


def _hugetlb(directory: Directory) -> dict[str, HugetlbStats] | None:
    found = {}
    for name in posix.listdir(directory.path) if directory.has("") else ():
        kind, size, rest = (name.split(".", 2) + ["", ""])[:3]
        if kind == "hugetlb" and rest == "current":
            # What is reserved is used up for others, so that counts where it is known.
            usage = read_number(directory, f"hugetlb.{size}.rsvd.current")
            if usage is None:
                usage = read_number(directory, name)
            events = read_table(directory, f"hugetlb.{size}.events")
            found[size] = HugetlbStats(usage=usage, failures=events.get("max"))
    return found or None
