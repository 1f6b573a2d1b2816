"""CPUs and memory nodes.  Kernel: Documentation/admin-guide/cgroup-v2.rst, "Cpuset"."""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    cpu = resources.cpu
    if cpu is not None and cpu.cpus:
        yield Write("cpuset.cpus", cpu.cpus)
    if cpu is not None and cpu.mems:
        yield Write("cpuset.mems", cpu.mems)
