"""seccomp(2) itself: loading a program, and asking what this kernel has.

The runtime does not load with it (the last mile does, without Python); tests, tools and other
programs do.
"""

from __future__ import annotations

from .constants import FLAG_NEW_LISTENER, FLAGS
from .errors import CallFailed
from .library import libc, syscall_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .program import CompiledFilter

SECCOMP_SET_MODE_FILTER = 1
SECCOMP_GET_ACTION_AVAIL = 2
PR_SET_NO_NEW_PRIVS = 38


def load_program(compiled: CompiledFilter) -> int | None:
    """Put the calling thread under the filter, for ever.

    Returns the listener if the filter notifies; the caller closes it.  Needs no_new_privs or
    CAP_SYS_ADMIN, else EACCES.  Raises CallFailed.
    """
    from ._abi import ffi

    text = ffi.from_buffer(compiled.program)
    program = ffi.new("struct sock_fprog *", {"len": len(compiled.program) // 8, "filter": text})
    result = _seccomp(SECCOMP_SET_MODE_FILTER, compiled.flags, program)
    if result < 0:
        raise CallFailed("seccomp", "to load a filter", ffi.errno)
    return result if compiled.flags & FLAG_NEW_LISTENER else None


def set_no_new_privs() -> None:
    """Give up for ever what setuid programs and file capabilities would add.  Linux 3.5."""
    from ._abi import ffi

    one, zero = ffi.cast("long", 1), ffi.cast("long", 0)
    if libc().prctl(PR_SET_NO_NEW_PRIVS, one, zero, zero, zero) < 0:
        raise CallFailed("prctl", "no_new_privs", ffi.errno)


def has_flag(flag: int) -> bool:
    """Tell whether the kernel knows a flag of seccomp(2).

    Without a program the call cannot succeed: EFAULT means that the flags were accepted.
    """
    from errno import EFAULT

    from ._abi import ffi

    if flag == FLAGS["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]:
        flag |= FLAG_NEW_LISTENER  # refused without a listener, so asked together with one
    return _seccomp(SECCOMP_SET_MODE_FILTER, flag, ffi.NULL) < 0 and ffi.errno == EFAULT


def supported_flags() -> tuple[str, ...]:
    """Return the names of those flags of a profile that this kernel knows."""
    return tuple([name for name, flag in FLAGS.items() if has_flag(flag)])


def has_action(action: int) -> bool:
    """Tell whether the kernel knows an action.  Linux 4.14; before, only the old ones are."""
    from ._abi import ffi

    return _seccomp(SECCOMP_GET_ACTION_AVAIL, 0, ffi.new("uint32_t *", action)) == 0


def _seccomp(operation: int, flags: int, argument: object) -> int:
    from ._abi import ffi

    number = syscall_number("seccomp")
    numbers = [ffi.cast("long", n) for n in (operation, flags)]
    result: int = libc().syscall(number, *numbers, ffi.cast("void *", argument))
    return result
