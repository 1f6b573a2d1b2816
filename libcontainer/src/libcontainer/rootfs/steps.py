"""The steps that build a container's root, each one mount or one change of a mount.

All of them run in init, before the pivot, and reach the root only through handles.  A mount is
made detached, gets its attributes, and only then is attached: at no instant can anybody see it
without its `ro`.
"""

from __future__ import annotations

import errno
import posix
import stat
import time

from .._record import i64, u64
from ..kernel import constants as c
from ..step import Step
from . import resolve
from .options import attribute_words, propagation_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel
    from .root import Rootfs

# Given a bind with any per-mount option, these are cleared unless asked for (runc's rule): what a
# mount allows is then read in the document, not inherited from wherever its source lives.
_CLEARED = (
    c.MOUNT_ATTR_RDONLY
    | c.MOUNT_ATTR_NOSUID
    | c.MOUNT_ATTR_NODEV
    | c.MOUNT_ATTR_NOEXEC
    | c.MOUNT_ATTR_NODIRATIME
    | c.MOUNT_ATTR_NOSYMFOLLOW
)
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


class NewMount(Step):
    """Mount a new file system."""

    kind: str  # file system name of /proc/filesystems
    source: str
    destination: str
    set: u64 = 0  # MOUNT_ATTR_ bits
    superblock: tuple[str, ...] = ()  # fsconfig flags
    data: tuple[str, ...] = ()  # options for the file system
    propagation: tuple[str, ...] = ()
    keep: bool = False  # a later step comes back to this mount
    copy_up: bool = False  # begin with what the directory below holds (tmpfs)

    def describe(self) -> str:
        """Name file system and destination."""
        return f"mount {self.kind} on {self.destination}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Make the file system, then attach it."""
        with self._target(rootfs, kernel) as target:
            mount = self._make(kernel, target)
            try:
                if self.copy_up:
                    _copy_up(target, mount)
                for word in self.propagation:
                    flag, tree = propagation_flag(word)
                    kernel.mount_setattr(mount, propagation=flag, recursive=tree)
                kernel.move_mount(mount, target)
            except BaseException:
                posix.close(mount)
                raise
        if self.kind == "proc":
            rootfs.proc = posix.fstat(mount).st_dev
        if self.keep:
            rootfs.keep(self.destination, mount)
        else:
            posix.close(mount)

    def _target(self, rootfs: Rootfs, kernel: Kernel) -> resolve.Handle:
        if self.kind not in ("proc", "sysfs"):
            return rootfs.target(self.destination, directory=True)
        # The image could point /proc at a place that another container can rename
        # (CVE-2019-19921): the place itself must be a directory, no link on the way.
        posix.close(resolve.make_directory(kernel, rootfs.fd, self.destination))
        flags = c.O_PATH | posix.O_DIRECTORY
        rule = resolve.IN_ROOT | c.RESOLVE_NO_SYMLINKS
        try:
            return resolve.Handle(
                resolve.open_path(kernel, rootfs.fd, self.destination, flags=flags, resolve=rule)
            )
        except OSError as e:
            if e.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            text = f'filesystem "{self.kind}" must be mounted on ordinary directory'
            raise OSError(e.errno, text, self.destination) from e

    def _make(self, kernel: Kernel, target: int) -> int:
        data = self.data
        if self.kind == "tmpfs":
            # As a tmpfs of mount(8) would not: keep the mode of the directory it covers.  Before
            # the document's own options, so that an explicit mode wins.
            mode = stat.S_IMODE(posix.fstat(target).st_mode)
            data = (f"mode={mode:o}", *data)
        fs = kernel.fsopen(self.kind)
        try:
            kernel.fsconfig_string(fs, "source", self.source or self.kind)
            for flag in self.superblock:
                kernel.fsconfig_flag(fs, flag)
            for option in data:
                name, equals, value = option.partition("=")
                if equals:
                    kernel.fsconfig_string(fs, name, value)
                else:
                    kernel.fsconfig_flag(fs, name)
            kernel.fsconfig_create(fs)
            return kernel.fsmount(fs, self.set)
        except OSError as e:
            if said := _kernel_message(fs):
                raise OSError(e.errno, f"{e.strerror} ({said})", e.filename) from e
            raise
        finally:
            posix.close(fs)


