"""Memory.  Kernel: Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files".

The spec's `swap` is memory and swap together, the kernel's `memory.swap.max` swap alone.
"""

from __future__ import annotations

from ..errors import CgroupError
from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxMemory, LinuxResources


def writes(resources: LinuxResources, directory: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    memory = resources.memory
    if memory is None:
        return
    swap = swap_alone(memory)
    check_usage(memory, directory)
    if memory.disable_oom_killer or memory.swappiness or memory.kernel or memory.kernel_tcp:
        from .._log import warning

        warning("memory settings that cgroup v2 does not have are ignored")
    if swap is not None:
        # Without swap accounting there is no such file, and no swap is what 0 asks for.
        yield Write("memory.swap.max", _spelled(swap), optional=swap <= 0)
    if memory.limit:
        yield Write("memory.max", _spelled(memory.limit))
    if memory.reservation:
        yield Write("memory.low", _spelled(memory.reservation))


def swap_alone(memory: LinuxMemory) -> int | None:
    """Return the limit of swap alone in bytes, -1 for none, None to leave it alone."""
    limit, swap = memory.limit or 0, memory.swap or 0
    if limit == -1 and swap == 0:
        return -1
    if swap == 0:
        return None
    if swap == -1 or limit == -1:
        return swap
    if limit == 0:
        raise CgroupError("unable to set swap limit without memory limit")
    if swap < limit:
        raise CgroupError("memory+swap limit should be >= memory limit")
    return swap - limit


def _spelled(value: int) -> str:
    return "max" if value == -1 else str(value)


def check_usage(memory: LinuxMemory, directory: Directory) -> None:
    """Refuse limits below what is in use, if `check_before_update` asks for that."""
    if not memory.check_before_update:
        return
    swap, used = swap_alone(memory), int(directory.find("memory.current") or 0)
    if memory.limit and 0 < memory.limit <= used:
        raise CgroupError(f"rejecting memory limit {memory.limit} <= usage {used}")
    used = int(directory.find("memory.swap.current") or 0)
    if swap is not None and 0 < swap <= used:
        raise CgroupError(f"rejecting memory+swap limit {swap} <= usage {used}")
