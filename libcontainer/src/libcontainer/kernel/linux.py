"""The real kernel: one method for each system call, under the kernel's own name, no policy.

cffi in ABI mode, through `syscall(2)` only: glibc 2.36 has no wrapper for half of these calls, and
one door is easier to watch than two.  Integers are passed as longs; bytes and cffi memory as
pointers, held alive by the argument list until the call has returned.
"""

from __future__ import annotations

import fcntl
import posix
import struct

from .._machine import machine
from . import constants as c
from ._abi import ffi
from .numbers import numbers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_libc: Any = ffi.dlopen(None)
_long = ffi.typeof("long")
# The head of a control message with one descriptor.  cmsg(3)
_RIGHTS = struct.pack("Nii", 20, c.SOL_SOCKET, c.SCM_RIGHTS)


def _path(text: str) -> Any:
    if "\0" in text:
        raise ValueError("a path holds a NUL byte")
    # bytes objects end in a NUL of their own, so their buffer is a C string.
    return ffi.from_buffer(text.encode("utf-8", "surrogateescape"))


def system_call(number: int, *args: int) -> int:
    """Do the system call of that number; return its result, minus the errno of a failure."""
    plain = [ffi.cast(_long, arg) for arg in args]
    result: int = _libc.syscall(ffi.cast(_long, number), *plain)
    return result if result >= 0 else -ffi.errno


def address(memory: bytes | bytearray) -> int:
    """Return where the content of `memory` is, for as long as the object lives."""
    return int(ffi.cast(_long, ffi.from_buffer(memory)))


