"""New file systems: made detached, told their options, then attached.  fsopen(2)."""

from __future__ import annotations

import errno
import posix
import stat

from .. import _log
from .._record import u64
from ..kernel import constants as c
from ..step import Step
from . import resolve
from .attributes import set_attributes, set_propagation
from .bind import Idmap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel
    from .root import Rootfs

RESTRICTIONS = c.MOUNT_ATTR_RDONLY | c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NODEV | c.MOUNT_ATTR_NOEXEC
_LONGEST = 255  # bytes of a value that fsconfig(2) takes
_OLD_FLAGS = {
    "ro": c.MS_RDONLY,
    "sync": c.MS_SYNCHRONOUS,
    "dirsync": c.MS_DIRSYNC,
    "lazytime": c.MS_LAZYTIME,
    "mand": c.MS_MANDLOCK,
}


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
    instead: str | None = None  # what to bind where the kernel allows this one no new instance
    label: str | None = None  # SELinux label of its root, where no option can carry it
    idmap: Idmap | None = None

    def load(self) -> None:
        """Copying is rare."""
        if self.copy_up:
            from . import copyup  # noqa: F401

    def describe(self) -> str:
        """Name file system and destination, and a source that is more than a name."""
        source = f" {self.source}" if self.source[:1] == "/" else ""
        return f"mount {self.kind}{source} on {self.destination}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Make the file system, then attach it."""
        # Before the place is made: only what was there has a mode to keep.
        keep_mode = self.kind == "tmpfs" and rootfs.exists(self.destination)
        with self._target(rootfs, kernel) as target:
            mount = self._mount(rootfs, kernel, target, keep_mode=keep_mode)
            try:
                if self.idmap is not None:
                    self.idmap.apply(mount, kernel, rootfs.user_namespaces)
                if self.copy_up:
                    _copy_up(target, mount)
                if self.label is not None:
                    label = self.label.encode() + b"\0"
                    posix.setxattr(f"/proc/self/fd/{mount}", "security.selinux", label)
                mount = rootfs.locked(mount)
                set_propagation(kernel, mount, self.propagation)
                kernel.move_mount(mount, target)
            except BaseException:
                posix.close(mount)
                raise
        if self.keep:
            rootfs.keep(self.destination, mount)
        else:
            posix.close(mount)

    def make(self, kernel: Kernel, *, pid_namespace: int | None = None) -> int:
        """Return the file system detached, for whoever may make it where init may not."""
        return self._make(kernel, None, self.data, pid_namespace)

    def _target(self, rootfs: Rootfs, kernel: Kernel) -> resolve.Handle:
        if self.kind not in ("proc", "sysfs"):
            return rootfs.target(self.destination, directory=True)
        # The image could point /proc at a place that another container can rename
        # (CVE-2019-19921): the place itself must be a directory, no link on the way.
        flags = c.O_PATH | posix.O_DIRECTORY
        rule = resolve.IN_ROOT | c.RESOLVE_NO_SYMLINKS
        try:
            posix.close(resolve.make_directory(kernel, rootfs.fd, self.destination))
            return resolve.Handle(
                resolve.open_path(kernel, rootfs.fd, self.destination, flags=flags, resolve=rule)
            )
        except OSError as e:
            if e.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
            text = f'filesystem "{self.kind}" must be mounted on ordinary directory'
            raise OSError(e.errno, text, self.destination) from e

    def _mount(self, rootfs: Rootfs, kernel: Kernel, target: int, *, keep_mode: bool) -> int:
        data = self.data
        if keep_mode:
            # As a tmpfs of mount(8) would not: keep the mode of the directory it covers.  Before
            # the document's own options, so that an explicit mode wins.
            mode = stat.S_IMODE(posix.fstat(target).st_mode)
            data = (f"mode={mode:o}", *data)
        if (handed := rootfs.handed.pop(self.destination, None)) is not None:
            return handed
        try:
            return self._make(kernel, target, data, rootfs.pid_namespace)
        except OSError as e:
            if e.errno == errno.EPERM and self.instead is not None:
                return self._bind(self.instead, kernel)
            if e.errno == errno.EPERM and self.kind in ("proc", "sysfs"):
                # The kernel says no more, or only in its log: "Mount too revealing".
                why = "its namespace belongs to another user namespace"
                if "fsmount" in (e.strerror or ""):
                    why = "a new one might show what is hidden in every one that is visible here"
                raise OSError(e.errno, f"{e.strerror} ({why})") from e
            without = tuple([option for option in data if option[:4] != "gid="])
            if e.errno != errno.EINVAL or self.kind != "devpts" or without == data:
                raise
        # A group that the user namespace does not have; terminals then belong to its own group.
        _log.warning(f"mount devpts on {self.destination}: without gid, which is not mapped")
        return self._make(kernel, target, without, None)

    def _make(
        self, kernel: Kernel, target: int | None, data: tuple[str, ...], pid_namespace: int | None
    ) -> int:
        if target is not None and has_long(data):
            return self._make_by_mount(kernel, target, data)
        fs = kernel.fsopen(self.kind)
        try:
            kernel.fsconfig_string(fs, "source", self.source or self.kind)
            if self.kind == "proc" and pid_namespace is not None:
                # Else it would show the runtime's processes, which may be the host's.  Linux 6.17
                kernel.fsconfig_fd(fs, "pidns", pid_namespace)
            configure(kernel, fs, self.superblock, data)
            kernel.fsconfig_create(fs)
            return kernel.fsmount(fs, self.set)
        except OSError as e:
            raise explained(e, fs) from e
        finally:
            posix.close(fs)

    def _make_by_mount(self, kernel: Kernel, target: int, data: tuple[str, ...]) -> int:
        """Make it by mount(2), which takes a page of options where fsconfig(2) takes 255 bytes.

        mount(2) knows no detached mounts.  So a tmpfs of ours covers the target for a moment;
        what has been mounted inside it is cloned, and the tmpfs goes.
        """
        fs = kernel.fsopen("tmpfs")
        with resolve.Handle(fs):
            kernel.fsconfig_create(fs)
            scratch = kernel.fsmount(fs, 0)
        with resolve.Handle(scratch):
            kernel.mount_setattr(scratch, propagation=c.MS_PRIVATE, recursive=False)
            kernel.move_mount(scratch, target)
            place = f"/proc/self/fd/{scratch}"
            try:
                posix.mkdir("new", dir_fd=scratch)
                flags = sum([_OLD_FLAGS.get(word, 0) for word in self.superblock])
                kernel.mount(self.source, f"{place}/new", self.kind, flags, ",".join(data))
                mount = kernel.open_tree(scratch, "new", c.OPEN_TREE_CLONE)
            finally:
                kernel.umount2(place, c.MNT_DETACH)
        set_attributes(kernel, mount, set=self.set, clear=c.MOUNT_ATTR__ATIME, recursive=False)
        return mount

    def _bind(self, path: str, kernel: Kernel) -> int:
        """Clone the host's, with all that the document restricts, on each mount of the tree."""
        _log.debug(f"mount {self.kind} on {self.destination}: not allowed here, {path} is bound")
        tree = kernel.open_tree(c.AT_FDCWD, path, c.OPEN_TREE_CLONE | c.AT_RECURSIVE)
        try:
            kernel.mount_setattr(tree, set=self.set & RESTRICTIONS, recursive=True)
        except BaseException:
            posix.close(tree)
            raise
        return tree


