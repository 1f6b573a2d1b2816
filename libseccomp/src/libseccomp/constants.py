"""The names of a profile and their numbers, as in `seccomp.h` and `linux/seccomp.h`.

Tables only: the runtime reads them on every create, so nothing is imported here.
"""

from __future__ import annotations

# Actions.  The low 16 bits of ERRNO and TRACE carry the errno or the message for the tracer.
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
KILL_THREAD = ACTIONS["SCMP_ACT_KILL_THREAD"]
KILL_PROCESS = ACTIONS["SCMP_ACT_KILL_PROCESS"]
TRAP = ACTIONS["SCMP_ACT_TRAP"]
NOTIFY = ACTIONS["SCMP_ACT_NOTIFY"]
LOG = ACTIONS["SCMP_ACT_LOG"]
ALLOW = ACTIONS["SCMP_ACT_ALLOW"]
ACTION_MASK = 0xFFFF0000
VALUE_MASK = 0x0000FFFF
MAX_ERRNO = 4095  # linux/err.h; the kernel cuts a larger errno down to this


def ERRNO(code: int) -> int:
    """Return the action that fails a call with `code`, 0 to 4095."""
    return ACTIONS["SCMP_ACT_ERRNO"] | (code & VALUE_MASK)


def TRACE(message: int) -> int:
    """Return the action that stops a call for the tracer, which reads `message`, 16 bits."""
    return ACTIONS["SCMP_ACT_TRACE"] | (message & VALUE_MASK)


OPERATORS = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}

# Architecture tokens.  They are the AUDIT_ARCH_* values that a filter sees, except that of x32:
# the kernel shows x32 calls as x86_64 with bit 30 of the number set.
ARCHITECTURES = {
    "SCMP_ARCH_X86": 0x40000003,
    "SCMP_ARCH_X86_64": 0xC000003E,
    "SCMP_ARCH_X32": 0x4000003E,
    "SCMP_ARCH_ARM": 0x40000028,
    "SCMP_ARCH_AARCH64": 0xC00000B7,
    "SCMP_ARCH_LOONGARCH64": 0xC0000102,  # libseccomp 2.6
    "SCMP_ARCH_M68K": 0x00000004,  # libseccomp 2.6
    "SCMP_ARCH_MIPS": 0x00000008,
    "SCMP_ARCH_MIPSEL": 0x40000008,
    "SCMP_ARCH_MIPS64": 0x80000008,
    "SCMP_ARCH_MIPSEL64": 0xC0000008,
    "SCMP_ARCH_MIPS64N32": 0xA0000008,
    "SCMP_ARCH_MIPSEL64N32": 0xE0000008,
    "SCMP_ARCH_PARISC": 0x0000000F,
    "SCMP_ARCH_PARISC64": 0x8000000F,
    "SCMP_ARCH_PPC": 0x00000014,
    "SCMP_ARCH_PPC64": 0x80000015,
    "SCMP_ARCH_PPC64LE": 0xC0000015,
    "SCMP_ARCH_RISCV64": 0xC00000F3,
    "SCMP_ARCH_S390": 0x00000016,
    "SCMP_ARCH_S390X": 0x80000016,
    "SCMP_ARCH_SH": 0x4000002A,  # libseccomp 2.6
    "SCMP_ARCH_SHEB": 0x0000002A,  # libseccomp 2.6
}
AUDIT_ARCH_64BIT = 0x80000000
AUDIT_ARCH_LE = 0x40000000
X32_BIT = 0x40000000  # __X32_SYSCALL_BIT of asm/unistd.h

# Flags of seccomp(2), SECCOMP_SET_MODE_FILTER.
FLAGS = {
    "SECCOMP_FILTER_FLAG_TSYNC": 1,  # Linux 3.17
    "SECCOMP_FILTER_FLAG_LOG": 2,  # 4.14
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4,  # 4.17
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": 32,  # 5.19
}
FLAG_NEW_LISTENER = 8  # 5.0; not in a profile, a NOTIFY rule brings it
FLAG_SPEC_ALLOW = FLAGS["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]


def audit_arch(token: int) -> int:
    """Return the AUDIT_ARCH_* value under which a filter sees calls of the architecture."""
    if token == ARCHITECTURES["SCMP_ARCH_X32"]:
        return ARCHITECTURES["SCMP_ARCH_X86_64"]
    return token
