"""`cgroup.freeze`.  Kernel: Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files"."""

from __future__ import annotations

import posix
import select
from errno import ENOENT

from .. import files
from ..errors import CgroupError, ControlFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..files import Directory
    from .manager import Manager

_PATIENCE = 10_000  # milliseconds


def freeze(directory: Directory) -> None:
    """Freeze, and return when every process stands."""
    directory.write("cgroup.freeze", "1")
    try:
        _wait(directory)
    except BaseException:  # who is interrupted leaves nobody frozen either
        directory.write("cgroup.freeze", "0")
        raise


def thaw(directory: Directory) -> None:
    """Let the processes go on."""
    try:
        directory.write("cgroup.freeze", "0")
    except ControlFileError as e:
        if e.errno != ENOENT:  # a kernel without a freezer has nothing frozen
            raise


def _wait(directory: Directory) -> None:
    """Wait for "frozen 1".  The kernel wakes who polls cgroup.events when a line changes."""
    path = f"{directory.path}/cgroup.events"
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as e:
        raise ControlFileError(path, None, e.errno or 0, directory.name) from e
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        for _ in range(100):
            if b"frozen 1" in posix.pread(fd, 4096, 0):
                return
            poll.poll(_PATIENCE // 100)
    finally:
        posix.close(fd)
    raise CgroupError("unable to freeze")


def signal_all(manager: Manager, signal: int) -> None:
    """Signal every process of the cgroup and below, frozen meanwhile so that none forks away."""
    was_frozen = manager.is_frozen()
    if not was_frozen:
        freeze(manager.directory)
    try:
        files.signal(manager.pids(), signal)
    finally:
        if not was_frozen:
            thaw(manager.directory)
