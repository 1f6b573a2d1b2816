"""`rdma.max`, the same on v1 and v2.  Kernel: Documentation/admin-guide/cgroup-v1/rdma.rst."""

from __future__ import annotations

from .files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .resources import LinuxResources


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order: one line per device."""
    for device, limits in (resources.rdma or {}).items():
        words = [device]
        if limits.hca_handles is not None:
            words.append(f"hca_handle={limits.hca_handles}")
        if limits.hca_objects is not None:
            words.append(f"hca_object={limits.hca_objects}")
        yield Write("rdma.max", " ".join(words))
