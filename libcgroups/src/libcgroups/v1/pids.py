"""`pids.max`.  Kernel: Documentation/admin-guide/cgroup-v1/pids.rst."""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    pids = resources.pids
    if pids is None or pids.limit is None:
        return
    # 0 and 1 mean the same to fork, and systemd refuses 0.
    yield Write("pids.max", "max" if pids.limit < 0 else str(pids.limit or 1))
