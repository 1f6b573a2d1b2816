"""What main and init say to each other, over two pipes.

    main to init    go (1 byte), done (1 byte), g (1 byte)
    init to main    H  run the hooks
                    C  the working directory is opened late, by the list
                    R  the stub's list has been reached, all opens are done      (stub)
                    S  the stub waits at the gate: success                       (stub)
                    P  pid, 8 bytes: the stub forked into a pid namespace        (stub)
                    E  step and errno, 8 bytes: a call of the list failed        (stub)
                    X  length, 4 bytes, and an error as JSON: Python failed
                    B  length, 4 bytes, and bind sources as JSON: see sources.py

Pipes, not sockets: `_socket` costs a start 0.3 ms, and nothing but bytes travels.
"""

from __future__ import annotations

import posix
import struct

from ..errors import ContainerError, HookFailed, InitFailed, StepFailed
from ..step import reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

GO, DONE, LIMITED = b"o", b"d", b"g"
HOOKS, READY, SET, PID, FAILED, ERROR, SOURCES = b"H", b"R", b"S", b"P", b"E", b"X", b"B"
CWD_LATE = b"C"
OUT_OF_TURN = "container init spoke out of turn"
_KINDS: dict[str, Any] = {"step": StepFailed, "hook": HookFailed, "init": InitFailed}


class Channel:
    """Main's ends and init's ends; each process closes the other's."""

    def __init__(self) -> None:
        self.go_reader, self.go_writer = posix.pipe2(posix.O_CLOEXEC)
        self.reader, self.writer = posix.pipe2(posix.O_CLOEXEC)

    def in_main(self) -> None:
        """Keep what main uses, so that the end of init is the end of the file."""
        self._close("go_reader", "writer")

    def in_init(self) -> None:
        """Keep what init uses, so that the end of main is the end of the file."""
        self._close("go_writer", "reader")

    def close(self) -> None:
        """Close all that is still open; an init that waits for a word ends."""
        self._close("go_reader", "writer", "go_writer", "reader")

    def _close(self, *names: str) -> None:
        for name in names:
            fd = getattr(self, name)
            setattr(self, name, -1)
            if fd >= 0:
                posix.close(fd)

    def tell_init(self, byte: bytes) -> bool:
        """Let init go on; False when it is not there any more."""
        try:
            return posix.write(self.go_writer, byte) == 1
        except BrokenPipeError:
            return False

    def send(self, kind: bytes, content: bytes) -> None:
        """Tell main more than a byte."""
        message = kind + struct.pack("<I", len(content)) + content
        while message:
            message = message[posix.write(self.writer, message) :]

    def hear(self) -> tuple[bytes, bytes]:
        """Return the next message of init, with its content; nothing at its end."""
        kind = _exactly(self.reader, 1)
        if kind in (PID, FAILED):
            return kind, _exactly(self.reader, 8)
        if kind in (ERROR, SOURCES):
            (length,) = struct.unpack("<I", _exactly(self.reader, 4))
            return kind, _exactly(self.reader, length)
        return kind, b""


def _exactly(fd: int, count: int) -> bytes:
    """Read `count` bytes.  Raises InitFailed for a message that breaks off."""
    found = b""
    while len(found) < count:
        part = posix.read(fd, count - len(found))
        if not part and not found and count == 1:
            return b""  # the end, between two messages
        if not part:
            raise InitFailed("", None, "container init ended in the middle of a message")
        found += part
    return found


def send_error(fd: int, error: BaseException) -> None:
    """Hand an error of init to main, so that it is raised there."""
    from ..codec import dumps

    fields: list[Any]
    if isinstance(error, StepFailed):
        kind, fields = "step", [error.step, error.errno, error.reason]
    elif isinstance(error, HookFailed):
        kind, fields = "hook", [error.kind, error.index, error.reason]
    elif isinstance(error, InitFailed):
        kind, fields = "init", [error.stage, error.errno, error.text]
    elif isinstance(error, OSError):
        text = (reason(error) if error.strerror else described(error)).lower()
        what = f" ({error.filename})" if error.filename is not None else ""
        kind, fields = "init", ["", error.errno, text + what]
    else:
        kind, fields = "init", ["", None, described(error)]
    # Names of files may be no text that JSON takes.
    plain = [_plain(field) if type(field) is str else field for field in fields]
    content = dumps([kind, *plain]).encode()
    posix.write(fd, ERROR + struct.pack("<I", len(content)) + content)


def described(error: BaseException) -> str:
    """Return an error's class and text; the class alone where the text cannot be had."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:
        return type(error).__name__


def _plain(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "\\0")


def received_error(content: bytes) -> ContainerError:
    """Return the error that init sent."""
    from ..codec import loads

    kind, *fields = loads(content.decode())
    error: ContainerError = _KINDS[kind](*fields)
    return error
