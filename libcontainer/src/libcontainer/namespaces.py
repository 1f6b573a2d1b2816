"""Namespaces: which are new, which are joined, and when.  namespaces(7)."""

from __future__ import annotations

import posix

from ._record import Record, u64
from .errors import InitFailed
from .kernel import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .kernel import Kernel

# Spec name -> (clone flag, file below /proc/PID/ns).  In the order in which they are joined: user
# first (only with an intermediate), what host paths name before mount.
KINDS = {
    "user": (c.CLONE_NEWUSER, "user"),
    "ipc": (c.CLONE_NEWIPC, "ipc"),
    "uts": (c.CLONE_NEWUTS, "uts"),
    "network": (c.CLONE_NEWNET, "net"),
    "pid": (c.CLONE_NEWPID, "pid"),
    "cgroup": (c.CLONE_NEWCGROUP, "cgroup"),
    "time": (c.CLONE_NEWTIME, "time"),
    "mount": (c.CLONE_NEWNS, "mnt"),
}


class Join(Record):
    """An existing namespace that init enters."""

    kind: str
    path: str


class Namespaces(Record):
    """What becomes of each kind of namespace.  A kind that is nowhere stays the runtime's."""

    clone: u64 = 0  # CLONE_NEW flags of the clone3 that makes init
    # New ones that init unshares once it has become root of its new user namespace: made in the
    # same call as that, their files would belong to nobody.
    unshare: u64 = 0
    time: bool = False  # a new time namespace
    offsets: str = ""  # of its clocks, as /proc/PID/timens_offsets takes them
    cgroup: bool = False  # a new cgroup namespace, after init has been placed
    join: tuple[Join, ...] = ()  # in this order; pid is not among them
    pid: str | None = None  # a pid namespace to join: by the stub, never by Python

    def new(self, kind: str) -> bool:
        """Whether the container gets a new namespace of this kind."""
        if kind == "cgroup":
            return self.cgroup
        if kind == "time":
            return self.time
        return bool((self.clone | self.unshare) & KINDS[kind][0])

    def own(self, kind: str) -> bool:
        """Whether the container's namespace of this kind is not the runtime's."""
        return self.new(kind) or self.joins(kind)

    def joins(self, kind: str) -> bool:
        """Whether the container enters an existing namespace of this kind."""
        if kind == "pid":
            return self.pid is not None
        return kind in [j.kind for j in self.join]

    def needs_intermediate(self) -> bool:
        """Whether a process must join for init, because init is in a user namespace.

        There it could not join what the host owns, and what is made in the call that makes or
        joins a user namespace would not be owned by it.
        """
        return (bool(self.join) or self.pid is not None) and self.own("user")

    def enters_pid_early(self) -> bool:
        """Whether the pid namespace is entered, for children only, before there is an init.

        Beside a new user namespace: from inside that, nobody may enter what the host owns.
        """
        return self.pid is not None and self.new("user")


def open_namespace(join: Join) -> int:
    """Return a descriptor of a namespace to join.  Raises InitFailed."""
    try:
        return posix.open(join.path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as e:
        raise not_joined(join, e.errno) from e


def enter(kernel: Kernel, join: Join, fd: int) -> None:
    """Join the namespace that `fd` refers to.  Raises InitFailed."""
    try:
        kernel.setns(fd, KINDS[join.kind][0], join.path)
    except OSError as e:
        raise not_joined(join, e.errno) from e


def not_joined(join: Join, code: int | None) -> InitFailed:
    """Return the error for a namespace that was refused with that errno."""
    why = posix.strerror(code or 0).lower()
    return InitFailed("namespaces", code, f"join the {join.kind} namespace {join.path}: {why}")


def open_offsets() -> int:
    """Open what sets the clocks of our time namespace to be.

    By init, before it changes its ids: after that the file is the host root's.
    """
    return posix.open("/proc/self/timens_offsets", posix.O_WRONLY | posix.O_CLOEXEC)


def enter_new_time(kernel: Kernel, clocks: int, offsets: str) -> None:
    """Make a time namespace, set its clocks, and enter it; closes `clocks`.

    In three calls: with clone3 the clocks could not be set any more, and unshare is for children
    only.  An exec would enter it too, but not on kernels as old as 6.1.
    """
    try:
        kernel.unshare(c.CLONE_NEWTIME)
        if offsets:
            try:
                posix.write(clocks, offsets.encode())
            except OSError as e:
                why = posix.strerror(e.errno or 0).lower()
                text = f"set the clocks of the time namespace: {why}"
                raise OSError(e.errno, text) from e
    finally:
        posix.close(clocks)
    fd = posix.open("/proc/self/ns/time_for_children", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        kernel.setns(fd, c.CLONE_NEWTIME, "time_for_children")
    finally:
        posix.close(fd)
