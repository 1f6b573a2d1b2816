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
"""

from __future__ import annotations

from errno import ENOSYS

from .assembly import IF_EQUAL, IF_GREATER, IF_SET, RETURN
from .constants import ACTION_MASK, ALLOW, ARCHITECTURES, ERRNO, LOG, TRACE, X32_BIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .assembly import Instruction

_X86_64, _X32 = ARCHITECTURES["SCMP_ARCH_X86_64"], ARCHITECTURES["SCMP_ARCH_X32"]
_S390 = (ARCHITECTURES["SCMP_ARCH_S390"], ARCHITECTURES["SCMP_ARCH_S390X"])
_REFUSE = (RETURN, 0, 0, ERRNO(ENOSYS))


def is_wanted(default: int) -> bool:
    """Tell whether calls newer than a profile with this default action fail with ENOSYS."""
    return default & ACTION_MASK not in (ALLOW, LOG, TRACE(0)) and default != ERRNO(ENOSYS)


def checks(largest: dict[int, int], audit: int) -> list[Instruction]:
    """Return what refuses the newer calls of an AUDIT_ARCH_*, or goes on with what follows.

    The accumulator has the number, and keeps it.  `largest` has the largest number that the
    profile names, by architecture token.
    """
    if audit == _X86_64:
        return _x86(largest.get(_X86_64), largest.get(_X32))
    if audit not in largest:
        return []
    zero = [(IF_EQUAL, 0, 1, 0), _REFUSE] if audit in _S390 else []
    return [*zero, (IF_GREATER, 0, 1, largest[audit]), _REFUSE]


def _x86(plain: int | None, x32: int | None) -> list[Instruction]:
    # Where one of the two is not named, its calls go on to the filter, which knows what to do.
    if plain is None and x32 is None:
        return []
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
