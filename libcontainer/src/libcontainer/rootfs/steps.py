"""The steps that build a container's root, each one mount or one change of a mount.

All of them run in init, before the pivot, and reach the root only through handles.  A mount is
made detached, gets its attributes, and only then is attached: at no instant can anybody see it
without its `ro`.
"""

from __future__ import annotations

import errno
import posix
import stat

from .._record import i64, u64
from ..kernel import constants as c
from ..step import Step
from . import resolve
from .attributes import set_attributes
from .bind import BindMount
from .filesystem import NewMount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel
    from .root import Rootfs

__all__ = [
    "BindMount",
    "LateReadOnly",
    "LookAgain",
    "MakeDirectory",
    "Mask",
    "NewMount",
    "Propagation",
    "ReadOnlyPath",
    "RootMount",
    "RootReadOnly",
    "set_attributes",
]

_CLONE_TREE = c.OPEN_TREE_CLONE | c.AT_RECURSIVE
_CLONE_HANDLE = c.OPEN_TREE_CLONE | c.AT_EMPTY_PATH


class Propagation(Step):
    """Cut the new mount namespace off from the one it was copied from."""

    flags: u64  # MS_SLAVE, MS_PRIVATE or MS_SHARED, with MS_REC

    def describe(self) -> str:
        """Say which way mounts still travel."""
        names = {c.MS_SLAVE: "slave", c.MS_PRIVATE: "private", c.MS_SHARED: "shared"}
        return f"make every mount {names.get(self.flags & ~c.MS_REC, hex(self.flags))}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """The one mount(2) by name: `/` cannot be anything but the root."""
        kernel.mount("", "/", "", self.flags)


class RootMount(Step):
    """Bind the root folder onto itself: only a mount can become the root."""

    path: str
    private: bool = False  # when host mounts are shared, the root must not be, or pivot fails

    def describe(self) -> str:
        """Name the folder on the host."""
        return f"mount the root {self.path}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Clone the working directory (see Rootfs) and attach the clone on it."""
        if self.private:
            _make_parent_private(kernel, self.path)
        tree = kernel.open_tree(c.AT_FDCWD, ".", _CLONE_TREE)
        if self.private:
            kernel.mount_setattr(tree, propagation=c.MS_PRIVATE, recursive=False)
        kernel.move_mount(tree, c.AT_FDCWD, ".")
        rootfs.fd = tree


class LateReadOnly(Step):
    """Make a mount read-only that had to be filled first."""

    destination: str

    def describe(self) -> str:
        """Name the mount."""
        return f"make {self.destination} read-only"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """By the handle of the mount, wherever its path leads by now."""
        mount = rootfs.mounts[self.destination]
        set_attributes(kernel, mount, set=c.MOUNT_ATTR_RDONLY, clear=0, recursive=False)


class RootReadOnly(Step):
    """Make the root itself read-only, not what is mounted in it."""

    path: str = "/"

    def describe(self) -> str:
        """Name the root."""
        return "make the root read-only"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """The root's handle is its mount."""
        set_attributes(kernel, rootfs.fd, set=c.MOUNT_ATTR_RDONLY, clear=0, recursive=False)


class ReadOnlyPath(Step):
    """Cover a path with a read-only view of itself.  Absent: nothing to protect."""

    path: str

    def describe(self) -> str:
        """Name the path."""
        return f"make {self.path} read-only"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Clone from a handle and attach to the same handle, so the two cannot differ."""
        try:
            handle = rootfs.open(self.path)
        except FileNotFoundError:
            return
        with handle as target:
            tree = kernel.open_tree(target, "", _CLONE_HANDLE | c.AT_RECURSIVE)
            with resolve.Handle(tree):
                set_attributes(kernel, tree, set=c.MOUNT_ATTR_RDONLY, clear=0, recursive=True)
                kernel.move_mount(tree, target)


class Mask(Step):
    """Hide a path: a directory behind an empty one, a file behind /dev/null."""

    path: str

    def describe(self) -> str:
        """Name the path."""
        return f"mask {self.path}"

    def prepare(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Take the host's /dev/null: the container's own may be anything (CVE-2025-31133)."""
        if rootfs.null < 0:
            rootfs.null = _verified_null()

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Attach a clone; only a missing target is nothing to mask."""
        try:
            handle = rootfs.open(self.path)
        except FileNotFoundError:
            return
        with handle as target:
            if stat.S_ISDIR(posix.fstat(target).st_mode):
                mount = self._empty_directory(rootfs, kernel)
            else:
                mount = kernel.open_tree(rootfs.null, "", _CLONE_HANDLE)
            try:
                kernel.move_mount(mount, target)
            finally:
                if mount != rootfs.mask:
                    posix.close(mount)

    def _empty_directory(self, rootfs: Rootfs, kernel: Kernel) -> int:
        """Return a detached empty directory; all of them are one file system."""
        if rootfs.mask is not None:
            return kernel.open_tree(rootfs.mask, "", _CLONE_HANDLE)
        fs = kernel.fsopen("tmpfs")
        with resolve.Handle(fs):
            kernel.fsconfig_string(fs, "source", "tmpfs")
            kernel.fsconfig_string(fs, "nr_blocks", "1")
            kernel.fsconfig_string(fs, "nr_inodes", "1")
            kernel.fsconfig_string(fs, "mode", "555")
            kernel.fsconfig_create(fs)
            rootfs.mask = kernel.fsmount(fs, c.MOUNT_ATTR_RDONLY)
        return rootfs.mask


class LookAgain(Step):
    """See that every path is still covered: a root that others share may change while we build."""

    masked: tuple[str, ...] = ()
    read_only: tuple[str, ...] = ()

    def describe(self) -> str:
        """Say what is looked for."""
        return "see that masked and read-only paths are covered"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """By the same look-up that the container's processes will do.  Raises OSError."""
        for path in (*self.masked, *self.read_only):
            try:
                handle = rootfs.open(path)
            except FileNotFoundError:
                continue
            with handle as fd:
                read_only = path in self.read_only and posix.fstatvfs(fd).f_flag & posix.ST_RDONLY
                if not (read_only or _is_mask(fd, rootfs)):
                    raise OSError(errno.EAGAIN, "the root changes while it is built", path)


def _is_mask(fd: int, rootfs: Rootfs) -> bool:
    found = posix.fstat(fd)
    if stat.S_ISDIR(found.st_mode):
        return rootfs.mask is not None and found.st_dev == posix.fstat(rootfs.mask).st_dev
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == posix.makedev(1, 3)


class MakeDirectory(Step):
    """Make a directory of the container that the process needs, its working directory."""

    path: str
    mode: i64 = 0o755

    def describe(self) -> str:
        """Name the directory."""
        return f"make the directory {self.path}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Make it with its parents where missing."""
        posix.close(resolve.make_directory(kernel, rootfs.fd, self.path, self.mode))


def _verified_null() -> int:
    fd = posix.open("/dev/null", c.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    found = posix.fstat(fd)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != posix.makedev(1, 3):
        posix.close(fd)
        raise OSError(errno.ENODEV, "the host's /dev/null is not the null device", "/dev/null")
    return fd


def _make_parent_private(kernel: Kernel, path: str) -> None:
    """Make the mount that holds `path` private: the first parent that is a mount point."""
    while True:
        try:
            kernel.mount("", path, "", c.MS_PRIVATE)
            return
        except OSError as e:
            if e.errno != errno.EINVAL or path == "/":
                raise
        path = path.rpartition("/")[0] or "/"
