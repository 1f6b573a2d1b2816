"""`cpuset.cpus` and `cpuset.mems`.

A new v1 cpuset has neither CPUs nor memory nodes, and no process can join it (ENOSPC) until both
are set.  So new levels begin with their parent's values.
"""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxResources

_FILES = ("cpuset.cpus", "cpuset.mems")


def writes(resources: LinuxResources, _: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    cpu = resources.cpu
    if cpu is not None and cpu.cpus:
        yield Write("cpuset.cpus", cpu.cpus)
    if cpu is not None and cpu.mems:
        yield Write("cpuset.mems", cpu.mems)


def seed(mount: str, inside: str) -> None:
    """Fill the empty sets of `inside` from its parent, and first the parent's from its own."""
    for file in _FILES:
        _fill(mount, inside, file)


def _fill(mount: str, inside: str, file: str) -> str:
    directory = Directory(mount + inside, inside or "/")
    value = _read(directory, file)
    if not value and inside.strip("/"):
        value = _fill(mount, inside.rpartition("/")[0], file)
        _write(directory, file, value)
    return value


def _read(directory: Directory, file: str) -> str:
    # Mounted with "noprefix" (old Android) the files are named "cpus" and "mems".
    text = directory.find(file)
    return (directory.read(file[7:]) if text is None else text).strip()


def _write(directory: Directory, file: str, value: str) -> None:
    directory.write(file if directory.has(file) else file[7:], value)
