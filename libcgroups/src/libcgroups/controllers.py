"""Which controllers a set of limits concerns, and what of it comes early and late.

Docker and Kubernetes send explicit zeros for "not set"; what says nothing loads no controller.
"""

from __future__ import annotations

from .resources import LinuxCPU, LinuxResources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._record import Record

# Where a zero is a value.
_ZERO_COUNTS = ("idle", "burst", "swappiness")
_LATE_KEYS = ("memory.", "cpu.max")


def concerned(resources: LinuxResources) -> list[str]:
    """Return the names of the controllers to write to, in the order of writing.

    `io` is v1's blkio.  `unified` is not a controller and not here.
    """
    cpu, network = resources.cpu, resources.network
    names = []
    if resources.pids is not None and resources.pids.limit is not None:
        names.append("pids")
    if resources.memory is not None and says_something(resources.memory):
        names.append("memory")
    if resources.block_io is not None and says_something(resources.block_io):
        names.append("io")
    if cpu is not None and says_something(cpu.replace(cpus=None, mems=None)):
        names.append("cpu")
    if resources.devices is not None:
        names.append("devices")
    if cpu is not None and (cpu.cpus or cpu.mems):
        names.append("cpuset")
    if resources.hugepage_limits:
        names.append("hugetlb")
    if network is not None and network.class_id:
        names.append("net_cls")
    if network is not None and network.priorities:
        names.append("net_prio")
    if resources.rdma:
        names.append("rdma")
    return names


def has_limits(resources: LinuxResources) -> bool:
    """Tell whether anything but device rules is asked for."""
    return bool(resources.unified or [n for n in concerned(resources) if n != "devices"])


def says_something(record: Record) -> bool:
    """Tell whether any field is more than an explicit "not set"."""
    for name in record.__match_args__:
        value = getattr(record, name)
        if value or (value is not None and name in _ZERO_COUNTS):
            return True
    return False


def split(
    resources: LinuxResources, *, memory_early: bool = False
) -> tuple[LinuxResources, LinuxResources]:
    """Return what to apply before a container's set-up and what after it.

    Late are CPU bandwidth, which would slow the set-up down, and memory, which would have to be
    large enough for it.  `memory_early` moves memory to the first part.
    """
    cpu, unified = resources.cpu, resources.unified or {}
    late_keys = _LATE_KEYS[1:] if memory_early else _LATE_KEYS
    late_unified = {k: v for k, v in unified.items() if k.startswith(late_keys)}
    early = resources.replace(
        cpu=cpu and cpu.replace(quota=None, period=None, burst=None),
        memory=resources.memory if memory_early else None,
        unified={k: v for k, v in unified.items() if k not in late_unified} or None,
    )
    late = LinuxResources(
        cpu=cpu and LinuxCPU(quota=cpu.quota, period=cpu.period, burst=cpu.burst),
        memory=None if memory_early else resources.memory,
        unified=late_unified or None,
    )
    return early, late
