"""What a filter does with a call: an interpreter of classic BPF as seccomp(2) runs it.

Only what the kernel lets a seccomp filter use (kernel/seccomp.c, seccomp_check_filter): loads of
32-bit words of struct seccomp_data, arithmetic, jumps forward, scratch memory, return.  Nothing
is asked of the running kernel, so programs for other machines are read as well.
"""

from __future__ import annotations

from struct import Struct, pack, unpack

from .errors import SeccompError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Instruction = tuple[int, int, int, int]  # code, skip if true, skip if false, operand

DATA_SIZE = 64  # bytes of struct seccomp_data
_WORD = 0xFFFFFFFF
_FIELDS = {0: "nr", 4: "arch", 8: "ip.low", 12: "ip.high"}

# linux/bpf_common.h: the class of an instruction, and the one bit that says K or X
_LD, _LDX, _ST, _STX, _ALU, _JMP, _RET, _MISC = range(8)
_SOURCE_X = 0x08

_ARITHMETIC: dict[int, tuple[str, Callable[[int, int], int]]] = {
    0x00: ("add", lambda a, b: a + b),
    0x10: ("sub", lambda a, b: a - b),
    0x20: ("mul", lambda a, b: a * b),
    0x30: ("div", lambda a, b: a // b),
    0x40: ("or", lambda a, b: a | b),
    0x50: ("and", lambda a, b: a & b),
    0x60: ("lsh", lambda a, b: a << (b & 31)),
    0x70: ("rsh", lambda a, b: a >> (b & 31)),
    0x80: ("neg", lambda a, b: -a),
    0xA0: ("xor", lambda a, b: a ^ b),
}
_TESTS: dict[int, tuple[str, Callable[[int, int], bool]]] = {
    0x10: ("jeq", lambda a, b: a == b),
    0x20: ("jgt", lambda a, b: a > b),
    0x30: ("jge", lambda a, b: a >= b),
    0x40: ("jset", lambda a, b: a & b != 0),
}


class BadProgram(SeccompError):
    """The bytes are no program that the kernel would load; the text says where."""

    def __init__(self, at: int, reason: str) -> None:
        super().__init__(at, reason)
        self.at, self.reason = at, reason

    def __str__(self) -> str:
        return f"instruction {self.at}: {self.reason}"


class Program:
    """A filter's instructions, in the byte order of the machine that they are for."""

    def __init__(self, program: bytes, *, little_endian: bool = True) -> None:
        self._order = "<" if little_endian else ">"
        form = Struct(self._order + "HBBI")
        if not program or len(program) % form.size:
            raise BadProgram(len(program) // form.size, "a piece of an instruction, or none")
        self.instructions: list[Instruction] = list(form.iter_unpack(program))

    def run(self, number: int, arch: int, args: tuple[int, ...] = (), address: int = 0) -> int:
        """Return what the filter returns: an action with its value in the low 16 bits.

        `arch` is an AUDIT_ARCH_* value, `args` up to six unsigned 64-bit numbers, `address` the
        instruction pointer.  Raises BadProgram.
        """
        six = [*args, 0, 0, 0, 0, 0, 0][:6]
        data = pack(self._order + "II7Q", number & _WORD, arch, address, *six)
        return self._run(unpack(self._order + "16I", data))

    def _run(self, data: tuple[int, ...]) -> int:
        a = x = at = 0
        memory = [0] * 16
        while at < len(self.instructions):
            code, if_true, if_false, k = self.instructions[at]
            at += 1
            kind, operand = code & 7, x if code & _SOURCE_X else k
            if kind == _RET:
                return a if code & 0x18 == 0x10 else k
            if kind == _JMP:
                test = _TESTS.get(code & 0xF0)
                at += k if test is None else if_true if test[1](a, operand) else if_false
            elif kind in (_LD, _LDX):
                value = _loaded(at - 1, code, k, data, memory)
                a, x = (value, x) if kind == _LD else (a, value)
            elif kind in (_ST, _STX):
                memory[k] = a if kind == _ST else x
            elif kind == _ALU:
                if code & 0xF0 == 0x30 and operand == 0:
                    return 0  # the kernel ends a program that divides by zero so
                a = _ARITHMETIC[code & 0xF0][1](a, operand) & _WORD
            else:
                a, x = (x, x) if code & 0x80 else (a, a)
        raise BadProgram(at, "the program ends without a return")

    def text(self) -> list[str]:
        """Return the instructions in words, one line each, with the targets of jumps."""
        return [f"{at:4}  {_words(at, *i)}" for at, i in enumerate(self.instructions)]


def _loaded(at: int, code: int, k: int, data: tuple[int, ...], memory: list[int]) -> int:
    mode = code & 0xE0
    if mode == 0x00:  # immediate
        return k
    if mode == 0x60:
        return memory[k]
    if mode == 0x80:
        return DATA_SIZE
    if mode == 0x20 and k % 4 == 0 and k < DATA_SIZE:
        return data[k // 4]
    raise BadProgram(at, f"no load of a seccomp filter: {code:#04x} {k}")


def _words(at: int, code: int, if_true: int, if_false: int, k: int) -> str:
    kind, operand = code & 7, "x" if code & _SOURCE_X else f"#{k:#x}"
    if kind == _RET:
        return "ret a" if code & 0x18 == 0x10 else f"ret #{k:#010x}"
    if kind == _JMP:
        if code & 0xF0 == 0:
            return f"ja {at + 1 + k}"
        name = _TESTS[code & 0xF0][0]
        return f"{name} {operand}, true {at + 1 + if_true}, false {at + 1 + if_false}"
    if kind in (_LD, _LDX):
        return f"{'ld' if kind == _LD else 'ldx'} {_source(code, k)}"
    if kind in (_ST, _STX):
        return f"{'st' if kind == _ST else 'stx'} m[{k}]"
    if kind == _ALU:
        return f"{_ARITHMETIC[code & 0xF0][0]} {operand}"
    return "txa" if code & 0x80 else "tax"


def _source(code: int, k: int) -> str:
    mode = code & 0xE0
    if mode == 0x20:
        index, high = divmod(k - 16, 8)
        return _FIELDS.get(k) or f"args[{index}]+{high}"
    return {0x00: f"#{k:#x}", 0x60: f"m[{k}]", 0x80: "len"}[mode]
