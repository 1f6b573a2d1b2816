"""Memory: limit, memory+swap, soft limit, swappiness, the OOM killer.

Kernel: Documentation/admin-guide/cgroup-v1/memory.rst.
"""

from __future__ import annotations

from errno import EBUSY

from ..errors import CgroupError
from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..errors import ControlFileError
    from ..resources import LinuxMemory, LinuxResources

_LIMIT = "memory.limit_in_bytes"
_SWAP = "memory.memsw.limit_in_bytes"
_UNTOUCHED = 2**64 - 1  # how some callers spell "no swappiness given"


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    memory = resources.memory
    if memory is None:
        return
    if memory.use_hierarchy:
        yield Write("memory.use_hierarchy", "1", optional=True)  # always so since Linux 5.11
    yield from _limits(memory)
    if memory.reservation:
        yield Write("memory.soft_limit_in_bytes", str(memory.reservation))
    if memory.kernel or memory.kernel_tcp:
        from .._log import warning

        warning("Kernel memory settings are ignored and will be removed")
    if memory.disable_oom_killer:
        yield Write("memory.oom_control", "1")
    if memory.swappiness is not None and memory.swappiness != _UNTOUCHED:
        if memory.swappiness > 100:
            raise CgroupError(
                f"invalid memory swappiness value: {memory.swappiness} (valid range is 0-100)"
            )
        yield Write("memory.swappiness", str(memory.swappiness))


def _limits(memory: LinuxMemory) -> Iterator[Write]:
    # The kernel keeps limit <= memory+swap at all times (EINVAL).  Downwards the limit goes
    # first, upwards it is refused first and repeated after memory+swap.
    if memory.limit:
        yield Write(_LIMIT, str(memory.limit), postponable=True)
    if memory.swap:
        yield Write(_SWAP, str(memory.swap), postponable=True)
    elif memory.limit == -1:
        yield Write(_SWAP, "-1", optional=True)


def explain(write: Write, error: ControlFileError, directory: Directory) -> CgroupError:
    """Say what is in use where a limit was refused because of it."""
    if write.file == _LIMIT and error.errno == EBUSY:
        usage = directory.find("memory.usage_in_bytes")
        peak = directory.find("memory.max_usage_in_bytes")
        return CgroupError.because(
            f"unable to set memory limit to {write.value} "
            f"(current usage: {usage}, peak usage: {peak})",
            EBUSY,
        )
    swap = directory.find(_SWAP)
    if write.file == _LIMIT and swap is not None and int(write.value) > int(swap):
        return CgroupError.because(
            f"memory limit {write.value} exceeds memory+swap limit {swap}, give the latter too",
            error.errno,
        )
    return error
