"""Assemble the stub: an ELF file made of machine code and a list of system calls.

    offset 0                                                     end of file
    ┌────────────┬──────┬──────┬────────────────────────┬───────────────┐
    │ELF, program│ HEAD │ code │ what arguments point to│ records       │
    │ headers    │      │      │ strings, structs       │ one for a call│
    └────────────┴──────┴──────┴────────────────────────┴───────────────┘
    └──── r-x, 0x400000 ───────┘
    └──── r--, 0x800000 ────────────────────────────────────────────────┘

What the parts mean to the machine code is written in x86_64.S.  Everything is absolute: the
addresses are known while the list is written, so there is nothing to relocate and nothing to read.

The file is mapped twice and nothing is padded, because a waiting container costs what it maps.
Each page of a memfd is memory of its own; a page for the code and a page for the data would be
8 kB where one does.  The price is that the rest of the code's last page, constants all of it, is
mapped executable as well, as in any program linked without separate code pages.  Nothing jumps
there: the code has neither an indirect jump nor a return.  There is no writable segment: results
live in the page of the stack that the kernel has filled anyway (and RLIMIT_DATA, which counts
writable segments, cannot stop the stub).

Nothing here is checked by the stub.  What would not fit is refused here, by name.
"""

from __future__ import annotations

from struct import pack

from libcontainer.process.stub.code import AARCH64, X86_64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

_ARCHES = {"x86_64": (62, X86_64), "aarch64": (183, AARCH64)}  # e_machine, code

# The same in both sources.  64 KiB is the largest page of aarch64.
_CODE = 0x400000
_DATA = 0x800000
_ALIGN = 0x10000
_HEADERS = 64 + 3 * 56
_ENTRY = _HEADERS + 16

_IGNORE, _FORK, _WANT, _TEXT = 1, 2, 4, 8
_PAGE = 4096
_LONGEST_TEXT = 4000  # the text and the longest of _WORDS share the page
_RESULTS = 64  # offset in the page of results
_LARGEST = 16 << 20  # bytes of an image; the kernel takes 6 MiB of arguments at most
_U64 = 0xFFFF_FFFF_FFFF_FFFF
_RECORDS = tuple([f"<HBBBBBB{words}Q" for words in range(8)])

# What execve can answer, in runc's words.  The last one fits every number.
_WORDS = b"".join(
    [
        bytes((number, len(word) + 1)) + word + b"\n"
        for number, word in (
            (1, b"operation not permitted"),
            (2, b"no such file or directory"),
            (5, b"input/output error"),
            (7, b"argument list too long"),
            (8, b"exec format error"),
            (11, b"resource temporarily unavailable"),
            (12, b"cannot allocate memory"),
            (13, b"permission denied"),
            (14, b"bad address"),
            (20, b"not a directory"),
            (21, b"is a directory"),
            (22, b"invalid argument"),
            (23, b"too many open files in system"),
            (24, b"too many open files"),
            (26, b"text file busy"),
            (36, b"file name too long"),
            (38, b"function not implemented"),
            (40, b"too many levels of symbolic links"),
            (80, b"accessing a corrupted shared library"),
            (0, b"unknown error"),
        )
    ]
)


class Pointers:
    """A vector of addresses that ends with NULL: argv, envp.

    The items are strings without their NUL; one with a NUL inside is refused.
    """

    __slots__ = ("items",)

    def __init__(self, items: Sequence[bytes]) -> None:
        self.items = items

    def __eq__(self, other: object) -> bool:
        return type(other) is Pointers and list(self.items) == list(other.items)

    def __repr__(self) -> str:
        return f"Pointers({self.items!r})"


class Address:
    """Inside a Struct: the address of `content`, eight bytes."""

    __slots__ = ("content",)

    def __init__(self, content: Content) -> None:
        self.content = content

    def __eq__(self, other: object) -> bool:
        return type(other) is Address and self.content == other.content

    def __repr__(self) -> str:
        return f"Address({self.content!r})"


class Struct:
    """Data that holds addresses of other data; bytes stand for themselves.

    A struct sock_fprog is `Struct(pack("<H6x", count), Address(filter))`.
    """

    __slots__ = ("parts",)

    def __init__(self, *parts: bytes | Address) -> None:
        self.parts = parts

    def __eq__(self, other: object) -> bool:
        return type(other) is Struct and self.parts == other.parts

    def __repr__(self) -> str:
        return f"Struct({', '.join([repr(part) for part in self.parts])})"