class LinuxKernel:
    """The running kernel."""

    def __init__(self) -> None:
        self.number = numbers(machine())

    def _call(self, name: str, *args: Any, what: object = None) -> int:
        """Do one system call; `what` is the object that an error names."""
        plain = [ffi.cast(_long, a) if type(a) is int else a for a in args]
        result: int = _libc.syscall(ffi.cast(_long, self.number[name]), *plain)
        if result < 0:
            code = ffi.errno  # kept by cffi at the call; later Python code cannot disturb it
            raise OSError(code, f"{name}: {posix.strerror(code).lower()}", what)
        return result

    # Processes and namespaces

    def clone3(self, flags: int, *, cgroup: int | None = None, signal: int = 17) -> int:
        """Make a child that goes on here: 0 in the child, its pid in the caller.  Linux 5.5.

        CLONE_CLEAR_SIGHAND is always set, else the caller's Python signal handlers would run in
        the child.  `cgroup` is a cgroup v2 directory that the child is born in (Linux 5.7).
        """
        args = ffi.new("struct clone_args *")
        args.flags = flags | c.CLONE_CLEAR_SIGHAND
        args.exit_signal = signal
        if cgroup is not None:
            args.flags |= c.CLONE_INTO_CGROUP
            args.cgroup = cgroup
        return self._call("clone3", args, ffi.sizeof("struct clone_args"))

    def fork(self, body: Callable[[], None]) -> int:
        """Run `body` in a child that ends when it returns; return the child's pid.

        The child ends in `_exit` on every path: with 0, or with 1 when `body` raised.
        """
        pid = posix.fork()
        if pid:
            return pid
        try:
            body()
            posix._exit(0)
        finally:
            posix._exit(1)

    def unshare(self, flags: int) -> None:
        """Leave the named namespaces for new ones."""
        self._call("unshare", flags, what=hex(flags))

    def setns(self, fd: int, kind: int, what: str) -> None:
        """Join the namespace that `fd` refers to, which must be of `kind` (0 is any)."""
        self._call("setns", fd, kind, what=what)

    def default_signal(self, number: int) -> None:
        """Let a signal do what it does by default, also one that the C library keeps to itself."""
        # struct sigaction of the kernel: SIG_DFL, no flags, no mask.
        self._call("rt_sigaction", number, ffi.from_buffer(bytes(32)), ffi.NULL, 8, what=number)

    def close_at_exec(self, first: int) -> None:
        """Mark every descriptor from `first` on close-on-exec.  Linux 5.11."""
        self._call("close_range", first, c.LAST_FD, c.CLOSE_RANGE_CLOEXEC, what=first)

    def setsid(self) -> None:
        """Begin a session without a controlling terminal."""
        posix.setsid()

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0) -> int:
        """Change an attribute of the calling process."""
        return self._call("prctl", option, arg2, arg3, 0, 0, what=option)

    def become(self, uid: int, gid: int, groups: tuple[int, ...] | None) -> None:
        """Set all ids of the caller; `groups` None leaves the supplementary groups alone.

        Raw calls: glibc's wrappers signal every thread, and the stale thread list of a raw-cloned
        child is not worth trusting.
        """
        if groups is not None:
            ids = ffi.new("unsigned int[]", list(groups) or 1)
            self._call("setgroups", len(groups), ids, what=groups)
        self._call("setresgid", gid, gid, gid, what=gid)
        self._call("setresuid", uid, uid, uid, what=uid)

    def raise_ambient(self) -> None:
        """Make inheritable and ambient what is permitted, so that an exec does not drop it.

        For an init that is not uid 0 in its user namespace.
        """
        header = ffi.new("unsigned int[2]", [c.LINUX_CAPABILITY_VERSION_3, 0])
        data = ffi.new("unsigned int[6]")
        self._call("capget", header, data)
        data[2], data[5] = data[1], data[4]  # effective, permitted, inheritable; low, then high
        self._call("capset", header, data)
        permitted = data[1] | data[4] << 32
        for number in range(64):
            if permitted >> number & 1:
                self.prctl(c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, number)

    def join_session_keyring(self, name: str) -> int:
        """Join or make the session keyring called `name`; return its serial number."""
        return self._call("keyctl", c.KEYCTL_JOIN_SESSION_KEYRING, _path(name), 0, 0, 0, what=name)

    def keyring_permissions(self, keyring: int, added: int) -> None:
        """Add permission bits to a keyring."""
        room = 512  # bytes: a name of 255 and four numbers
        text = ffi.new("char[]", room)
        length = self._call("keyctl", c.KEYCTL_DESCRIBE, keyring, text, room, 0, what=keyring)
        described = ffi.string(text, min(length, room)).split(b";", 4)  # type;uid;gid;perm;name
        mask = int(described[3], 16) | added
        self._call("keyctl", c.KEYCTL_SETPERM, keyring, mask, 0, 0, what=keyring)

    def sethostname(self, name: str) -> None:
        """Name the host of this uts namespace."""
        text = name.encode()
        self._call("sethostname", ffi.from_buffer(text), len(text), what=name)

    def setdomainname(self, name: str) -> None:
        """Set the NIS domain name of this uts namespace."""
        text = name.encode()
        self._call("setdomainname", ffi.from_buffer(text), len(text), what=name)

    def link_up(self, name: str) -> None:
        """Bring the network interface `name` of this network namespace up."""
        kind = c.SOCK_DGRAM | c.SOCK_CLOEXEC
        fd = self._call("socket", c.AF_INET, kind, 0, what="AF_INET")
        try:
            request = struct.pack("16sH22x", name.encode(), 0)
            flags = struct.unpack_from("16xH", fcntl.ioctl(fd, c.SIOCGIFFLAGS, request))[0]
            fcntl.ioctl(fd, c.SIOCSIFFLAGS, struct.pack("16sH22x", name.encode(), flags | c.IFF_UP))
        finally:
            posix.close(fd)

    # Files by handle

    def openat2(self, fd: int, path: str, flags: int, resolve: int) -> int:
        """Open `path` below `fd` under the rules of `resolve`.  Linux 5.6.  Always O_CLOEXEC."""
        how = ffi.new("struct open_how *")
        how.flags, how.resolve = flags | posix.O_CLOEXEC, resolve
        return self._call("openat2", fd, _path(path), how, ffi.sizeof("struct open_how"), what=path)

    def open_tree(self, fd: int, path: str, flags: int) -> int:
        """Return a handle of the mount at `path`, or with OPEN_TREE_CLONE of a detached copy."""
        return self._call("open_tree", fd, _path(path), flags | c.OPEN_TREE_CLOEXEC, what=path)

    def fsopen(self, name: str) -> int:
        """Begin a new file system of type `name`."""
        return self._call("fsopen", _path(name), c.FSOPEN_CLOEXEC, what=name)

    def fsconfig_flag(self, fd: int, name: str) -> None:
        """Give a file system an option without a value."""
        self._call("fsconfig", fd, c.FSCONFIG_SET_FLAG, _path(name), ffi.NULL, 0, what=name)

    def fsconfig_string(self, fd: int, name: str, value: str) -> None:
        """Give a file system an option with a value (256 bytes at most)."""
        self._call(
            "fsconfig",
            fd,
            c.FSCONFIG_SET_STRING,
            _path(name),
            _path(value),
            0,
            what=f"{name}={value}",
        )

    def fsconfig_create(self, fd: int) -> None:
        """Make the superblock of a configured file system."""
        self._call("fsconfig", fd, c.FSCONFIG_CMD_CREATE, ffi.NULL, ffi.NULL, 0)

    def fsconfig_fd(self, fd: int, name: str, value: int) -> None:
        """Give a file system an option whose value is a descriptor."""
        self._call("fsconfig", fd, c.FSCONFIG_SET_FD, _path(name), ffi.NULL, value, what=name)

    def fsconfig_reconfigure(self, fd: int) -> None:
        """Change the superblock that fspick(2) has named, as configured."""
        self._call("fsconfig", fd, c.FSCONFIG_CMD_RECONFIGURE, ffi.NULL, ffi.NULL, 0)

    def fspick(self, fd: int) -> int:
        """Begin a change of the superblock that the mount `fd` shows."""
        flags = c.FSPICK_CLOEXEC | c.FSPICK_EMPTY_PATH
        return self._call("fspick", fd, _path(""), flags, what=fd)

    def fsmount(self, fd: int, attributes: int) -> int:
        """Return a detached mount of a created file system."""
        return self._call("fsmount", fd, c.FSMOUNT_CLOEXEC, attributes)

    def mount_setattr(
        self,
        fd: int,
        *,
        set: int = 0,
        clear: int = 0,
        propagation: int = 0,
        recursive: bool,
        userns: int | None = None,
    ) -> None:
        """Change the attributes of the mount that `fd` refers to.  Linux 5.12.

        Unlike MS_REMOUNT|MS_BIND, only the bits named change, and `recursive` covers the
        submounts; with mount(2) those would silently stay writable.  `userns` is the user
        namespace whose mapping MOUNT_ATTR_IDMAP takes.
        """
        attr = ffi.new("struct mount_attr *")
        attr.attr_set, attr.attr_clr, attr.propagation = set, clear, propagation
        attr.userns_fd = userns or 0
        flags = c.AT_EMPTY_PATH | (c.AT_RECURSIVE if recursive else 0)
        self._call(
            "mount_setattr", fd, _path(""), flags, attr, ffi.sizeof("struct mount_attr"), what=fd
        )

    def move_mount(self, mount: int, target: int, path: str = "") -> None:
        """Attach a detached mount on what `target` (or `path` below it) refers to."""
        flags = c.MOVE_MOUNT_F_EMPTY_PATH | (0 if path else c.MOVE_MOUNT_T_EMPTY_PATH)
        self._call("move_mount", mount, _path(""), target, _path(path), flags, what=path or target)

    def file_system(self, fd: int) -> int:
        """Return the magic number of the file system that `fd` is on.  statfs(2)."""
        found = ffi.new("long[16]")  # struct statfs is 15 longs; f_type is the first
        self._call("fstatfs", fd, found, what=fd)
        return int(found[0])

    def mount(self, source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        """The old call, for what has no other: propagation of `/`, and odd file systems."""
        self._call(
            "mount",
            _path(source),
            _path(target),
            _path(kind),
            flags,
            _path(data) if data else ffi.NULL,
            what=target,
        )

    def umount2(self, target: str, flags: int) -> None:
        """Detach the mount at `target`."""
        self._call("umount2", _path(target), flags, what=target)

    def mknodat(self, fd: int, name: str, mode: int, device: int) -> None:
        """Make a device node, fifo or empty file `name` in the directory `fd`."""
        try:
            posix.mknod(name, mode, device, dir_fd=fd)
        except OSError as e:
            raise OSError(e.errno, f"mknod: {(e.strerror or '').lower()}", name) from e

    def fchownat(self, fd: int, name: str, uid: int, gid: int) -> None:
        """Change the owner of `name` in the directory `fd`, without following a link."""
        posix.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        """Change the owner of what `fd` refers to; -1 keeps the present one."""
        posix.chown(fd, uid, gid)

    def prlimit(self, pid: int, kind: int, soft: int, hard: int) -> None:
        """Set a resource limit of another process; 2**64-1 is no limit."""
        limit = struct.pack("=2Q", soft, hard)
        self._call("prlimit64", pid, kind, ffi.from_buffer(limit), ffi.NULL, what=kind)

    def sched_setaffinity(self, pid: int, mask: bytes) -> None:
        """Let a process run on the CPUs whose bits are set, as far as its cpuset has them."""
        self._call("sched_setaffinity", pid, len(mask), ffi.from_buffer(mask), what=pid)

    def sched_setattr(self, pid: int, attributes: bytes) -> None:
        """Set scheduling policy and parameters of a process: a struct sched_attr."""
        self._call("sched_setattr", pid, ffi.from_buffer(attributes), 0, what=pid)

    def ioprio_set(self, pid: int, level_class: int, level: int) -> None:
        """Set the I/O priority of one process."""
        value = level_class << c.IOPRIO_CLASS_SHIFT | level
        self._call("ioprio_set", c.IOPRIO_WHO_PROCESS, pid, value, what=pid)

    def pidfd_getfd(self, pidfd: int, number: int) -> int:
        """Return a copy of another process's descriptor.  Linux 5.6.  Takes the right to trace."""
        return self._call("pidfd_getfd", pidfd, number, 0, what=number)

    def socketpair(self) -> tuple[int, int]:
        """Return two ends of a unix socket that keeps messages apart, close-on-exec."""
        ends = ffi.new("int[2]")
        self._call("socketpair", c.AF_UNIX, c.SOCK_SEQPACKET | c.SOCK_CLOEXEC, 0, ends)
        return ends[0], ends[1]

    def send(self, socket: int, content: bytes, fd: int | None = None) -> None:
        """Send a message, with a descriptor.  sendmsg(2), unix(7).

        Not by `_socket`: importing that costs more than all that is sent.
        """
        control = b"" if fd is None else _RIGHTS + struct.pack("i4x", fd)
        message = _Message(content, control)
        self._call("sendmsg", socket, message.header, 0, what="descriptor")

    def receive(self, socket: int) -> tuple[bytes, int | None]:
        """Return a message and the descriptor that came with it, close-on-exec; b"" at the end."""
        message = _Message(bytes(4096), bytes(24))
        flags = c.MSG_CMSG_CLOEXEC
        length = self._call("recvmsg", socket, message.header, flags, what="descriptor")
        content, control = message.received(length)
        return content, struct.unpack_from("i", control, 16)[0] if control else None

    def write_file(self, path: str, text: str) -> None:
        """Write one of the kernel's control files, in one write."""
        fd = posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
        try:
            posix.write(fd, text.encode())
        except OSError as e:
            raise OSError(e.errno, f"write: {(e.strerror or '').lower()}", path) from e
        finally:
            posix.close(fd)


class _Message:
    """A struct msghdr with one part and its control data, and the memory that they lie in."""

    def __init__(self, content: bytes, control: bytes) -> None:
        self._content = ffi.new("char[]", content)
        self._control = ffi.new("char[]", control)
        self._part = ffi.new("unsigned long[2]", [_address(self._content), len(content)])
        begin = _address(self._control) if control else 0
        words = [0, 0, _address(self._part), 1, begin, len(control), 0]
        self.header = ffi.new("unsigned long[7]", words)

    def received(self, length: int) -> tuple[bytes, bytes]:
        return ffi.buffer(self._content)[:length], ffi.buffer(self._control)[: self.header[5]]


def _address(memory: Any) -> int:
    return int(ffi.cast("unsigned long", memory))
