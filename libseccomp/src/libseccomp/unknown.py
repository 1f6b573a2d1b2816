"""ENOSYS for system calls that are newer than the profile.

A C library tries new calls first and falls back when they fail with ENOSYS.  A profile's default
is mostly EPERM, which says "stop".  The profile's author cannot have judged what did not exist,
so calls with numbers above the largest one that the profile names fail with ENOSYS, before the
filter is asked.  The rule is runc's, per architecture:

* not if the default action lets calls happen (ALLOW, LOG) or leaves them to a tracer;
* not if the default already is ENOSYS: there the filter says it;
* holes below the largest number keep the default, we do not know what they are;
* x32 calls come as x86_64 with bit 30 set, and are measured by the largest x32 call;
* s390 and s390x show numbers that the kernel does not know as 0.

The stub goes before the filter and is made of sections, one per architecture.  A section returns
by itself, so no jump but the last is long:

    ld  arch
    jeq #arch, next, else the following section     (the accumulator still has arch there)
    ld  nr
    jgt #largest, next, else skip one
    ret ERRNO|ENOSYS
    ja  the filter
"""

from __future__ import annotations

from errno import ENOSYS
from struct import pack

from .constants import ACTION_MASK, ALLOW, ARCHITECTURES, ERRNO, LOG, X32_BIT, audit_arch
from .constants import TRACE as trace

# struct seccomp_data
NR, ARCH = 0, 4
# linux/bpf_common.h
LOAD, RETURN, JUMP, IF_EQUAL, IF_GREATER, IF_SET = 0x20, 0x06, 0x05, 0x15, 0x25, 0x45

_X86_64, _X32 = ARCHITECTURES["SCMP_ARCH_X86_64"], ARCHITECTURES["SCMP_ARCH_X32"]
_S390 = (ARCHITECTURES["SCMP_ARCH_S390"], ARCHITECTURES["SCMP_ARCH_S390X"])

Instruction = tuple[int, int, int, int]  # code, skip if true, skip if false, operand
_REFUSE = (RETURN, 0, 0, ERRNO(ENOSYS))


def is_wanted(default: int) -> bool:
    """Tell whether a filter with this default action gets the stub."""
    return default & ACTION_MASK not in (ALLOW, LOG, trace(0)) and default != ERRNO(ENOSYS)


def stub(largest: dict[int, int], *, little_endian: bool) -> bytes:
    """Return the instructions to put before a filter.

    `largest` has the largest number that the profile names, by architecture token.
    """
    sections = [_section(largest, audit) for audit in _audits(largest)]
    if not sections:
        return b""
    program: list[Instruction] = [(LOAD, 0, 0, ARCH)]
    length = 1 + sum([len(section) + 2 for section in sections])
    for audit, section in zip(_audits(largest), sections):
        program.append((IF_EQUAL, 0, len(section) + 1, audit))
        program += section
        program.append((JUMP, 0, 0, length - len(program) - 1))
    form = "<HBBI" if little_endian else ">HBBI"
    return b"".join([pack(form, *instruction) for instruction in program])


def _audits(largest: dict[int, int]) -> list[int]:
    return list(dict.fromkeys([audit_arch(token) for token in largest]))


def _section(largest: dict[int, int], audit: int) -> list[Instruction]:
    """Return what is done with the number; falling off the end is going on to the filter."""
    load = (LOAD, 0, 0, NR)
    if audit == _X86_64:
        return [load, *_x86(largest.get(_X86_64), largest.get(_X32))]
    section: list[Instruction] = [load]
    if audit in _S390:
        section += [(IF_EQUAL, 0, 1, 0), _REFUSE]
    return section + [(IF_GREATER, 0, 1, largest[audit]), _REFUSE]


def _x86(plain: int | None, x32: int | None) -> list[Instruction]:
    # With one of the two unnamed, its calls go on to the filter, which knows what to do.
    if x32 is None:
        return [(IF_SET, 2, 0, X32_BIT), (IF_GREATER, 0, 1, plain or 0), _REFUSE]
    if plain is None:
        return [(IF_SET, 0, 2, X32_BIT), (IF_GREATER, 0, 1, x32), _REFUSE]
    return [
        (IF_SET, 1, 0, X32_BIT),
        (IF_GREATER, 1, 2, plain),
        (IF_GREATER, 0, 1, x32),
        _REFUSE,
    ]
