"""Instructions of classic BPF, as far as we write them ourselves: linux/bpf_common.h."""

from __future__ import annotations

from struct import pack

# Offsets into struct seccomp_data.
NR, ARCH, ARGS = 0, 4, 16

LOAD, AND, RETURN, JUMP = 0x20, 0x54, 0x06, 0x05
IF_EQUAL, IF_GREATER, IF_GREATER_OR_EQUAL, IF_SET = 0x15, 0x25, 0x35, 0x45

Instruction = tuple[int, int, int, int]  # code, skip if true, skip if false, operand


def only_if_equal(operand: int, block: list[Instruction]) -> list[Instruction]:
    """Return `block` to be run only if the accumulator equals `operand`.

    With a jump over it of its own: those in a comparison reach 255 instructions.
    """
    return [(IF_EQUAL, 1, 0, operand), (JUMP, 0, 0, len(block)), *block]


def assemble(program: list[Instruction], *, little_endian: bool) -> bytes:
    """Return the array of struct sock_filter."""
    form = "<HBBI" if little_endian else ">HBBI"
    return b"".join([pack(form, *instruction) for instruction in program])
