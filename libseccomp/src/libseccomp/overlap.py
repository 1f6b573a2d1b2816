"""Calls with several rules whose conditions overlap, which libseccomp cannot be trusted with.

libseccomp keeps the conditions on a call as one tree and merges rules that share a comparison.
That is right for equalities.  With other comparisons it prunes rules that were no part of another
one: of "argument 0 is not 0" and "argument 0 is not 1, argument 1 is not 0", both ALLOW, versions
2.5.4 and 2.6.0 make a filter that refuses (2, 0).  With a default of ALLOW the same would be a
hole.  And some such trees 2.5.4 never finishes building.

So libseccomp does not see these calls.  They are decided before its filter, by a block for each
of them: the rules one after the other, each a straight run of comparisons.  If rules with
different actions hold at once, the strictest counts, by the kernel's own order for several
filters (seccomp(2)).
"""

from __future__ import annotations

from .assembly import (
    AND,
    ARGS,
    IF_EQUAL,
    IF_GREATER,
    IF_GREATER_OR_EQUAL,
    LOAD,
    RETURN,
)
from .constants import ACTION_MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .assembly import Instruction
    from .profile import LinuxSeccompArg
    from .rules import Way

_LOW = 0xFFFFFFFF
# Placeholders for the two ends of a condition; real skips are below 255.
_HOLDS, _FAILS = -1, -2


def overlaps(ways: list[Way]) -> bool:
    """Tell whether the rules for one call need a block."""
    if len(ways) < 2:
        return False
    return any([c.op != "SCMP_CMP_EQ" for _, conditions, _ in ways for c in conditions])


def block(ways: list[Way], default: int, *, wide: bool, little_endian: bool) -> list[Instruction]:
    """Return instructions that decide a call for good."""
    program: list[Instruction] = []
    for action, conditions, _ in sorted(ways, key=lambda way: strictness(way[0])):
        test: list[Instruction] = []
        for condition in conditions:
            test += _condition(condition, wide, little_endian)
        test.append((RETURN, 0, 0, action))
        program += _linked(test)
    return [*program, (RETURN, 0, 0, default)]


def strictest(ways: list[Way]) -> int:
    """Return the strictest of the actions."""
    return min([action for action, _, _ in ways], key=strictness)


def strictness(action: int) -> int:
    """Return a key by which actions sort, the strictest first."""
    # The kernel compares actions as signed numbers, which puts KILL_PROCESS first.
    return ((action & ACTION_MASK) ^ 0x80000000) - 0x80000000


def _linked(test: list[Instruction]) -> list[Instruction]:
    """Let a failed comparison skip the rest of the rule."""
    length = len(test)
    return [
        (code, *[length - at - 1 if skip == _FAILS else skip for skip in (yes, no)], k)  # type: ignore[misc]
        for at, (code, yes, no, k) in enumerate(test)
    ]


def _condition(arg: LinuxSeccompArg, wide: bool, little_endian: bool) -> list[Instruction]:
    at = ARGS + 8 * arg.index
    low, high = (at, at + 4) if little_endian else (at + 4, at)
    mask = arg.value if arg.op == "SCMP_CMP_MASKED_EQ" else None
    value = arg.value if mask is None else arg.value_two & mask
    test = _low(arg.op, value & _LOW, mask, low)
    if wide:
        test = _high(arg.op, value >> 32, mask, high) + test
    length = len(test)
    return [
        (code, *[length - at - 1 if skip == _HOLDS else skip for skip in (yes, no)], k)  # type: ignore[misc]
        for at, (code, yes, no, k) in enumerate(test)
    ]


def _high(op: str, value: int, mask: int | None, offset: int) -> list[Instruction]:
    """Compare the high halves; go on to the low ones if these leave it open."""
    load: list[Instruction] = [(LOAD, 0, 0, offset)]
    if op == "SCMP_CMP_EQ":
        return [*load, (IF_EQUAL, 0, _FAILS, value)]
    if op == "SCMP_CMP_NE":
        return [*load, (IF_EQUAL, 0, _HOLDS, value)]
    if mask is not None:
        return [*load, (AND, 0, 0, mask >> 32), (IF_EQUAL, 0, _FAILS, value)]
    if op in ("SCMP_CMP_GT", "SCMP_CMP_GE"):
        return [*load, (IF_GREATER, _HOLDS, 0, value), (IF_EQUAL, 0, _FAILS, value)]
    return [*load, (IF_GREATER, _FAILS, 0, value), (IF_EQUAL, 0, _HOLDS, value)]


def _low(op: str, value: int, mask: int | None, offset: int) -> list[Instruction]:
    load: list[Instruction] = [(LOAD, 0, 0, offset)]
    if mask is not None:
        return [*load, (AND, 0, 0, mask & _LOW), (IF_EQUAL, 0, _FAILS, value)]
    code, holds, fails = {
        "SCMP_CMP_EQ": (IF_EQUAL, 0, _FAILS),
        "SCMP_CMP_NE": (IF_EQUAL, _FAILS, 0),
        "SCMP_CMP_GT": (IF_GREATER, 0, _FAILS),
        "SCMP_CMP_GE": (IF_GREATER_OR_EQUAL, 0, _FAILS),
        "SCMP_CMP_LT": (IF_GREATER_OR_EQUAL, _FAILS, 0),
        "SCMP_CMP_LE": (IF_GREATER, _FAILS, 0),
    }[op]
    return [*load, (code, holds, fails, value)]
