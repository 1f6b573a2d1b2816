"""The interpreter, by hand-made programs."""

from struct import pack

import pytest

from libseccomp import BadProgram, Program

ALLOW = 0x7FFF0000
X86_64 = 0xC000003E
A, K_RET, A_RET = 4, 0x06, 0x16


def program(*instructions, order="<"):
    """Return a program of (code, true, false, operand) tuples; a short one has no jumps."""
    full = [i if len(i) == 4 else (i[0], 0, 0, i[1]) for i in instructions]
    return Program(b"".join(pack(order + "HBBI", *i) for i in full), little_endian=order == "<")


@pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])
@pytest.mark.parametrize(
    ("offset", "expected"),
    [
        pytest.param(0, 59, id="number"),
        pytest.param(4, X86_64, id="arch"),
        pytest.param(8, (0x22222222, 0x11111111), id="address"),
        pytest.param(16, (0x44444444, 0x33333333), id="first-argument"),
        pytest.param(56, (6, 0), id="last-argument"),
    ],
)
def test_a_load_sees_a_word_of_the_call(offset, expected, order):
    """
    Loads see struct seccomp_data in the machine's own order; 64-bit fields are two words.
    """
    words = expected if isinstance(expected, tuple) else (expected,)
    if order == ">":
        words = words[::-1]

    for i, word in enumerate(words):
        run = program((0x20, offset + 4 * i), (A_RET, 0), order=order)
        args = (0x3333333344444444, 2, 3, 4, 5, 6)
        assert run.run(59, X86_64, args, 0x1111111122222222) == word


@pytest.mark.parametrize(
    ("code", "operand", "expected"),
    [
        pytest.param(0x04, 5, 12, id="add"),
        pytest.param(0x14, 8, 0xFFFFFFFF, id="sub-wraps"),
        pytest.param(0x24, 3, 21, id="mul"),
        pytest.param(0x34, 2, 3, id="div"),
        pytest.param(0x44, 8, 15, id="or"),
        pytest.param(0x54, 3, 3, id="and"),
        pytest.param(0x64, 4, 112, id="lsh"),
        pytest.param(0x74, 1, 3, id="rsh"),
        pytest.param(0x84, 0, 0xFFFFFFF9, id="neg"),
        pytest.param(0xA4, 2, 5, id="xor"),
    ],
)
def test_arithmetic_is_of_32_bits(code, operand, expected):
    """
    Arithmetic works on unsigned 32-bit words, with a constant or with X.
    """
    assert program((0x00, 7), (code, operand), (A_RET, 0)).run(0, 0) == expected
    by_x = program((0x00, 7), (0x01, operand), (code | 8, 0), (A_RET, 0))
    assert by_x.run(0, 0) == expected


def test_division_by_zero_ends_the_program_with_kill():
    """
    The kernel returns 0 from a program that divides by X being zero.
    """
    assert program((0x00, 7), (0x3C, 0), (K_RET, ALLOW)).run(0, 0) == 0


@pytest.mark.parametrize(
    ("code", "operand", "jumps"),
    [
        pytest.param(0x15, 7, True, id="jeq"),
        pytest.param(0x15, 8, False, id="jeq-not"),
        pytest.param(0x25, 7, False, id="jgt-not"),
        pytest.param(0x25, 6, True, id="jgt"),
        pytest.param(0x35, 7, True, id="jge"),
        pytest.param(0x45, 8, False, id="jset-not"),
        pytest.param(0x45, 4, True, id="jset"),
    ],
)
def test_a_comparison_skips_one_of_two_counts(code, operand, jumps):
    """
    A comparison skips its first count if it holds, else its second.
    """
    run = program((0x00, 7), (code, 1, 0, operand), (K_RET, 10), (K_RET, 20))

    assert run.run(0, 0) == (20 if jumps else 10)


def test_scratch_memory_and_registers():
    """
    A and X go to memory, back, and into each other; the length of the data is 64.
    """
    run = program((0x80, 0), (0x02, 3), (0x01, 5), (0x03, 4), (0x60, 4), (0x07, 0), (0x60, 3))
    run.instructions += [(0x0C, 0, 0, 0), (0x07, 0, 0, 0), (0x87, 0, 0, 0), (A_RET, 0, 0, 0)]

    assert run.run(0, 0) == 69


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param(b"", "instruction 0: a piece", id="empty"),
        pytest.param(bytes(9), "instruction 1: a piece", id="odd-length"),
        pytest.param(pack("<HBBI", 0x20, 0, 0, 64), "no load of a seccomp filter", id="beyond"),
        pytest.param(pack("<HBBI", 0x00, 0, 0, 0), "ends without a return", id="no-return"),
    ],
)
def test_what_the_kernel_would_not_load_is_refused(raw, text):
    """
    A program that the kernel would refuse is an error, not a decision.
    """
    with pytest.raises(BadProgram, match=text):
        Program(raw).run(0, 0)


def test_instructions_in_words():
    """
    Each instruction is one line, jumps with the numbers of their targets.
    """
    run = program((0x20, 4), (0x15, 0, 2, X86_64), (0x20, 20), (0x05, 0), (K_RET, ALLOW))

    assert run.text() == [
        "   0  ld arch",
        "   1  jeq #0xc000003e, true 2, false 4",
        "   2  ld args[0]+4",
        "   3  ja 4",
        "   4  ret #0x7fff0000",
    ]
