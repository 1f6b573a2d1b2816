"""The last mile without the stub: the interpreter walks the list, and then is the payload.

For a workload that is no program (`executor.py`).  The list is the one that the stub gets, but for
its end: nothing is executed.  Failures are told to main in the same form.
"""

from __future__ import annotations

import gc
import posix
import struct

from ..kernel.linux import address, system_call
from .channel import FAILED, SET, described, send_error
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
    """Prepare, wait for start, run; the process ends with the workload, on every path."""
    try:
        _settle(env, report, gate)
        executor.prepare(args, env)
    except BaseException as e:
        send_error(report, e)
        posix._exit(1)
    status = 1
    try:
        posix.write(report, SET)
        _close(report)
        posix.read(gate, 1)
        _close(gate)  # by which `start` sees that we run
        status = _run(executor, args, env)
        _flush()
    finally:
        posix._exit(status)


def _settle(env: tuple[str, ...], report: int, gate: int) -> None:
    """Let the interpreter be the container's: its environment, its streams, its collections."""
    import os
    import sys

    gc.enable()  # off since the clone
    os.environ.clear()
    for entry in env:
        name, _, value = entry.partition("=")
        os.environ[name] = value
    for name, fd in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
        # Not the old ones: they may hold what the program that creates has not written yet.
        try:
            stream = open(fd, "r" if fd == 0 else "w", encoding="utf-8", closefd=False)
        except OSError:
            stream = None  # closed, as an interpreter shows it
        setattr(sys, name, stream)

    def let_go() -> None:
        """A child of the workload is not to hold up `create` or `start`."""
        _close(report)
        _close(gate)

    os.register_at_fork(after_in_child=let_go)


def _run(executor: Executor, args: tuple[str, ...], env: tuple[str, ...]) -> int:
    status: object = 1
    try:
        status = executor.exec(args, env)
    except SystemExit as e:
        status = e.code or 0
    except BaseException as e:
        _say(f"{executor.name}: {described(e)}")
    if type(status) is int:
        return status & 0xFF
    if status is None:
        return 0
    _say(str(status))
    return 1


def _flush() -> None:
    """Write what `print` has kept, as an interpreter's end does."""
    import sys

    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # closed, or nobody reads it: the status counts


def _say(text: str) -> None:
    try:
        posix.write(2, f"{text}\n".encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # nobody reads it


def _close(fd: int) -> None:
    try:
        posix.close(fd)
    except OSError:
        pass  # a filter may deny it; then the exit does


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
