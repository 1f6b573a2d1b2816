"""Writing the last mile down: entries of the plan with names become a program with numbers."""

from __future__ import annotations

import posix
from struct import pack

from .._machine import machine
from ..kernel.constants import CLONE_INTO_CGROUP, CLONE_PARENT
from .stub.image import Address, Buffer, Call, Pointers, Result, Struct, build_image
from .stub.memfd import Spare, sealed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..plan.lastmile import Entry
    from .stub.image import Argument


def system_calls(
    entries: Sequence[Entry],
    *,
    handles: Mapping[str, int],
    path: str,
    args: Sequence[str],
    env: Sequence[str],
    filter: bytes,
    numbers: Mapping[str, int],
) -> list[Call]:
    """Return a list with numbers and data for names.

    `handles` are descriptors by the names that the list uses; `filter` is a program of classic
    BPF, 8 bytes an instruction.
    """
    data: dict[str, Argument] = {
        "path": _text(path),
        "argv": Pointers([_text(a) for a in args]),
        "env": Pointers([_text(e) for e in env]),
        "filter": Struct(pack("<H6x", len(filter) // 8), Address(filter)),
    }
    scratch = Buffer(8)

    def argument(arg: int | str, index: int) -> Argument:
        if type(arg) is int:
            return arg
        kind, _, value = str(arg).partition(":")
        if kind == "text":
            return _text(value)
        if kind == "fd":
            return handles[value]
        if kind == "hex":
            return bytes.fromhex(value)
        if kind == "result":
            return Result(index + int(value))
        if kind == "into":
            return _into_cgroup(handles[value])
        return scratch if kind == "buffer" else data[value]

    return [
        Call(
            numbers[e.call],
            [argument(a, index) for a in e.args],
            ignore=e.ignore,
            want=e.want,
            fork=e.fork,
            text=_text(f"{e.does} {path}: ") if e.tells else None,
        )
        for index, e in enumerate(entries)
    ]


def program(calls: Sequence[Call], *, report: int) -> bytes:
    """Return the stub's image for a list; `report` is where it tells failures."""
    return build_image(calls, arch=machine(), report_fd=report)


def run(image: bytes, spare: Spare | None) -> None:
    """Become the stub, from `spare` where memfds may not be executed.  Returns never.

    Raises OSError if this host refuses it.
    """
    fd = spare.fill(image) if spare is not None else sealed(image, name="pyoci")
    posix.execve(fd, ["pyoci:init"], {})


def _into_cgroup(directory: int) -> bytes:
    """Return a struct clone_args: a child of our own parent, born in a cgroup of v2."""
    flags = CLONE_PARENT | CLONE_INTO_CGROUP
    return pack("<11Q", flags, *[0] * 9, directory)  # exit_signal 0: it is the caller's


def _text(value: str) -> bytes:
    return value.encode("utf-8", "surrogateescape")
