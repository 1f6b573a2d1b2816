"""Statistics in the shape that runc's `events` prints, which cAdvisor-like programs read.

Zero and missing are left out alike, except where runc prints zeros.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._record import Record
    from .stats import BlkioEntry, MemoryUse, Psi, Stats

_BLKIO = (
    ("ioServiceBytesRecursive", "service_bytes"),
    ("ioServicedRecursive", "serviced"),
    ("ioQueueRecursive", "queued"),
    ("ioServiceTimeRecursive", "service_time"),
    ("ioWaitTimeRecursive", "wait_time"),
    ("ioMergedRecursive", "merged"),
    ("ioTimeRecursive", "time"),
    ("sectorsRecursive", "sectors"),
)


def shape(stats: Stats) -> dict[str, Any]:
    """Return the `data` of a line of type "stats"."""
    return {
        "cpu": _cpu(stats),
        "cpuset": _cpuset(stats),
        "memory": _memory(stats),
        "pids": _some(current=stats.pids.current, limit=stats.pids.limit),
        "blkio": _blkio(stats),
        "hugetlb": {
            size: _some(usage=use.usage, max=use.peak) | {"failcnt": use.failures or 0}
            for size, use in (stats.hugetlb or {}).items()
        },
        "intel_rdt": {},
        "network_interfaces": None,
    }


def _some(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value}


def _cpu(stats: Stats) -> dict[str, Any]:
    cpu = stats.cpu
    usage = _some(
        total=cpu.total,
        percpu=list(cpu.per_cpu or ()),
        percpu_kernel=list(cpu.per_cpu_kernel or ()),
        percpu_user=list(cpu.per_cpu_user or ()),
    ) | {"kernel": cpu.kernel or 0, "user": cpu.user or 0}
    throttling = _some(
        periods=cpu.periods,
        throttledPeriods=cpu.throttled_periods,
        throttledTime=cpu.throttled_time,
    )
    return _some(
        usage=usage if any(usage.values()) else None, throttling=throttling, psi=_psi(cpu.psi)
    )


def _psi(psi: Psi | None) -> dict[str, Any] | None:
    return None if psi is None else psi.to_json()


def _cpuset(stats: Stats) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "cpu_exclusive": 0, "mem_hardwall": 0, "mem_exclusive": 0, "memory_migrate": 0,
        "memory_spread_page": 0, "memory_spread_slab": 0, "memory_pressure": 0,
        "sched_load_balance": 0, "sched_relax_domain_level": 0,
    }  # fmt: skip
    if stats.cpuset is None:
        return fields
    for name in fields:
        fields[name] = getattr(stats.cpuset, name) or 0
    return _some(cpus=list(stats.cpuset.cpus), mems=list(stats.cpuset.mems)) | fields


def _memory(stats: Stats) -> dict[str, Any]:
    memory = stats.memory
    return _some(
        cache=memory.cache,
        usage=_use(memory.memory),
        swap=_use(memory.swap),
        kernel=_use(memory.kernel),
        kernelTCP=_use(memory.kernel_tcp),
        raw=memory.raw,
        psi=_psi(memory.psi),
    )


def _use(use: MemoryUse) -> dict[str, Any] | None:
    if not _any(use):
        return None
    return (
        {"limit": use.limit or 0}
        | _some(usage=use.usage, max=use.peak)
        | {"failcnt": use.failures or 0}
    )


def _any(record: Record) -> bool:
    return any([getattr(record, name) for name in record.__match_args__])


def _blkio(stats: Stats) -> dict[str, Any]:
    blkio = stats.blkio
    fields = {name: [_entry(e) for e in getattr(blkio, own) or ()] for name, own in _BLKIO}
    return _some(**fields, psi=_psi(blkio.psi))


def _entry(entry: BlkioEntry) -> dict[str, Any]:
    return _some(major=entry.major, minor=entry.minor, op=entry.op, value=entry.value)
