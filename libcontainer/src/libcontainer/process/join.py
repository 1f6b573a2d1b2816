"""The intermediate: joins namespaces for an init that lives in a user namespace, and ends.

    main                intermediate                         init
      clone ───────────>│ enters the cgroup
      waits             │ joins, what the host owns first
                        │ makes mqueue and sysfs of those
                        │ joins the user namespace, is root there
                        │ clone3(CLONE_PARENT) ─────────────>│ waits, as ever
      <──────────── pid │ ends
      maps, go ─────────────────────────────────────────────>│

Init cannot do it: inside its user namespace it may not enter what the host owns.  Main must not:
a rootless main could never come back.  By CLONE_PARENT init is main's child all the same.

With a pid namespace to join beside a new user namespace, the intermediate clones nobody: all its
children are in that pid namespace from then on, and no interpreter may be seen there.  It moves
into new namespaces and is init itself.
"""

from __future__ import annotations

import errno
import posix
import struct

from ..errors import InitFailed
from ..kernel import constants as c
from ..namespaces import Join, enter, not_joined
from ..rootfs.steps import NewMount
from .channel import PID, send_error
from .init import run_init

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.linux import LinuxKernel
    from ..plan.plan import Plan
    from .channel import Channel
    from .init import Belongings

# The file systems that belong to a namespace, and that nobody below its owner may make.
_OF_NAMESPACE = {"mqueue": "ipc", "sysfs": "network"}


def run_intermediate(plan: Plan, kernel: LinuxKernel, channel: Channel, own: Belongings) -> None:
    """Join, clone init, tell its pid.  Never returns; a failure is told to main."""
    try:
        _join_all(plan, kernel, own)
        if plan.namespaces.enters_pid_early():
            _enter_pid(plan, kernel, own)
            pid = posix.getpid()
        else:
            pid = kernel.clone3(plan.namespaces.clone | c.CLONE_PARENT, signal=0)
        if pid:
            posix.write(channel.writer, PID + struct.pack("<I4x", pid))
        if pid in (0, posix.getpid()):
            run_init(plan, kernel, channel, own)
    except BaseException as e:
        send_error(channel.writer, e)
    posix._exit(0)


def _join_all(plan: Plan, kernel: LinuxKernel, own: Belongings) -> None:
    if own.entry is not None:
        # With the host's credentials; init is born where we are.
        own.entry.enter()
        own.entry.close()
        own.entry = None
    namespaces = plan.namespaces
    if namespaces.joins("user"):
        # Soon somebody else is root over us.
        kernel.prctl(c.PR_SET_DUMPABLE, 0)
    waiting = _join(plan, kernel, own, [j for j in namespaces.join if j.kind != "user"])
    _make_mounts(plan, kernel, own, but={j.kind for j in waiting})
    for join in namespaces.join:
        if join.kind == "user":
            enter(kernel, join, own.namespaces["user"])
            if plan.become_uid is not None and plan.become_gid is not None:
                # Before the clone: what it makes belongs to who makes it.
                groups = None if plan.payload.groups is None else ()
                kernel.become(plan.become_uid, plan.become_gid, groups)
            kernel.prctl(c.PR_SET_DUMPABLE, 0)  # new credentials may have undone it
    if left := _join(plan, kernel, own, waiting):
        raise not_joined(left[0], errno.EPERM)


def _enter_pid(plan: Plan, kernel: LinuxKernel, own: Belongings) -> None:
    """Let children live in the pid namespace; then leave for the new user namespace."""
    namespaces = plan.namespaces
    enter(kernel, Join("pid", namespaces.pid or ""), own.namespaces["pid"])
    kernel.unshare(namespaces.clone)


def _join(plan: Plan, kernel: LinuxKernel, own: Belongings, joins: list[Join]) -> list[Join]:
    """Join what we may; return what we may not, which its owner's root may."""
    refused = []
    for join in joins:
        try:
            enter(kernel, join, own.namespaces[join.kind])
        except InitFailed as e:
            if e.errno != errno.EPERM:
                raise
            refused.append(join)
            continue
        if join.kind == "mount":
            posix.chdir(plan.rootfs)  # setns moved us to the root of that namespace
    return refused


def _make_mounts(plan: Plan, kernel: LinuxKernel, own: Belongings, *, but: set[str]) -> None:
    """Make for init what it could not make: the file systems of the namespaces just joined."""
    for step in plan.build:
        kind = _OF_NAMESPACE.get(step.kind) if isinstance(step, NewMount) else None
        if isinstance(step, NewMount) and kind and plan.namespaces.joins(kind) and kind not in but:
            own.mounts[step.destination] = step.make(kernel)