class Result:
    """What the call at `index` of the list has returned, as a number."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index

    def __eq__(self, other: object) -> bool:
        return type(other) is Result and self.index == other.index

    def __repr__(self) -> str:
        return f"Result({self.index})"


class Buffer:
    """`size` bytes that a call may write; zero or not at first, nobody reads them.

    One object is one place, however often it is given.
    """

    __slots__ = ("size",)

    def __init__(self, size: int) -> None:
        self.size = size

    def __eq__(self, other: object) -> bool:
        return type(other) is Buffer and self.size == other.size

    def __repr__(self) -> str:
        return f"Buffer({self.size})"


if TYPE_CHECKING:
    Content: TypeAlias = bytes | Pointers | Struct
    Argument: TypeAlias = int | Content | Result | Buffer


class Call:
    """One system call: its number on the image's architecture and up to six arguments.

    An int is itself, negative in two's complement.  bytes, Pointers and Struct become the address
    of a constant; at least one NUL follows the bytes, so they serve as C strings.

    A result of -4095 to -1, or other than `want`, is a failure: a report of the call's index, and
    the end.  `ignore` goes on.  With `text` the failure is told on fd 2 instead, as the text, the
    errno's words and a newline.  With `fork` a result above 0 is a pid, that is reported before
    the process ends; the child goes on.
    """

    __slots__ = ("args", "fork", "ignore", "number", "text", "want")

    def __init__(
        self,
        number: int,
        args: Sequence[Argument] = (),
        *,
        ignore: bool = False,
        want: int | None = None,
        fork: bool = False,
        text: bytes | None = None,
    ) -> None:
        self.number = number
        self.args = args
        self.ignore = ignore
        self.want = want
        self.fork = fork
        self.text = text

    def _values(self) -> tuple[object, ...]:
        return self.number, list(self.args), self.ignore, self.want, self.fork, self.text

    def __eq__(self, other: object) -> bool:
        return type(other) is Call and self._values() == other._values()

    def __repr__(self) -> str:
        shown = f"Call({self.number}, {list(self.args)!r}"
        for name in ("ignore", "want", "fork", "text"):
            value = getattr(self, name)
            if value is not None and value is not False:
                shown += f", {name}={value!r}"
        return shown + ")"


def build_image(calls: Sequence[Call], *, arch: str, report_fd: int) -> bytes:
    """Return the ELF file that does `calls` in order, to be exec'ed.

    `arch` is a key of uname's machine, x86_64 or aarch64.  Reports go to `report_fd`; report.py
    reads them.  Raises ValueError, TypeError and OverflowError (a number of more than its bits);
    the text names call and argument by index.
    """
    if arch not in _ARCHES:
        raise ValueError(f"build stub: unknown architecture {arch!r}")
    machine, code = _ARCHES[arch]
    if not 0 <= report_fd < 1 << 31:
        raise ValueError(f"build stub: report fd {report_fd} is no file descriptor")
    slots = _slots(calls)
    data = _Data(_ENTRY + len(code), _RESULTS + 8 * len(slots))
    records = []
    for index, call in enumerate(calls):
        try:
            records.append(_record(call, index, slots, data))
        except (ValueError, TypeError, OverflowError) as e:
            raise type(e)(f"build stub: call {index}: {e}") from None
    told = any([call.text is not None for call in calls])
    words = data.place(_WORDS) if told else 0
    first = data.end
    body = b"".join(data.chunks) + b"".join(records)
    size = _ENTRY + len(code) + len(body)
    if size > _LARGEST:
        raise ValueError(f"build stub: {size} bytes of list, the limit is {_LARGEST}")
    head = pack("<IIII", report_fd, len(calls), first, words)
    return _headers(machine, _ENTRY + len(code), size) + head + code + body


def _headers(machine: int, code_end: int, size: int) -> bytes:
    """Return ELF header and program headers: code, data, and that the stack is not executable."""
    # ELFCLASS64, little endian, version 1; type 2 is ET_EXEC.
    elf = pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01",
        *(2, machine, 1, _CODE + _ENTRY, 64, 0, 0, 64, 56, 3, 64, 0, 0),
    )
    # type, flags (1 x, 2 w, 4 r), offset, address twice, size in the file and in memory, alignment
    load = pack("<IIQQQQQQ", 1, 5, 0, _CODE, _CODE, code_end, code_end, _ALIGN)
    load += pack("<IIQQQQQQ", 1, 4, 0, _DATA, _DATA, size, size, _ALIGN)
    return elf + load + pack("<IIQQQQQQ", 0x6474E551, 6, 0, 0, 0, 0, 0, 16)  # PT_GNU_STACK


def _slots(calls: Sequence[Call]) -> dict[int, int]:
    """Return the slot of each call whose result another one takes; all other results go to 0."""
    used = {-1: 0}
    for call in calls:
        for arg in call.args:
            if type(arg) is Result and arg.index not in used:
                used[arg.index] = len(used)
    if len(used) > 256:
        raise ValueError(f"build stub: {len(used) - 1} results are used, at most 255 fit")
    return used


def _record(call: Call, index: int, slots: dict[int, int], data: _Data) -> bytes:
    number, args = call.number, call.args
    if not 0 <= number <= 0xFFFF:
        raise ValueError(f"{number} is no system call")
    if len(args) > 6:
        raise ValueError(f"{len(args)} arguments, a system call has six at most")
    words: list[int] = []
    results = buffers = 0
    for i, arg in enumerate(args):
        if type(arg) is int:
            words.append(_word(arg, i))
        elif type(arg) is Result:
            results |= 1 << i
            if not 0 <= arg.index < index:
                raise ValueError(f"result of call {arg.index} is not known yet")
            words.append(_RESULTS + 8 * slots[arg.index])
        elif type(arg) is Buffer:
            buffers |= 1 << i
            words.append(data.reserve(arg))
        else:
            words.append(data.address(arg))
    while words and not words[-1]:  # arguments not given are 0 anyway
        words.pop()
    given = len(words)
    flags = _flags(call, words, data)
    count = len(words)
    head = (number, given, flags, results, buffers, count + 1, slots.get(index, 0))
    return pack(_RECORDS[count], *head, *words)


def _word(value: int, position: int) -> int:
    if -(1 << 63) <= value <= _U64:
        return value & _U64
    raise OverflowError(f"argument {position}: {value} has more than 64 bits")


def _flags(call: Call, words: list[int], data: _Data) -> int:
    """Return the record's flags, and append the word that belongs to them."""
    if call.ignore + call.fork + (call.want is not None) + (call.text is not None) > 1:
        raise ValueError("ignore, fork, want and text exclude each other")
    if call.want is not None:
        if not 0 <= call.want < 1 << 63:
            raise OverflowError(f"want {call.want} is no result of a success")
        words.append(call.want)
        return _WANT
    if call.text is not None:
        if len(call.text) > _LONGEST_TEXT:
            raise ValueError(f"text of {len(call.text)} bytes, at most {_LONGEST_TEXT} fit")
        words.append(data.address(call.text) | len(call.text) << 32)
        return _TEXT
    return _IGNORE if call.ignore else _FORK if call.fork else 0


