"""The listener's side of SCMP_ACT_NOTIFY: calls that wait until another process decides.

    with Listener(fd) as listener:
        call = listener.receive()
        listener.respond(call, error=errno.EPERM)

The caller of a notified call may die, and its pid be used again, while one looks at it: after
reading its memory or its files, ask `is_valid`, and only then believe what was read.  See
seccomp_unotify(2).
"""

from __future__ import annotations

import posix

from ._record import Record
from .constants import audit_arch
from .errors import CallFailed
from .library import arch_name, check, native_arch, open_library, syscall_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

USER_NOTIF_FLAG_CONTINUE = 1  # Linux 5.5
ADDFD_FLAG_SETFD, ADDFD_FLAG_SEND = 1, 2  # Linux 5.9, 5.14
IOCTL_NOTIF_ADDFD = 0x40182103


class Notification(Record):
    """A call that waits for an answer.  struct seccomp_notif."""

    id: int  # unique to the listener
    pid: int  # the calling thread, as the listener's pid namespace has it; 0 if it is not in it
    number: int
    arch: int  # AUDIT_ARCH_*
    instruction_pointer: int
    args: tuple[int, ...]  # six

    @property
    def name(self) -> str:
        """The call's name; raises NotKnown if this libseccomp has none."""
        return syscall_name(self.number, arch_name(self.arch))


class Listener:
    """Owns the descriptor that a notifying filter gave, or that an agent was sent."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def fileno(self) -> int:
        """Return the descriptor, for select and poll: readable when a call waits."""
        return self.fd

    def close(self) -> None:
        """Close the descriptor.  With the last one gone, notified calls fail with ENOSYS."""
        if self.fd >= 0:
            posix.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def receive(self) -> Notification:
        """Wait for a call.  Raises CallFailed; ENOENT: its caller died meanwhile, go on waiting."""
        from ._abi import ffi

        with _Buffers() as buffers:
            request = buffers.request
            ffi.errno = 0
            code = open_library().seccomp_notify_receive(self.fd, request)
            check("seccomp_notify_receive", "", code)
            data = request.data
            return Notification(
                id=request.id,
                pid=request.pid,
                number=data.nr,
                arch=data.arch,
                instruction_pointer=data.instruction_pointer,
                args=tuple(data.args),
            )

    def respond(
        self, call: Notification, *, value: int = 0, error: int = 0, proceed: bool = False
    ) -> None:
        """Let a call return `value`, or fail with `error` (an errno), or happen (`proceed`).

        `proceed` is no security decision: the caller's other threads can change the arguments
        after they were looked at.  Raises CallFailed; ENOENT: the caller is gone.
        """
        from ._abi import ffi

        with _Buffers() as buffers:
            answer = buffers.answer
            answer.id, answer.val, answer.error = call.id, value, -error
            answer.flags = USER_NOTIF_FLAG_CONTINUE if proceed else 0
            ffi.errno = 0
            code = open_library().seccomp_notify_respond(self.fd, answer)
            check("seccomp_notify_respond", f"to call {call.number}", code)

    def is_valid(self, call: Notification) -> bool:
        """Tell whether the caller still waits, so that its pid still is its own."""
        return bool(open_library().seccomp_notify_id_valid(self.fd, call.id) == 0)

    def add_fd(
        self,
        call: Notification,
        fd: int,
        *,
        number: int | None = None,
        close_on_exec: bool = True,
        respond: bool = False,
    ) -> int:
        """Give the caller a copy of `fd` and return its number there.  Linux 5.9.

        `number` replaces what the caller has under it.  `respond` answers the call with the new
        number in the same step (Linux 5.14), so that the copy is not left if the caller dies.
        libseccomp has no function for it, hence the ioctl.
        """
        import fcntl
        from struct import pack

        flags = (ADDFD_FLAG_SETFD if number is not None else 0) | (respond and ADDFD_FLAG_SEND)
        cloexec = posix.O_CLOEXEC if close_on_exec else 0
        # struct seccomp_notif_addfd: id, flags, srcfd, newfd, newfd_flags
        # A bytearray: only for a buffer that it may change does ioctl return the call's result.
        request = bytearray(pack("=QIIII", call.id, flags, fd, number or 0, cloexec))
        try:
            added: int = fcntl.ioctl(self.fd, IOCTL_NOTIF_ADDFD, request)
            return added
        except OSError as e:
            raise CallFailed("ioctl SECCOMP_IOCTL_NOTIF_ADDFD", f"fd {fd}", e.errno or 0) from e


class _Buffers:
    """A request and an answer, of the size that this kernel wants.  The library owns the memory."""

    request: Any
    answer: Any

    def __enter__(self) -> Self:
        from ._abi import ffi

        request = ffi.new("struct seccomp_notif **")
        answer = ffi.new("struct seccomp_notif_resp **")
        check("seccomp_notify_alloc", "", open_library().seccomp_notify_alloc(request, answer))
        self.request, self.answer = request[0], answer[0]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        open_library().seccomp_notify_free(self.request, self.answer)


def is_native(call: Notification) -> bool:
    """Tell whether the call came by this process's own architecture, numbers being its own."""
    from .library import arch_token

    return call.arch == audit_arch(arch_token(native_arch()))
