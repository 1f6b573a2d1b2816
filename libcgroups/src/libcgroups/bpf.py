"""The BPF program that a v2 cgroup decides about devices with, and bpf(2).

v2 has no device files.  The kernel runs a program (BPF_PROG_TYPE_CGROUP_DEVICE) at every open and
mknod of a device node, with this context, and 0 as result refuses:

    u32 access_type     low half: 1 block, 2 character; high half: 1 mknod, 2 read, 4 write
    u32 major, minor

Programs of a cgroup and of all above it must agree, so a program can only take away.
"""

from __future__ import annotations

import posix
from errno import EAGAIN, EINVAL, ENOSPC
from struct import pack, unpack_from

from ._machine import machine
from .devices import ANY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .devices import DeviceAccess

_KINDS = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_*

# Opcodes, as in linux/bpf_common.h and linux/bpf.h.  Registers are their numbers.
_LOAD_U32 = 0x61  # dst = *(u32 *)(src + off)
_AND, _SHIFT_RIGHT, _SET = 0x54, 0x74, 0xB4  # 32 bit, with a constant
_COPY = 0xBC  # 32 bit
_JUMP_EQUAL, _JUMP_UNEQUAL, _JUMP_UNEQUAL_REGISTER = 0x15, 0x55, 0x5D
_EXIT = 0x95
_RESULT, _CONTEXT, _SCRATCH, _KIND, _ACCESS, _MAJOR, _MINOR = 0, 1, 1, 2, 3, 4, 5

# bpf(2)
_PROG_LOAD, _PROG_ATTACH, _PROG_DETACH, _GET_FD_BY_ID, _PROG_QUERY = 5, 8, 9, 13, 16
_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE = 15, 6
_ALLOW_MULTI, _REPLACE = 2, 4
_NUMBERS = {"x86_64": 321, "aarch64": 280}
_LICENSE = b"Apache-2.0\0"  # no helper is called that asks for another one


