"""Terminals: a pty of the container's own devpts.  pty(7), ioctl_tty(2).

The image may hold anything at /dev/ptmx and /dev/pts; so the pty comes from the devpts that we
have mounted ourselves, by its handle, and its other end by ioctl, never by name (CVE-2025-52565).
Where there is none of ours, as in a container that exec enters, the directory must be a devpts.
"""

from __future__ import annotations

import errno
import fcntl
import posix
import stat
import struct

from .errors import InitFailed
from .kernel import constants as c
from .rootfs import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .kernel import Kernel
    from .plan.process import Terminal
    from .rootfs.root import Rootfs

_PTMX = posix.makedev(5, 2)
_PTS_MAJOR = range(136, 144)


class ConsoleSocket:
    """The engine's socket, connected in the runtime's own namespaces and handed to init."""

    def __init__(self, path: str, what: str = "console socket") -> None:
        import _socket  # only containers with a terminal need it

        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
        folder, _, name = path.rpartition("/")
        try:
            fd = posix.open(folder or "/" if path[:1] == "/" else folder or ".", c.O_PATH)
            try:
                # Through the directory's handle: an address holds 108 bytes, a path more.
                self._socket.connect(f"/proc/self/fd/{fd}/{name}")
            finally:
                posix.close(fd)
        except OSError as e:
            self._socket.close()
            why = (e.strerror or "").lower()
            stage = what.removesuffix(" socket")
            raise InitFailed(stage, e.errno, f"connect to {what} {path}: {why}") from e

    def send(self, master: int, name: str) -> None:
        """Send the pty's master: one message, one control message, one descriptor."""
        import _socket

        rights = struct.pack("i", master)
        self._socket.sendmsg([name.encode()], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])

    def receive(self) -> int:
        """Return what a pair has sent.  A socket of the engine's gives nothing back."""
        raise NotImplementedError

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


class ConsolePair(ConsoleSocket):
    """The same between init and us, when we are the one who shows the terminal."""

    def __init__(self) -> None:
        import _socket

        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC
        self._ours, self._socket = _socket.socketpair(_socket.AF_UNIX, kind)

    def receive(self) -> int:
        """Return the pty's master, once init has sent it.  Raises OSError if it has not."""
        import _socket

        self.close()  # so that an init that has ended is the end
        room = _socket.CMSG_SPACE(4)
        try:
            _, control, _, _ = self._ours.recvmsg(4096, room, _socket.MSG_CMSG_CLOEXEC)
        finally:
            self._ours.close()
        for level, kind, data in control:
            if (level, kind) == (_socket.SOL_SOCKET, _socket.SCM_RIGHTS):
                return int(struct.unpack("i", data[:4])[0])
        raise OSError(errno.EIO, "the container has sent no terminal")


def make_console(
    terminal: Terminal,
    rootfs: Rootfs,
    kernel: Kernel,
    socket: ConsoleSocket,
    uid: int,
    *,
    control: bool = True,
) -> None:
    """Give this process a terminal as stdio and the engine the other end of it.

    `control` makes it the controlling one of our session, which must be our own.  Raises OSError.
    """
    mount = rootfs.mounts.get("/dev/pts")
    start, path = (mount, "ptmx") if mount is not None else (rootfs.fd, "/dev/pts/ptmx")
    master, slave = open_pty(terminal, kernel, start, path)
    try:
        with resolve.Handle(master):
            _bind_console(slave, rootfs, kernel)
            socket.send(master, pty_name(master))
            socket.close()
        if control:
            fcntl.ioctl(slave, c.TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            posix.dup2(slave, fd)
    finally:
        if slave > 2:
            posix.close(slave)
    kernel.fchown(0, uid, -1)  # the group stays tty


def own_stdio(uid: int, kernel: Kernel) -> None:
    """Make pipes and sockets of stdio the payload's: programs reopen /proc/self/fd/1.

    Devices and files are the caller's and stay so.
    """
    for fd in (0, 1, 2):
        try:
            found = posix.fstat(fd)
            is_channel = stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode)
            if is_channel and found.st_uid != uid:
                kernel.fchown(fd, uid, -1)
        except OSError as e:
            # Best effort: what is lost is reopening, which few do.
            if e.errno not in (errno.EPERM, errno.EROFS, errno.EINVAL, errno.EBADF):
                raise


