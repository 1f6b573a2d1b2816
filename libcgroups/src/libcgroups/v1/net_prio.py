"""`net_prio.ifpriomap`.  Kernel: Documentation/admin-guide/cgroup-v1/net_prio.rst."""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order: one line per interface."""
    for interface in (resources.network and resources.network.priorities) or ():
        yield Write("net_prio.ifpriomap", f"{interface.name} {interface.priority}")