class _Data:
    """The constants, each placed when first met, and the page of results and buffers."""

    def __init__(self, offset: int, page_end: int) -> None:
        padding = -offset % 8
        self.chunks = [bytes(padding)]
        self.end = _DATA + offset + padding
        self.page_end = page_end
        # By identity: the same object is the same place, and nobody hashes 2 MB.  The calls keep
        # the objects alive, so no id is used twice.
        self._places: dict[int, int] = {}

    def place(self, content: bytes) -> int:
        """Append `content` and at least one NUL, up to the next multiple of 8."""
        address = self.end
        padding = 8 - len(content) % 8
        self.chunks.append(content)
        self.chunks.append(bytes(padding))
        self.end += len(content) + padding
        return address

    def reserve(self, buffer: Buffer) -> int:
        """Return the offset in the page of memory for `buffer`."""
        offset = self._places.get(id(buffer))
        if offset is None:
            self._places[id(buffer)] = offset = self.page_end
            if buffer.size < 1:
                raise ValueError(f"a buffer of {buffer.size} bytes")
            self.page_end += buffer.size + -buffer.size % 8
            if self.page_end > _PAGE:
                raise ValueError(f"a buffer of {buffer.size} bytes does not fit")
        return offset

    def address(self, content: Argument) -> int:
        """Return the address of `content`, with all that it points to."""
        address = self._places.get(id(content))
        if address is not None:
            return address
        if type(content) is bytes:
            address = self.place(content)
        elif type(content) is Pointers:
            address = self._pointers(content.items)
        elif type(content) is Struct:
            address = self._struct(content.parts)
        else:
            raise TypeError(f"{content!r} is no argument of a system call")
        self._places[id(content)] = address
        return address

    def _pointers(self, items: Sequence[bytes]) -> int:
        block = b"\0".join(items)
        if items and block.count(b"\0") != len(items) - 1:
            raise ValueError("a string with a NUL inside")
        at = self.place(block)
        addresses = []
        for item in items:
            addresses.append(at)
            at += len(item) + 1
        addresses.append(0)
        return self.place(pack(f"<{len(addresses)}Q", *addresses))

    def _struct(self, parts: Sequence[bytes | Address]) -> int:
        whole = b""
        for part in parts:
            if type(part) is bytes:
                whole += part
            elif type(part) is Address:
                whole += pack("<Q", self.address(part.content))
            else:
                raise TypeError(f"{part!r} is no part of a struct")
        return self.place(whole)
