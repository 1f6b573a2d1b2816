"""The listener of a filter that notifies: from the process under the filter to the agent.

The filter may notify any call, also those by which a process would send its listener.  So it
sends nothing: its descriptors are counted, the number of the listener is known before, and we
take exactly that one as soon as it is there.  Then the agent has it
before the process makes its next call, or answers that call.
"""

from __future__ import annotations

import errno
import posix
import select

from .errors import InitFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from libseccomp.profile import LinuxSeccomp

    from .kernel import Kernel

_LISTENER = "anon_inode:seccomp notify"
_PAUSE = 1  # milliseconds between two looks


def hand_over(
    profile: LinuxSeccomp, pid: int, number: int, state: dict[str, Any], kernel: Kernel, reader: int
) -> None:
    """Take the listener of process `pid` and give it to the profile's agent, with the state.

    `number` is the descriptor that it will be; `reader` is where the process, or the stub in it,
    speaks: nothing is given when it has failed instead of loading the filter.  Raises InitFailed,
    OSError.
    """
    from libseccomp.handover import ContainerProcessState, send_listener

    listener = _take(pid, number, kernel, reader)
    if listener is None:
        return
    try:
        message = ContainerProcessState(
            oci_version=state["ociVersion"],
            pid=pid,
            state=state,
            metadata=profile.listener_metadata,
        )
        send_listener(profile.listener_path or "", message, listener)
    finally:
        posix.close(listener)


def _take(pid: int, number: int, kernel: Kernel, reader: int) -> int | None:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    pidfd = posix.pidfd_open(pid)
    try:
        while True:
            # Asked before the look: what is said after the filter was loaded is said with the
            # listener there.
            spoken = poll.poll(_PAUSE)
            if (found := _look(pidfd, number, kernel)) is not None:
                return found
            if spoken:
                return None
    finally:
        posix.close(pidfd)


def _look(pidfd: int, number: int, kernel: Kernel) -> int | None:
    try:
        fd = kernel.pidfd_getfd(pidfd, number)
    except OSError as e:
        if e.errno in (errno.EBADF, errno.ESRCH):
            return None  # not yet; or no more, which the reader sees
        if e.errno == errno.EPERM:
            raise InitFailed("seccomp", e.errno, _refusal()) from e
        raise
    if posix.readlink(f"/proc/self/fd/{fd}") == _LISTENER:
        return fd
    posix.close(fd)
    return None


def _refusal() -> str:
    text = "take the seccomp listener: operation not permitted"
    try:
        fd = posix.open("/proc/sys/kernel/yama/ptrace_scope", posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return text
    scope = posix.read(fd, 16).decode().strip()
    posix.close(fd)
    # With 3 nobody may look into another process, root included, until the next boot.
    return f"{text} (kernel.yama.ptrace_scope is {scope})" if scope == "3" else text
