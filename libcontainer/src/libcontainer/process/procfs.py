"""The procfs of a pid namespace that is joined.

A procfs shows the pid namespace of whoever makes it, and init is not in it while it builds: no
interpreter may be seen there.  Since Linux 6.17 the namespace can be named.  Before that the stub
goes there, makes the file system, and sends it to main.
"""

from __future__ import annotations

import errno
import fcntl
import posix
from struct import pack

from .._machine import machine
from ..errors import InitFailed
from ..kernel import constants as c
from ..rootfs.filesystem import NewMount
from .stub.image import Address, Buffer, Call, Result, Struct, build_image
from .stub.memfd import executable
from .stub.report import FORKED, SIZE, read_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.linux import LinuxKernel
    from ..plan.plan import Plan

_HELD = 63  # the number of what the stub has made


def make_procs(plan: Plan, kernel: LinuxKernel, namespace: int) -> dict[str, int]:
    """Return the plan's procfs mounts, detached, by destination; in main, before the clone.

    What main may not make, for lack of rights over the namespace, is left to init.
    """
    made = {}
    for step in plan.build:
        if isinstance(step, NewMount) and step.kind == "proc":
            try:
                made[step.destination] = step.make(kernel, pid_namespace=namespace)
            except PermissionError:
                continue
            except OSError as e:
                if e.errno != errno.EINVAL:
                    raise
                made[step.destination] = _make_inside(step, kernel, namespace)
    return made


def _make_inside(step: NewMount, kernel: LinuxKernel, namespace: int) -> int:
    """Let a process of that namespace make it.  Raises InitFailed."""
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    ours, theirs = kernel.socketpair()
    child = kernel.fork(lambda: _become_stub(step, kernel, namespace, writer, theirs))
    posix.close(writer)
    posix.close(theirs)
    pid = 0
    try:
        pid = _forked(reader)
        _, mount = kernel.receive(ours)
        if mount is None:
            text = f"{step.describe()}: cannot be made in the pid namespace to join"
            raise InitFailed("procfs", None, text)
        return mount
    finally:
        posix.close(ours)
        posix.close(reader)
        posix.waitpid(child, 0)
        if pid:
            posix.waitpid(pid, 0)


def _forked(reader: int) -> int:
    """Return the pid of the second, which makes the mount; 0 if there is none.

    The first tells it, and ends; the second may have told a failure before that.
    """
    while report := posix.read(reader, SIZE):
        if report[:1] == FORKED:
            return read_pid(report)
    return 0


def _become_stub(
    step: NewMount, kernel: LinuxKernel, namespace: int, writer: int, socket: int
) -> None:
    # Out of the way of the number that the mount gets, and open beyond the exec.
    namespace, writer, socket = [
        fcntl.fcntl(fd, fcntl.F_DUPFD, _HELD + 1) for fd in (namespace, writer, socket)
    ]
    number = kernel.number
    calls = [
        Call(number["setns"], [namespace, c.CLONE_NEWPID]),
        Call(number["clone"], [c.CLONE_PARENT, 0, 0, 0, 0], fork=True),
        Call(number["fsopen"], [b"proc", c.FSOPEN_CLOEXEC]),
    ]
    fs = Result(len(calls) - 1)
    for option in (f"source={step.source}", *step.data):
        name, equals, value = option.encode().partition(b"=")
        kind = c.FSCONFIG_SET_STRING if equals else c.FSCONFIG_SET_FLAG
        calls.append(Call(number["fsconfig"], [fs, kind, name, value if equals else 0, 0]))
    calls.append(Call(number["fsconfig"], [fs, c.FSCONFIG_CMD_CREATE, 0, 0, 0]))
    calls.append(Call(number["fsmount"], [fs, 0, step.set]))
    calls.append(Call(number["dup3"], [Result(len(calls) - 1), _HELD, 0]))
    calls.append(Call(number["sendmsg"], [socket, _message(_HELD), 0], want=1))
    # The end: main says nothing, it hangs up.
    calls.append(Call(number["read"], [socket, Buffer(8), 1], want=1))
    image = build_image(calls, arch=machine(), report_fd=writer)
    posix.execve(executable(image, name="pyoci"), ["pyoci:procfs"], {})


def _message(fd: int) -> Struct:
    """Return a struct msghdr of one byte and one descriptor.  unix(7)."""
    part = Struct(Address(b"R"), pack("Q", 1))
    control = pack("NiiiI", 20, c.SOL_SOCKET, c.SCM_RIGHTS, fd, 0)
    return Struct(
        pack("QQ", 0, 0), Address(part), pack("Q", 1), Address(control), pack("QQ", 24, 0)
    )