def instruction(op: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> bytes:
    """Return one instruction of eBPF."""
    return pack("<BBhi", op, dst | src << 4, off, imm)


def assemble(access: DeviceAccess) -> bytes:
    """Return the program for what `libcgroups.devices.resolve` made of the rules."""
    program = [
        instruction(_LOAD_U32, _KIND, _CONTEXT, 0),
        instruction(_AND, _KIND, imm=0xFFFF),
        instruction(_LOAD_U32, _ACCESS, _CONTEXT, 0),
        instruction(_SHIFT_RIGHT, _ACCESS, imm=16),
        instruction(_LOAD_U32, _MAJOR, _CONTEXT, 4),
        instruction(_LOAD_U32, _MINOR, _CONTEXT, 8),
    ]
    for (kind, major, minor), letters in sorted(access.exceptions.items()):
        program += _exception(kind, major, minor, letters, allow=not access.allow)
    program += _answer(access.allow)
    return b"".join(program)


def _answer(allow: bool) -> list[bytes]:
    return [instruction(_SET, _RESULT, imm=int(allow)), instruction(_EXIT)]


def _exception(kind: str, major: int, minor: int, letters: int, *, allow: bool) -> list[bytes]:
    # (opcode, register, other register, constant): on to the next exception if it holds
    tests = [(_JUMP_UNEQUAL, _KIND, 0, _KINDS[kind])]
    if major != ANY:
        tests.append((_JUMP_UNEQUAL, _MAJOR, 0, major))
    if minor != ANY:
        tests.append((_JUMP_UNEQUAL, _MINOR, 0, minor))
    mask = [instruction(_COPY, _SCRATCH, _ACCESS), instruction(_AND, _SCRATCH, imm=letters)]
    if allow:  # everything that is wanted must be among the letters
        last = (_JUMP_UNEQUAL_REGISTER, _SCRATCH, _ACCESS, 0)
    else:  # one forbidden letter is enough
        last = (_JUMP_EQUAL, _SCRATCH, 0, 0)
    tail = [*mask, _jump(last, 2), *_answer(allow)]
    head = [_jump(test, len(tests) - 1 - i + len(tail)) for i, test in enumerate(tests)]
    return head + tail


def _jump(test: tuple[int, int, int, int], over: int) -> bytes:
    op, register, other, constant = test
    return instruction(op, register, other, over, constant)


class Bpf:
    """bpf(2), as far as device programs need it.  Every call raises OSError."""

    def __init__(self) -> None:
        from ._abi import ffi

        self._ffi: Any = ffi
        self._libc: Any = ffi.dlopen(None)
        self._number = _NUMBERS[machine()]

    def load(self, program: bytes) -> int:
        """Load a device program and return its descriptor."""
        for attempt in range(30):
            try:
                return self._load(program, None)
            except OSError as e:
                # Cut short by a signal, or many verifications at once
                if e.errno != EAGAIN or attempt == 29:
                    if e.errno == EINVAL:
                        raise OSError(EINVAL, f"{e.strerror} ({self._reason(program)})") from e
                    raise
        raise AssertionError

    def _load(self, program: bytes, log: Any) -> int:
        code = self._ffi.new("char[]", program)
        license_ = self._ffi.new("char[]", _LICENSE)
        log_size = 0 if log is None else self._ffi.sizeof(log)
        attr = pack(
            "<IIQQIIQ",
            _TYPE_CGROUP_DEVICE,
            len(program) // 8,
            self._address(code),
            self._address(license_),
            int(log is not None),
            log_size,
            0 if log is None else self._address(log),
        )
        return self._call(_PROG_LOAD, attr)[0]

    def _reason(self, program: bytes) -> str:
        """Return the verifier's last word."""
        log = self._ffi.new("char[]", 65536)
        try:
            posix.close(self._load(program, log))
        except OSError:
            text: bytes = self._ffi.string(log)
            return text.decode(errors="replace").strip().rpartition("\n")[2]
        return ""

    def attach(self, directory: int, program: int, replace: int | None = None) -> None:
        """Attach to a cgroup, in place of `replace` at once if that is given (Linux 5.6)."""
        flags = _ALLOW_MULTI | (0 if replace is None else _REPLACE)
        attr = pack("<IIIII", directory, program, _ATTACH_CGROUP_DEVICE, flags, replace or 0)
        self._call(_PROG_ATTACH, attr)

    def detach(self, directory: int, program: int) -> None:
        self._call(_PROG_DETACH, pack("<III", directory, program, _ATTACH_CGROUP_DEVICE))

    def query(self, directory: int) -> tuple[int, ...]:
        """Return the ids of the programs of the cgroup itself."""
        room = 64
        while True:
            ids = self._ffi.new("uint32_t[]", room)
            attr = pack("<IIIIQI", directory, _ATTACH_CGROUP_DEVICE, 0, 0, self._address(ids), room)
            try:
                _, after = self._call(_PROG_QUERY, attr)
            except OSError as e:
                if e.errno != ENOSPC:
                    raise
                room *= 2
                continue
            return tuple(ids[0 : unpack_from("<I", after, 24)[0]])

    def open(self, program_id: int) -> int:
        """Return a descriptor of a loaded program."""
        return self._call(_GET_FD_BY_ID, pack("<I", program_id))[0]

    def _call(self, command: int, attr: bytes) -> tuple[int, bytes]:
        # The whole union, zeroed: from Linux 6.17 PROG_QUERY writes at offset 56, whatever size
        # it was told.
        size = 128
        memory = self._ffi.new("char[]", attr.ljust(size, b"\0"))
        cast = self._ffi.cast
        result = self._libc.syscall(
            self._number, cast("long", command), memory, cast("unsigned long", size)
        )
        if result < 0:
            code = self._ffi.errno
            raise OSError(code, posix.strerror(code), "bpf")
        return int(result), bytes(self._ffi.buffer(memory, size))

    def _address(self, pointer: Any) -> int:
        return int(self._ffi.cast("uintptr_t", pointer))


def listing(program: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Return the instructions as (opcode, dst, src, off, imm), to read or to interpret."""
    for at in range(0, len(program), 8):
        op, registers, off, imm = unpack_from("<BBhi", program, at)
        yield op, registers & 15, registers >> 4, off, imm
