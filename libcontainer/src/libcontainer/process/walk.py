"""The last mile without the stub: the interpreter walks the list, and then is the payload.

For a workload that is no program (`executor.py`).  The list is the one that the stub gets, but for
its end: nothing is executed.  Failures are told to main in the same form.
"""

from __future__ import annotations

import gc
import posix
import struct

from ..kernel.linux import address, system_call
from .channel import FAILED, SET, send_error
from .stub.image import Address, Buffer, Result, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

    from ..executor import Executor
    from .stub.image import Argument, Call


def walk(calls: Sequence[Call], *, report: int) -> None:
    """Do every call; one that fails is told to `report`, and is the end of this process."""
    results: list[int] = []
    memory: list[bytes | bytearray] = []  # what calls point to
    for index, call in enumerate(calls):
        args = [_value(arg, results, memory) for arg in call.args]
        result = system_call(call.number, *args)
        results.append(result)
        if call.ignore or (result == call.want if call.want is not None else result >= 0):
            continue
        posix.write(report, FAILED + struct.pack("<II", index, max(-result, 0)))
        posix._exit(1)


def be(
    executor: Executor,
    args: tuple[str, ...],
    env: tuple[str, ...],
    *,
    report: int,
    gate: int,
) -> NoReturn:
    """Prepare, wait for start, run; the process ends with the workload."""
    gc.enable()  # off since the clone
    try:
        executor.prepare(args, env)
    except BaseException as e:
        send_error(report, e)
        posix._exit(1)
    posix.write(report, SET)
    posix.close(report)
    posix.read(gate, 1)
    posix.close(gate)  # by which `start` sees that we run
    posix._exit(_run(executor, args, env))


def _run(executor: Executor, args: tuple[str, ...], env: tuple[str, ...]) -> int:
    status: object = 1
    try:
        status = executor.exec(args, env)
    except SystemExit as e:
        status = e.code or 0
    except BaseException as e:
        _say(f"{executor.name}: {type(e).__name__}: {e}")
    _flush()
    if type(status) is int:
        return status & 0xFF
    _say(str(status))
    return 1


def _flush() -> None:
    """Write what `print` has kept, as an interpreter's end does."""
    import sys

    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            pass  # nobody reads it


def _say(text: str) -> None:
    try:
        posix.write(2, f"{text}\n".encode("utf-8", "surrogateescape"))
    except OSError:
        pass  # nobody reads it


def _value(arg: Argument, results: list[int], memory: list[bytes | bytearray]) -> int:
    """Return an argument as the number that the call gets; what that points to is kept."""
    if type(arg) is int:
        return arg
    if type(arg) is Result:
        return results[arg.index]
    content: bytes | bytearray
    if type(arg) is bytes:
        content = arg  # ends in a NUL of its own
    elif type(arg) is Buffer:
        content = bytearray(arg.size)
    elif type(arg) is Struct:
        content = b"".join([_part(part, results, memory) for part in arg.parts])
    else:
        raise TypeError(f"{arg!r} is no argument of a list without an exec")
    memory.append(content)
    return address(content)


def _part(part: bytes | Address, results: list[int], memory: list[bytes | bytearray]) -> bytes:
    if type(part) is Address:
        return struct.pack("<Q", _value(part.content, results, memory))
    assert type(part) is bytes
    return part