class BindMount(Step):
    """Attach a clone of the host's `source` at `destination`."""

    source: str
    destination: str
    recursive: bool = True
    change: bool = False  # whether any per-mount option was given; else all is inherited
    set: u64 = 0
    clear: u64 = 0  # what the document itself asks to clear
    recursive_set: u64 = 0
    recursive_clear: u64 = 0
    propagation: tuple[str, ...] = ()
    keep: bool = False
    optional: bool = False  # a missing source is nothing to bind

    def describe(self) -> str:
        """Name both ends, and `ro` where it matters to people."""
        words = attribute_words(self.set, self.clear)
        return f"bind {self.source} onto {self.destination}" + (f" ({words})" if words else "")

    def prepare(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Clone the source before any mount of the container could redirect its path.

        In init's own mount namespace, so that inside a user namespace the clone keeps its locked
        flags (processes.md 2.26).
        """
        flags = c.OPEN_TREE_CLONE | (c.AT_RECURSIVE if self.recursive else 0)
        try:
            rootfs.sources[self.key()] = kernel.open_tree(c.AT_FDCWD, self.source, flags)
        except FileNotFoundError:
            if not self.optional:
                raise

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Set the attributes on the detached clone, then attach it."""
        tree = rootfs.sources.pop(self.key(), -1)
        if tree < 0:
            return
        try:
            directory = stat.S_ISDIR(posix.fstat(tree).st_mode)
            self._attributes(tree, kernel)
            with rootfs.target(self.destination, directory=directory) as target:
                self._keep_proc_real(tree, target, rootfs, kernel)
                kernel.move_mount(tree, target)
        except BaseException:
            posix.close(tree)
            raise
        if self.keep:
            rootfs.keep(self.destination, tree)
        else:
            posix.close(tree)

    def _keep_proc_real(self, tree: int, target: int, rootfs: Rootfs, kernel: Kernel) -> None:
        """Refuse to cover /proc with anything but another procfs (CVE-2019-16884)."""
        proc = self.destination == "/proc" or posix.fstat(target).st_dev == rootfs.proc
        if proc and stat.S_ISDIR(posix.fstat(target).st_mode):
            real = kernel.file_system(tree) == c.PROC_SUPER_MAGIC and posix.fstat(tree).st_ino == 1
            if not real:
                text = f'"{self.destination}" cannot be mounted because it is not of type proc'
                raise OSError(errno.EPERM, text, self.source)

    def _attributes(self, tree: int, kernel: Kernel) -> None:
        if self.change:
            implied = self.clear | (_CLEARED & ~self.set)
            try:
                set_attributes(kernel, tree, set=self.set, clear=implied, recursive=False)
            except PermissionError:
                # Locked flags of the source in a user namespace: keep those that the document
                # did not itself ask to clear.
                set_attributes(kernel, tree, set=self.set, clear=self.clear, recursive=False)
        if self.recursive_set | self.recursive_clear:
            set_attributes(
                kernel, tree, set=self.recursive_set, clear=self.recursive_clear, recursive=True
            )
        for word in self.propagation:
            flag, whole = propagation_flag(word)
            kernel.mount_setattr(tree, propagation=flag, recursive=whole)

    def key(self) -> str:
        """Return what `prepare` filed the clone under."""
        return f"{self.source}\0{self.destination}"


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
        if rootfs.null is None:
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
                mount = kernel.open_tree(rootfs.null or 0, "", _CLONE_HANDLE)
            kernel.move_mount(mount, target)
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


def set_attributes(kernel: Kernel, mount: int, *, set: int, clear: int, recursive: bool) -> None:
    """Change a mount's attributes; wait out a writer that is just about to leave (EBUSY)."""
    for wait in (0.1, 0.1, 0.1, 0.1, None):
        try:
            kernel.mount_setattr(mount, set=set, clear=clear, recursive=recursive)
            return
        except OSError as e:
            if e.errno != errno.EBUSY or wait is None:
                raise
        time.sleep(wait)


def _copy_up(below: int, mount: int) -> None:
    from .copyup import copy_tree, open_for_copy  # rare

    with resolve.Handle(open_for_copy(below)) as source:
        with resolve.Handle(open_for_copy(mount)) as target:
            copy_tree(source, target)


def _verified_null() -> int:
    fd = posix.open("/dev/null", c.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC)
    found = posix.fstat(fd)
    if not stat.S_ISCHR(found.st_mode) or found.st_rdev != posix.makedev(1, 3):
        posix.close(fd)
        raise OSError(errno.ENODEV, "the host's /dev/null is not the null device", "/dev/null")
    return fd


def _kernel_message(fs: int) -> str:
    """Return what the kernel says about a refused file system: the best diagnosis there is."""
    said = []
    try:
        while text := posix.read(fs, 4096):
            said.append(text.decode(errors="replace").strip().removeprefix("e "))
    except OSError:
        pass  # ENODATA: all read
    return "; ".join(said)


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
