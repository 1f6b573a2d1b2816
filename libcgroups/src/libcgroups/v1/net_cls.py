"""`net_cls.classid`.  Kernel: Documentation/admin-guide/cgroup-v1/net_cls.rst."""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    if resources.network is not None and resources.network.class_id:
        yield Write("net_cls.classid", str(resources.network.class_id))
