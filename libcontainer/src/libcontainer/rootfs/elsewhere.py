"""Mounting in a container that runs: made here, attached there.

A mount can only be attached by a process of the mount namespace that it goes to (move_mount(2)
says EINVAL to others), and only opened by path where that path leads to it.  So everything is
opened and made in the caller's namespaces, and a child that does nothing else joins the
container's for the one call.  It runs none of the container's code, and finds /proc by a
descriptor, for the container's own may be anything.

The root of a user namespace may clear any flag of a mount that is not locked, and what was made
here has no locked flag.  The kernel locks flags in one place: when the mount namespace that they
are in is copied for another user namespace (mount_namespaces(7)).  So a mount that is to be
attached in a container with users of its own is first put into such a copy, and cloned there.

What is missing of the way to a mount point is made by the container's root, as init would: a link
that the container puts there may lead to a folder of the host's in which it could make nothing.
"""

from __future__ import annotations

import errno
import fcntl
import posix
import stat

from ..kernel import constants as c
from ..kernel.linux import LinuxKernel
from . import resolve
from .root import Rootfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_UNKNOWN = 255  # a failure without an errno
_PLACE = "mount"


class Elsewhere(LinuxKernel):
    """The kernel, with mounts attached and detached in another mount namespace."""

    def __init__(self, namespace: int) -> None:
        super().__init__()
        self.namespace = namespace  # a descriptor of the mount namespace

    def root(self) -> int:
        """Return a handle of the root there: the namespace's own, wherever a process has gone."""

        def opened() -> int:
            self._join()
            return posix.open("/", c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)

        return self._made("open the root", opened)

    def move_mount(self, mount: int, target: int, path: str = "") -> None:
        """Attach a detached mount there."""

        def attach() -> None:
            self._join()
            LinuxKernel.move_mount(self, mount, target, path)

        self._apart("move_mount", attach)

    def detach(self, fd: int) -> None:
        """Detach the mount that `fd` is on there, and all below it."""
        proc = posix.open("/proc/self/fd", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)

        def umount() -> None:
            self._join()
            posix.fchdir(proc)
            self.umount2(str(fd), c.MNT_DETACH)

        with resolve.Handle(proc):
            self._apart("umount", umount)

    def owner(self) -> int | None:
        """Return the user namespace whose root may mount there; None if it is our own."""
        users: int = fcntl.ioctl(self.namespace, c.NS_GET_USERNS)
        if _same(users, "/proc/self/ns/user"):
            posix.close(users)
            return None
        return users

    def lock(self, mount: int, users: int) -> int:
        """Return a clone of a detached tree with flags that the root of `users` cannot clear.

        The tree itself is used up; its descriptor remains the caller's.
        """

        def locked() -> int:
            self.unshare(c.CLONE_NEWNS)
            self.mount("", "/", "", c.MS_PRIVATE | c.MS_REC)
            self._put(mount)
            self._join_users(users)
            self.unshare(c.CLONE_NEWNS)  # the copy; the working directory is now the one in it
            flags = c.OPEN_TREE_CLONE | c.AT_RECURSIVE | c.AT_SYMLINK_NOFOLLOW
            return self.open_tree(c.AT_FDCWD, _PLACE, flags)

        return self._made("lock the flags", locked)

    def made_by_root(self, make: Callable[[], int], users: int) -> int:
        """Return a handle of what `make` makes as the root of a user namespace."""

        def made() -> int:
            self._join_users(users)
            try:
                self.become(0, 0, ())
            except PermissionError:
                self.become(0, 0, None)  # a user namespace that denies setgroups
            self.prctl(c.PR_SET_DUMPABLE, 0)  # again: new ids set it to fs.suid_dumpable
            posix.umask(0)  # as while init builds
            return make()

        return self._made("make the mount point", made)

    def _put(self, mount: int) -> None:
        """Attach the mount on a name in a new working directory, which nobody else can see."""
        fs = self.fsopen("tmpfs")
        self.fsconfig_create(fs)
        folder = self.fsmount(fs, 0)
        LinuxKernel.move_mount(self, folder, c.AT_FDCWD, "/dev")
        posix.fchdir(folder)
        if stat.S_ISDIR(posix.fstat(mount).st_mode):
            posix.mkdir(_PLACE, 0o700)
        else:
            posix.mknod(_PLACE, stat.S_IFREG | 0o600)
        LinuxKernel.move_mount(self, mount, c.AT_FDCWD, _PLACE)

    def _join_users(self, users: int) -> None:
        """Join a user namespace whose processes may not look into this one, not even its root."""
        self.prctl(c.PR_SET_DUMPABLE, 0)
        self.setns(users, c.CLONE_NEWUSER, "user")
        self.prctl(c.PR_SET_DUMPABLE, 0)  # again: new capabilities set it to fs.suid_dumpable

    def _join(self) -> None:
        self.setns(self.namespace, c.CLONE_NEWNS, "mnt")

    def _made(self, call: str, make: Callable[[], int]) -> int:
        """Return a descriptor that a child makes."""
        ours, theirs = self.socketpair()
        with resolve.Handle(ours), resolve.Handle(theirs):
            self._apart(call, lambda: self.send(theirs, b"+", make()))
            _, fd = self.receive(ours)
        if fd is None:
            raise OSError(errno.EMFILE, f"{call}: {posix.strerror(errno.EMFILE).lower()}")
        return fd

    def _apart(self, call: str, act: Callable[[], None]) -> None:
        """Act in a child, whose namespaces end with it.  Raises OSError with the child's errno."""
        pid = posix.fork()
        if pid == 0:
            try:
                act()
                posix._exit(0)
            except OSError as e:
                posix._exit(e.errno or _UNKNOWN)
            finally:
                posix._exit(_UNKNOWN)
        status = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
        if status:
            code = status if 0 < status < _UNKNOWN else 0
            raise OSError(code, f"{call}: {posix.strerror(code).lower()}")


class RootInUse(Rootfs):
    """The root of a container that runs, whose processes may act while we do."""

    def __init__(self, kernel: Elsewhere, path: str) -> None:
        super().__init__(kernel, path)
        self._there = kernel
        self.fd = kernel.root()
        try:
            self._users = kernel.owner()
        except BaseException:
            posix.close(self.fd)
            raise

    def close(self) -> None:
        """Let go of the root."""
        posix.close(self.fd)
        if self._users is not None:
            posix.close(self._users)

    def target(
        self,
        path: str,
        *,
        directory: bool,
        follow: bool = True,
        procfs: bool = False,
        anywhere: bool = False,
    ) -> resolve.Handle:
        """Open a mount point.  What may cover /proc while it is built would only undo masks now."""
        return super().target(path, directory=directory, follow=follow, anywhere=anywhere)

    def made(self, make: Callable[[], int]) -> int:
        """Return a handle of what `make` makes as the container's root."""
        return make() if self._users is None else self._there.made_by_root(make, self._users)

    def locked(self, mount: int) -> int:
        """Return the mount with flags that the container's root cannot clear."""
        if self._users is None:
            return mount
        locked = self._there.lock(mount, self._users)
        posix.close(mount)
        return locked


def is_ours(namespace: int) -> bool:
    """Whether a mount namespace is the one that this process is in."""
    return _same(namespace, "/proc/self/ns/mnt")


def _same(namespace: int, path: str) -> bool:
    found, own = posix.fstat(namespace), posix.stat(path)
    return (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)
