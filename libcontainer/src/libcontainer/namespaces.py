"""Namespaces: which are new, which are joined, and when.  namespaces(7)."""

from __future__ import annotations

from ._record import Record, u64
from .kernel import constants as c

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
    # same call as that, their files would belong to nobody (processes.md decision 5a).
    unshare: u64 = 0
    cgroup: bool = False  # a new cgroup namespace, after init has been placed
    join: tuple[Join, ...] = ()  # by init, in this order; pid is not among them
    pid: str | None = None  # a pid namespace to join: by the stub, never by Python

    def new(self, kind: str) -> bool:
        """Whether the container gets a new namespace of this kind."""
        if kind == "cgroup":
            return self.cgroup
        return bool((self.clone | self.unshare) & KINDS[kind][0])

    def own(self, kind: str) -> bool:
        """Whether the container's namespace of this kind is not the runtime's."""
        joined = [j.kind for j in self.join] + (["pid"] if self.pid else [])
        return self.new(kind) or kind in joined
