"""The foreground's terminal: copies between the caller's and the container's pty.

The caller's terminal becomes raw, so that every key, Ctrl-C and Ctrl-Z too, is the container's
business; it is what it was again on every way out.  pty(7), termios(3).
"""

from __future__ import annotations

import _signal
import errno
import fcntl
import posix
import select
import struct
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_CHUNK = 65536
_PENDING = 1 << 20  # bytes of input kept for a container that does not read


class Proxy:
    """One foreground terminal.  A context manager: raw inside, restored outside.

    `master` is ours to close.
    """

    def __init__(self, master: int) -> None:
        self.master = master
        self.stdin_open = True
        self.to_master = b""
        self.host, self._opened = _host_terminal()
        self._saved: list[Any] | None = None

    def __enter__(self) -> Proxy:
        _no_double_returns(self.master)
        posix.set_blocking(self.master, False)
        if self.host >= 0:
            self._saved = termios.tcgetattr(self.host)
            termios.tcsetattr(self.host, termios.TCSANOW, _raw(self._saved))
            if not self._has_size():
                self.resize()
            self._before = _signal.signal(_signal.SIGWINCH, self._resized)
        return self

    def __exit__(self, *exc: object) -> None:
        if self._saved is not None:
            _signal.signal(_signal.SIGWINCH, self._before or _signal.SIG_DFL)
            try:
                # Drained first: what the container has written last must not be read as raw.
                termios.tcsetattr(self.host, termios.TCSADRAIN, self._saved)
            except termios.error:
                pass  # it has gone, and what became of the container still counts
        if self._opened:
            posix.close(self.host)
        posix.close(self.master)

    def _has_size(self) -> bool:
        """Whether the document has given the container's terminal a size."""
        size = fcntl.ioctl(self.master, termios.TIOCGWINSZ, bytes(8))
        return any(struct.unpack("4H", size)[:2])

    def resize(self) -> None:
        """Give the container's terminal the size of the caller's."""
        try:
            size = fcntl.ioctl(self.host, termios.TIOCGWINSZ, bytes(8))
            if any(struct.unpack("4H", size)[:2]):
                fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)
        except OSError:
            pass  # best effort: a terminal that has gone has no size

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self.resize()

    def copy_until(self, wake: int) -> None:
        """Copy both ways until `wake` is readable."""
        while True:
            poll = select.poll()
            poll.register(wake, select.POLLIN)
            if self._wants_input():
                poll.register(0, select.POLLIN)
            poll.register(self.master, select.POLLIN | (select.POLLOUT if self.to_master else 0))
            ready = dict(poll.poll())
            if 0 in ready:
                self._read_stdin()
            if ready.get(self.master, 0) & select.POLLOUT:
                self._write_master()
            if ready.get(self.master, 0) & (select.POLLIN | select.POLLHUP | select.POLLERR):
                if not self._read_master():
                    self._wait(wake)
            if wake in ready:
                return

    def drain(self) -> None:
        """Copy what the container has still written; its last words come before the EIO."""
        while self._read_master():
            pass

    def _wants_input(self) -> bool:
        return self.stdin_open and len(self.to_master) < _PENDING

    def _read_stdin(self) -> None:
        try:
            part = posix.read(0, _CHUNK)
        except OSError:
            part = b""  # EIO: our terminal has gone
        if not part:
            # The end of our input is no reason to hang up on the container.
            self.stdin_open = False
        self.to_master += part
        self._write_master()

    def _write_master(self) -> None:
        try:
            self.to_master = self.to_master[posix.write(self.master, self.to_master) :]
        except BlockingIOError:
            pass
        except OSError:
            self.to_master = b""  # nobody reads any more

    def _read_master(self) -> bool:
        """Copy one piece; False at the end, or when there is nothing now."""
        try:
            part = posix.read(self.master, _CHUNK)
        except BlockingIOError:
            return False
        except OSError as e:
            if e.errno != errno.EIO:
                raise
            return False
        while part:
            try:
                part = part[posix.write(1, part) :]
            except BlockingIOError:
                select.select((), (1,), ())
            except OSError:
                return bool(part)  # nobody looks; the container goes on
        return True

    def _wait(self, wake: int) -> None:
        """Nobody has the terminal open; somebody may again, so look now and then."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        poll.poll(10)


def _host_terminal() -> tuple[int, bool]:
    """Return our terminal, and whether it was opened for this: one of stdio, else the one that
    controls us; -1 without any.
    """
    for fd in (0, 1, 2):
        if posix.isatty(fd):
            return fd, False
    try:
        return posix.open("/dev/tty", posix.O_RDWR | posix.O_NOCTTY | posix.O_CLOEXEC), True
    except OSError:
        return -1, False


def _raw(attributes: list[Any]) -> list[Any]:
    """Return cfmakeraw's attributes, but with output processing: our own lines need it."""
    i, o, c, local, ispeed, ospeed, chars = attributes
    i &= ~(
        termios.IGNBRK
        | termios.BRKINT
        | termios.PARMRK
        | termios.ISTRIP
        | termios.INLCR
        | termios.IGNCR
        | termios.ICRNL
        | termios.IXON
    )
    local &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    c = (c & ~(termios.CSIZE | termios.PARENB)) | termios.CS8
    chars = list(chars)
    chars[termios.VMIN], chars[termios.VTIME] = 1, 0
    return [i, o, c, local, ispeed, ospeed, chars]


def _no_double_returns(master: int) -> None:
    """The caller's terminal adds a carriage return to each line; once is enough."""
    attributes = termios.tcgetattr(master)
    attributes[1] &= ~termios.ONLCR
    termios.tcsetattr(master, termios.TCSANOW, attributes)
