"""What we put before libseccomp's program: ENOSYS for newer calls, and blocks for overlaps.

ld  arch
for each AUDIT_ARCH_*: jeq #arch, else over the section   (the accumulator keeps arch)
    ld  nr
    checks of `unknown`
    for each call of `overlap`: jeq #nr, else over the block
    ja  the filter
"""

from __future__ import annotations

from . import library, overlap, unknown
from .assembly import ARCH, JUMP, LOAD, NR, assemble, only_if_equal
from .constants import AUDIT_ARCH_64BIT, AUDIT_ARCH_LE, audit_arch
from .errors import NotKnown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .assembly import Instruction
    from .rules import Way


def make_prefix(
    names: list[str], ways: dict[str, list[Way]], architectures: list[str], default: int
) -> bytes:
    """Return the instructions to put before a filter for `architectures`, perhaps none.

    `names` are all that the profile names, `ways` what `rules` left of its rules.
    """
    tokens = {library.arch_token(arch): arch for arch in architectures}
    little_endian = bool(next(iter(tokens)) & AUDIT_ARCH_LE)
    largest = largest_numbers(names, architectures) if unknown.is_wanted(default) else {}
    sections = []
    for audit in dict.fromkeys([audit_arch(token) for token in tokens]):
        section = unknown.checks(largest, audit)
        for token, arch in tokens.items():
            if audit_arch(token) == audit:
                section += _blocks(ways, arch, token, default, little_endian)
        if section:
            sections.append((audit, section))
    return assemble(_joined(sections), little_endian=little_endian)


def _joined(sections: list[tuple[int, list[Instruction]]]) -> list[Instruction]:
    if not sections:
        return []
    program: list[Instruction] = [(LOAD, 0, 0, ARCH)]
    length = 1 + sum([len(section) + 4 for _, section in sections])
    for audit, section in sections:
        # To the end of the prefix: past the two of the test, this section and itself.
        away = length - len(program) - len(section) - 4
        program += only_if_equal(audit, [(LOAD, 0, 0, NR), *section, (JUMP, 0, 0, away)])
    return program


def _blocks(
    ways: dict[str, list[Way]], arch: str, token: int, default: int, little_endian: bool
) -> list[Instruction]:
    # x32 registers are 64 bits wide, but its ABI, and libseccomp, only speak of 32.
    wide, blocks = bool(token & AUDIT_ARCH_64BIT), []
    for name, rules in ways.items():
        if not overlap.overlaps(rules):
            continue
        try:
            number = library.real_number(name, arch)
        except NotKnown:
            continue
        block = overlap.block(rules, default, wide=wide, little_endian=little_endian)
        blocks += only_if_equal(number, block)
    return blocks


def largest_numbers(names: list[str], architectures: list[str]) -> dict[int, int]:
    """Return, by architecture token, the largest system call number among `names`."""
    found = {}
    for arch in architectures:
        largest = max([_number(name, arch) for name in names], default=-1)
        if largest >= 0:
            found[library.arch_token(arch)] = largest
    return found


def _number(name: str, arch: str) -> int:
    try:
        return library.syscall_number(name, arch)
    except NotKnown:
        return -1
