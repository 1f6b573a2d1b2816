"""Block I/O.  Kernel: Documentation/admin-guide/cgroup-v1/blkio-controller.rst.

The weights belong to the I/O scheduler: CFQ's files (until Linux 5.0) had no prefix, BFQ's have.
"""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources

_THROTTLES = (
    ("throttle_read_bps_device", "blkio.throttle.read_bps_device"),
    ("throttle_write_bps_device", "blkio.throttle.write_bps_device"),
    ("throttle_read_iops_device", "blkio.throttle.read_iops_device"),
    ("throttle_write_iops_device", "blkio.throttle.write_iops_device"),
)


def writes(resources: LinuxResources, directory: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    io = resources.block_io
    if io is None:
        return
    if io.weight:
        yield Write(_either(directory, "blkio.weight", "blkio.bfq.weight"), str(io.weight))
    if io.leaf_weight:
        yield Write("blkio.leaf_weight", str(io.leaf_weight))
    for device in io.weight_device or ():
        numbers = f"{device.major}:{device.minor}"
        if device.weight:
            file = _either(directory, "blkio.weight_device", "blkio.bfq.weight_device")
            yield Write(file, f"{numbers} {device.weight}")
        if device.leaf_weight:
            yield Write("blkio.leaf_weight_device", f"{numbers} {device.leaf_weight}")
    for field, file in _THROTTLES:
        for throttle in getattr(io, field) or ():
            yield Write(file, f"{throttle.major}:{throttle.minor} {throttle.rate}")


def _either(directory: Directory, old: str, new: str) -> str:
    return new if directory.has(new) else old
