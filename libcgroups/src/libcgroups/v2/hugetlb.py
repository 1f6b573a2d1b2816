"""Huge pages.  Kernel: Documentation/admin-guide/cgroup-v2.rst, "HugeTLB"."""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    for page in resources.hugepage_limits or ():
        yield Write(f"hugetlb.{page.page_size}.max", str(page.limit))
        # Reservations are counted apart since Linux 5.7, and mmap fails early only by this one.
        yield Write(f"hugetlb.{page.page_size}.rsvd.max", str(page.limit), optional=True)