def open_pty(terminal: Terminal, kernel: Kernel, start: int, path: str) -> tuple[int, int]:
    """Return the two ends, master first, of a new pty of the devpts whose ptmx is at `path`.

    `start` is a handle of the devpts, or of a root that holds it; from inside or outside the
    container.  Raises OSError.
    """
    master = _open_master(kernel, start, path)
    try:
        return master, _open_slave(master, terminal)
    except BaseException:
        posix.close(master)
        raise


def pty_name(master: int) -> str:
    """Return the name of a pty's other end, in the devpts that it belongs to."""
    number = struct.unpack("i", fcntl.ioctl(master, c.TIOCGPTN, bytes(4)))[0]
    return f"/dev/pts/{number}"


def _open_master(kernel: Kernel, start: int, path: str) -> int:
    """Return a new pty's master.  Its directory is judged, then the device opened in it.

    Opening a device acts, and who asks here may be outside the container's device rules.  In a
    devpts nobody can make or rename a file, and nothing that is mounted on one is entered: so in
    a directory that is a devpts, `ptmx` is its multiplexer, whatever became of its path.
    """
    folder, _, name = path.rpartition("/")
    rule = resolve.IN_ROOT | c.RESOLVE_NO_SYMLINKS
    flags = c.O_PATH | posix.O_DIRECTORY
    found = resolve.open_path(kernel, start, folder or ".", flags=flags, resolve=rule)
    with resolve.Handle(found) as devpts:
        if kernel.file_system(devpts) != c.DEVPTS_SUPER_MAGIC:
            raise OSError(errno.ENODEV, "not the multiplexer of a devpts", "/dev/pts/ptmx")
        rule = c.RESOLVE_BENEATH | c.RESOLVE_NO_SYMLINKS | c.RESOLVE_NO_XDEV
        flags = posix.O_RDWR | posix.O_NOCTTY
        master = resolve.open_path(kernel, devpts, name, flags=flags, resolve=rule)
    if posix.fstat(master).st_rdev != _PTMX:
        posix.close(master)
        raise OSError(errno.ENODEV, "not the multiplexer of a devpts", "/dev/pts/ptmx")
    return master


def _open_slave(master: int, terminal: Terminal) -> int:
    """Return the other end, of the size that the document asks for."""
    fcntl.ioctl(master, c.TIOCSPTLCK, struct.pack("i", 0))  # unlock
    flags = posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC
    slave: int = fcntl.ioctl(master, c.TIOCGPTPEER, flags)
    try:
        if posix.major(posix.fstat(slave).st_rdev) not in _PTS_MAJOR:
            raise OSError(errno.ENOTTY, "the pty's other end is no terminal", "/dev/pts/ptmx")
        if terminal.rows and terminal.columns:
            size = struct.pack("4H", terminal.rows, terminal.columns, 0, 0)
            fcntl.ioctl(master, c.TIOCSWINSZ, size)
    except BaseException:
        posix.close(slave)
        raise
    return slave


def _bind_console(slave: int, rootfs: Rootfs, kernel: Kernel) -> None:
    """Put the terminal on /dev/console, over a file that is opened without following a link.

    Devices have made it where /dev is ours; in a bound /dev it may be missing, and then stays so.
    """
    with rootfs.target("/dev", directory=True) as dev:
        flags = c.O_PATH | posix.O_NOFOLLOW
        try:
            console = kernel.openat2(dev, "console", flags, c.RESOLVE_BENEATH)
        except FileNotFoundError:
            return
        with resolve.Handle(console) as target:
            if stat.S_ISLNK(posix.fstat(target).st_mode):
                raise OSError(errno.ELOOP, "/dev/console is a symbolic link", "/dev/console")
            tree = kernel.open_tree(slave, "", c.OPEN_TREE_CLONE | c.AT_EMPTY_PATH)
            with resolve.Handle(tree):
                kernel.move_mount(tree, target)