def has_long(data: tuple[str, ...]) -> bool:
    """Whether one of the options has a value that fsconfig(2) does not take."""
    return any([len(option.partition("=")[2].encode()) > _LONGEST for option in data])


def configure(kernel: Kernel, fs: int, superblock: tuple[str, ...], data: tuple[str, ...]) -> None:
    """Tell a file system its options, in order."""
    for flag in superblock:
        kernel.fsconfig_flag(fs, flag)
    for option in data:
        name, equals, value = option.partition("=")
        if equals:
            kernel.fsconfig_string(fs, name, value)
        else:
            kernel.fsconfig_flag(fs, name)


def explained(e: OSError, fs: int) -> OSError:
    """Return the error with the kernel's own words about the file system: the best diagnosis."""
    said = []
    try:
        while text := posix.read(fs, 4096):
            said.append(text.decode(errors="replace").strip().removeprefix("e "))
    except OSError:
        pass  # ENODATA: all read
    return OSError(e.errno, f"{e.strerror} ({'; '.join(said)})", e.filename) if said else e


def _copy_up(below: int, mount: int) -> None:
    from .copyup import copy_tree, open_for_copy  # loaded by NewMount.load

    with resolve.Handle(open_for_copy(below)) as source:
        with resolve.Handle(open_for_copy(mount)) as target:
            copy_tree(source, target)
