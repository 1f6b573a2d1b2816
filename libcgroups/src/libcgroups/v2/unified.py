"""`linux.resources.unified`: control files by name, whatever the kernel has."""

from __future__ import annotations

from errno import ENOENT

from ..errors import CgroupError, ControlFileError, ControllerMissing
from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup: text of several lines goes line by line."""
    for key, text in (resources.unified or {}).items():
        if "/" in key or "\0" in key or "." not in key:
            raise CgroupError(f"unified resource {key!r} must be a file name")
        for line in text.removesuffix("\n").split("\n"):
            yield Write(key, line)


def explain(write: Write, error: ControlFileError, directory: Directory) -> CgroupError:
    """Tell a missing controller from a missing file."""
    controller = write.file.partition(".")[0]
    if error.errno == ENOENT and controller != "cgroup":
        available = (directory.find("cgroup.controllers") or "").split()
        if controller not in available:
            return ControllerMissing(
                controller,
                f'unified resource "{write.file}" can\'t be set: '
                f'controller "{controller}" not available',
            )
    return error
