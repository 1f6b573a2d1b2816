"""The container's root while it is built: the handles that the steps share."""

from __future__ import annotations

import errno
import posix
import stat

from ..kernel import constants as c
from ..spec.rules.mounts import PROC_FILES
from . import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel


class Rootfs:
    """The root under construction.  Everything in it is reached through `fd`.

    The process's working directory must be the root folder when this is made: main changes into
    it before the clone, so that init has it in its own mount namespace, whatever the permissions
    on the way there.
    """

    def __init__(self, kernel: Kernel, path: str) -> None:
        self.kernel = kernel
        self.path = path  # on the host; for messages and hooks only
        self.fd = -1  # set by the step that mounts the root
        self.sources: dict[str, int] = {}  # bind sources, opened before the first mount
        self.mounts: dict[str, int] = {}  # handles of mounts that a later step comes back to
        self.mask: int | None = None  # an empty read-only directory, cloned for each mask
        self.proc: int | None = None  # st_dev of the procfs that has been mounted
        self.null: int | None = None  # a clone of the host's /dev/null

    def open(self, path: str, *, flags: int = c.O_PATH) -> resolve.Handle:
        """Open something inside the root, for a `with`."""
        return resolve.Handle(resolve.open_path(self.kernel, self.fd, path, flags=flags))

    def target(self, path: str, *, directory: bool) -> resolve.Handle:
        """Open a mount point, made where missing, for a `with`.

        Raises OSError for one that nothing may be mounted on, wherever links have led.
        """
        fd = resolve.make_target(self.kernel, self.fd, path, directory=directory)
        try:
            self._judge(fd, path)
        except BaseException:
            posix.close(fd)
            raise
        return resolve.Handle(fd)

    def _judge(self, fd: int, path: str) -> None:
        """Refuse the root itself, a link, and what lies in /proc: a mount there undoes masks."""
        found = posix.fstat(fd)
        if stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, "the destination is a symbolic link", path)
        if self.is_root(found):
            text = f'mountpoint "{path}" is on the top of rootfs "{self.path}"'
            raise OSError(errno.EBUSY, text, path)
        if self.proc is not None and found.st_dev == self.proc:
            # Where it is inside the root, by the kernel's own word; only this rare case asks.
            inside = posix.readlink(f"/proc/self/fd/{fd}").removeprefix(self.path)
            if inside != "/proc" and inside not in PROC_FILES:
                text = f'"{path}" cannot be mounted because it is inside /proc'
                raise OSError(errno.EPERM, text, path)

    def is_root(self, found: posix.stat_result) -> bool:
        """Whether that is the root of the container."""
        root = posix.fstat(self.fd)
        return (root.st_dev, root.st_ino) == (found.st_dev, found.st_ino)

    def keep(self, path: str, mount: int) -> None:
        """Remember the newest mount at `path`."""
        if path in self.mounts:
            posix.close(self.mounts[path])
        self.mounts[path] = mount
