"""The procfs of a pid namespace that is joined.

A procfs shows the pid namespace of whoever makes it, and init is not in it while it builds: no
interpreter may be seen there.  Since Linux 6.17 the namespace can be named.  Before that the stub
goes there, makes the file system, and holds it until main has taken a copy of the descriptor.
"""

from __future__ import annotations

import errno
import fcntl
import posix

from ..errors import InitFailed
from ..kernel import constants as c
from ..rootfs.filesystem import NewMount
from .stub.image import Buffer, Call, Result, build_image
from .stub.memfd import sealed
from .stub.report import FORKED, SIZE, read_pid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel.linux import LinuxKernel
    from ..plan.plan import Plan

_HELD = 63  # where the stub keeps what it has made


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
    held, release = posix.pipe2(posix.O_CLOEXEC)
    child = kernel.fork(lambda: _become_stub(step, kernel, namespace, writer, held))
    posix.close(writer)
    posix.close(held)
    pid = 0
    try:
        said = b""
        # Two processes write: who forked, and who made the mount; either may be first.
        while len(said) < SIZE + 1 and (part := posix.read(reader, SIZE + 1 - len(said))):
            said += part
        report = said[1:] if said[:1] == b"R" else said[:SIZE]
        if report[:1] == FORKED and len(report) == SIZE:
            pid = read_pid(report)
        if not pid or len(said) != SIZE + 1:
            text = f"{step.describe()}: cannot be made in the pid namespace to join"
            raise InitFailed("procfs", None, text)
        process = posix.pidfd_open(pid)
        try:
            return kernel.pidfd_getfd(process, _HELD)
        finally:
            posix.close(process)
    finally:
        posix.close(release)
        posix.close(reader)
        posix.waitpid(child, 0)
        if pid:
            posix.waitpid(pid, 0)


def _become_stub(
    step: NewMount, kernel: LinuxKernel, namespace: int, writer: int, held: int
) -> None:
    # Out of the way of the number that the mount gets, and open beyond the exec.
    namespace, writer, held = [
        fcntl.fcntl(fd, fcntl.F_DUPFD, _HELD + 1) for fd in (namespace, writer, held)
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
    calls.append(Call(number["write"], [writer, b"R", 1], want=1))
    calls.append(Call(number["read"], [held, Buffer(8), 1], want=1))  # until main lets go
    image = build_image(calls, arch=posix.uname().machine, report_fd=writer)
    posix.execve(sealed(image, name="pyoci"), ["pyoci:procfs"], {})
