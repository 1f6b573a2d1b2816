"""The `linux.seccomp` object of an OCI runtime document, as records.

Class names are the specification's, attributes its keys in snake case.  Only values live here:
`faults` says what is wrong with one, `compiler` makes a filter of it.
"""

from __future__ import annotations

from ._record import Record, u32, u64


class LinuxSeccompArg(Record):
    """A condition on one argument of a system call.  runtime-spec: `syscalls[].args[]`."""

    index: u32  # 0 to 5
    value: u64  # the mask, for SCMP_CMP_MASKED_EQ
    op: str  # SCMP_CMP_*
    value_two: u64 = 0  # SCMP_CMP_MASKED_EQ: holds if (argument & value) == value_two


class LinuxSyscall(Record):
    """What happens to the named calls if all conditions hold.  runtime-spec: `syscalls[]`."""

    names: tuple[str, ...]
    action: str  # SCMP_ACT_*
    errno_ret: u32 | None = None  # errno of ERRNO, message of TRACE; None is EPERM
    args: tuple[LinuxSeccompArg, ...] = ()


class LinuxSeccomp(Record):
    """A profile.  runtime-spec: `linux.seccomp`."""

    default_action: str  # SCMP_ACT_*
    default_errno_ret: u32 | None = None  # None is EPERM
    architectures: tuple[str, ...] = ()  # SCMP_ARCH_*, beside the native one
    flags: tuple[str, ...] | None = None  # None: SPEC_ALLOW where the kernel has it; (): none
    listener_path: str | None = None  # unix stream socket of whoever answers NOTIFY
    listener_metadata: str | None = None  # passed on to it unread
    syscalls: tuple[LinuxSyscall, ...] = ()


def is_absent(profile: LinuxSeccomp) -> bool:
    """Tell whether the object stands for no filter at all, as engines that write `{}` mean it."""
    return not profile.default_action and not profile.syscalls
