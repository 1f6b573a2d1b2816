"""Block I/O.  Kernel: Documentation/admin-guide/cgroup-v2.rst, "IO Interface Files"."""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources

_THROTTLES = (
    ("throttle_read_bps_device", "rbps"),
    ("throttle_write_bps_device", "wbps"),
    ("throttle_read_iops_device", "riops"),
    ("throttle_write_iops_device", "wiops"),
)


def writes(resources: LinuxResources, directory: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    io = resources.block_io
    if io is None:
        return
    if io.leaf_weight:
        from .._log import warning

        warning("blockIO.leafWeight is ignored: cgroup v2 has none")
    if io.weight:
        # BFQ takes the spec's scale (10 to 1000); others have one of their own.
        if directory.has("io.bfq.weight"):
            yield Write("io.bfq.weight", str(io.weight))
        else:
            yield Write("io.weight", str(weight(io.weight)))
    for device in io.weight_device or ():
        if device.weight:
            yield Write("io.bfq.weight", f"{device.major}:{device.minor} {device.weight}")
    for field, word in _THROTTLES:
        for throttle in getattr(io, field) or ():
            rate = throttle.rate or "max"
            yield Write("io.max", f"{throttle.major}:{throttle.minor} {word}={rate}")


def weight(blkio: int) -> int:
    """Convert v1's weight (10 to 1000) to v2's (1 to 10000)."""
    return 1 + (blkio - 10) * 9999 // 990
