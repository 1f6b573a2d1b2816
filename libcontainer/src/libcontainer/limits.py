"""How an update changes limits: what is new, what is written for it, what would undo it.  Pure.

Callers send zeros for "as it is" (Docker, Kubernetes), and some limits come in pairs: memory and
memory with swap, quota and period.
"""

from __future__ import annotations

from libcgroups.resources import LinuxBlockIO, LinuxCPU, LinuxMemory, LinuxPids, LinuxResources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from libcgroups._record import Record

    R = TypeVar("R", bound=Record)

# Where a zero is a value.
_ZERO_COUNTS = ("burst", "idle", "swappiness")
# Lists whose entries are added, or take the place of the entry for the same device.
_BY_DEVICE = (
    "weight_device",
    "throttle_read_bps_device",
    "throttle_write_bps_device",
    "throttle_read_iops_device",
    "throttle_write_iops_device",
)
# What the kernel has where nobody has set anything.
_DEFAULTS = LinuxResources(
    memory=LinuxMemory(limit=-1, reservation=-1, swap=-1),
    cpu=LinuxCPU(shares=1024, quota=-1, period=100_000, burst=0, idle=0),
    pids=LinuxPids(limit=-1),
    block_io=LinuxBlockIO(),  # v1 and v2 differ
)


def merged(old: LinuxResources, changes: LinuxResources) -> LinuxResources:
    """Return the limits in force after an update."""
    memory = _over(old.memory, changes.memory)
    if memory is not None and _unlimits(changes.memory):
        memory = memory.replace(swap=-1)
    cpu = _over(old.cpu, changes.cpu)
    given = changes.cpu
    if cpu is not None and given is not None and given.idle is not None and not given.shares:
        # The weight goes with idle; the kernel has its default after that.
        cpu = cpu.replace(shares=None)
    return old.replace(
        memory=memory,
        cpu=cpu,
        pids=_over(old.pids, changes.pids, zero_counts=True),
        block_io=_block_io(old.block_io, changes.block_io),
        hugepage_limits=_by_key(old.hugepage_limits, changes.hugepage_limits, "page_size"),
        network=_over(old.network, changes.network),
        rdma={**(old.rdma or {}), **(changes.rdma or {})} or None,
        unified={**(old.unified or {}), **(changes.unified or {})} or None,
    )


def changed(new: LinuxResources, changes: LinuxResources, *, unified: bool) -> LinuxResources:
    """Return what to write so that `new` is in force after `changes`.

    `unified`: v2's file for swap leaves memory out, so each of the two needs the other.
    """
    memory = changes.memory
    if memory is not None and unified and (memory.limit or memory.swap) and new.memory:
        memory = memory.replace(limit=new.memory.limit, swap=new.memory.swap)
    return changes.replace(memory=memory, devices=None)


def undoing(old: LinuxResources, wanted: LinuxResources) -> LinuxResources:
    """Return what sets back what `wanted` sets, as far as that can be known.

    A set of CPUs that nobody had given is not known, nor is a `unified` key.
    """
    keys = wanted.unified or {}
    unified = {key: value for key, value in (old.unified or {}).items() if key in keys}
    return LinuxResources(
        memory=_back(old.memory, wanted.memory, _DEFAULTS.memory),
        cpu=_back(old.cpu, wanted.cpu, _DEFAULTS.cpu),
        pids=_back(old.pids, wanted.pids, _DEFAULTS.pids),
        block_io=_back(old.block_io, wanted.block_io, _DEFAULTS.block_io),
        hugepage_limits=old.hugepage_limits if wanted.hugepage_limits else None,
        unified=unified or None,
    )


def _unlimits(memory: LinuxMemory | None) -> bool:
    return memory is not None and memory.limit == -1 and not memory.swap


def _says(name: str, value: object, *, zero_counts: bool = False) -> bool:
    return value is not None and bool(value or zero_counts or name in _ZERO_COUNTS)


def _over(old: R | None, given: R | None, *, zero_counts: bool = False) -> R | None:
    """Return `old` with each field of `given` that says something."""
    if old is None or given is None:
        return given if old is None else old
    fields = {name: getattr(given, name) for name in given.__match_args__}
    return old.replace(
        **{n: value for n, value in fields.items() if _says(n, value, zero_counts=zero_counts)}
    )


def _block_io(old: LinuxBlockIO | None, given: LinuxBlockIO | None) -> LinuxBlockIO | None:
    found = _over(old, given)
    if old is None or given is None or found is None:
        return found
    lists = {name: _entries(getattr(old, name), getattr(given, name)) for name in _BY_DEVICE}
    return found.replace(**lists)


def _entries(old: tuple[R, ...] | None, given: tuple[R, ...] | None) -> tuple[R, ...] | None:
    found = {(e.major, e.minor): e for e in (*(old or ()), *(given or ()))}  # type: ignore[attr-defined]
    return tuple(found.values()) or None


def _by_key(
    old: tuple[R, ...] | None, given: tuple[R, ...] | None, name: str
) -> tuple[R, ...] | None:
    found = {getattr(entry, name): entry for entry in (*(old or ()), *(given or ()))}
    return tuple(found.values()) or None


def _back(old: R | None, wanted: R | None, default: R | None) -> R | None:
    """Return the old values of the fields that `wanted` sets."""
    if wanted is None or default is None:
        return None
    fields = {}
    for name in wanted.__match_args__:
        value = getattr(wanted, name)
        if _says(name, value):
            before = getattr(old, name) if old is not None else None
            known = _says(name, before)
            fields[name] = before if known else getattr(default, name)
    return default.replace(**{n: fields.get(n) for n in default.__match_args__})
