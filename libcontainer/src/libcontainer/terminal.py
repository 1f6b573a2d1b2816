"""The foreground's terminal: copies between the caller's and the container's pty.

The caller's terminal becomes raw, so that every key, Ctrl-C and Ctrl-Z too, is the container's
business; it is what it was again on every way out.  pty(7), termios(3).

A shell with job control may stop us from outside, use the terminal, and let us go on, with the
terminal or without.  Without, what is typed is the shell's: reading would be refused with SIGTTIN,
and the attributes are not ours to change.  Stopped, as other programs are then, we would not see
the container end; so SIGTTIN and SIGTTOU are ignored, and we look now and then whether the terminal
is ours again.
"""

from __future__ import annotations

import _signal
import errno
import fcntl
import posix
import select
import struct
import termios

from .errors import InitFailed
from .signals import hold_stops, hold_stops_while_failing, set_mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_CHUNK = 65536
_PENDING = 1 << 20  # bytes of input kept for a container that does not read
_LOOK = 200  # milliseconds between two looks whether we are in the foreground again
# Bytes that a pty may still hold at the end: 4096 to be read, 8192 on their way, and then some.
_HELD = 65536


class Proxy:
    """One foreground terminal.  A context manager: raw inside, restored outside.

    `master` is ours to close.  At the end what asks us to stop is blocked; the caller lifts that.
    """

    def __init__(self, master: int) -> None:
        self.master = master
        self.stdin_open = True
        self.to_master = b""
        self.copied = 0  # bytes, to stdout
        self.host, self._opened = _host_terminal()
        self._foreground = True  # what is typed is ours
        self._saved: list[Any] | None = None  # the caller's attributes, once they were changed
        self._size = self._host_size()
        self._before: dict[int, Any] = {}
        # A poll goes on after a signal's handler, with the time-out it had before.
        self._continued = posix.eventfd(0, posix.EFD_CLOEXEC | posix.EFD_NONBLOCK)

    def __enter__(self) -> Proxy:
        # A handler may raise: not between the change and the promise to undo it.
        before = hold_stops()
        try:
            self._begin()
            set_mask(before)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _begin(self) -> None:
        _no_double_returns(self.master)
        posix.set_blocking(self.master, False)
        if self.host < 0:
            return
        if not any(struct.unpack("4H", fcntl.ioctl(self.master, termios.TIOCGWINSZ, bytes(8)))[:2]):
            self._pass_on_size()
        self._handle(_signal.SIGTTIN, _signal.SIG_IGN)
        self._handle(_signal.SIGTTOU, _signal.SIG_IGN)
        self._handle(_signal.SIGWINCH, self._resized)
        self._claim()

    def __exit__(self, *exc: object) -> None:
        hold_stops_while_failing()
        if self._saved is not None and _is_foreground(self.host):
            try:
                # Drained first: what the container has written last must not be read as raw.
                termios.tcsetattr(self.host, termios.TCSADRAIN, self._saved)
            except termios.error:
                pass  # it has gone, and what became of the container still counts
        for number, handler in self._before.items():
            _signal.signal(number, handler)
        if self._opened:
            posix.close(self.host)
        posix.close(self._continued)
        posix.close(self.master)

    def _handle(self, number: int, handler: Any) -> None:
        try:
            # None: set by somebody who is not Python; the default is the best guess.
            self._before[number] = _signal.signal(number, handler) or _signal.SIG_DFL
        except ValueError:
            pass  # only the main thread may

    def resume(self) -> None:
        """Go on after a stop: a shell has had the terminal, and may have it still."""
        self._claim()
        posix.eventfd_write(self._continued, 1)

    def _claim(self) -> None:
        """Make the caller's terminal raw, if what is typed comes to us; see also the size.

        Where stdin is no terminal the caller's stays as it is: its keys, which nobody reads, can
        still be signals.
        """
        if self.host != 0:
            return
        self._foreground = _is_foreground(0)
        if not self._foreground:
            return
        try:
            if self._saved is None:
                self._saved = termios.tcgetattr(0)
            termios.tcsetattr(0, termios.TCSANOW, _raw(self._saved))
        except termios.error:
            pass  # it has gone: reading will tell
        self.resize()

    def resize(self) -> None:
        """Give the container's terminal the size of the caller's, if that has changed."""
        size = self._host_size()
        if size != self._size:
            self._size = size
            self._pass_on_size()

    def _resized(self, number: int, frame: FrameType | None) -> None:
        self.resize()

    def _host_size(self) -> bytes:
        try:
            return fcntl.ioctl(self.host, termios.TIOCGWINSZ, bytes(8)) if self.host >= 0 else b""
        except OSError:
            return b""  # a terminal that has gone has no size

    def _pass_on_size(self) -> None:
        if not self._size or not any(struct.unpack("4H", self._size)[:2]):
            return
        try:
            fcntl.ioctl(self.master, termios.TIOCSWINSZ, self._size)
        except OSError:
            pass  # best effort: the container's may go at any time

    def copy_until(self, wake: int) -> None:
        """Copy both ways until `wake` is readable."""
        while True:
            poll = select.poll()
            poll.register(wake, select.POLLIN)
            poll.register(self._continued, select.POLLIN)
            if self._wants_input():
                poll.register(0, select.POLLIN)
            poll.register(self.master, select.POLLIN | (select.POLLOUT if self.to_master else 0))
            ready = dict(poll.poll(None if self._foreground else _LOOK))
            if self._continued in ready:
                posix.eventfd_read(self._continued)
            if not self._foreground:
                self._claim()
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
        """Copy what the container has still written; its last words come before the EIO.

        And no more: what it has left running may hold the terminal, and write for ever.
        """
        end = self.copied + _HELD
        while self.copied < end and self._read_master():
            pass

    def _wants_input(self) -> bool:
        return self._foreground and self.stdin_open and len(self.to_master) < _PENDING

    def _read_stdin(self) -> None:
        if not self._foreground:
            return  # we have been stopped since it was awaited
        try:
            part = posix.read(0, _CHUNK)
        except BlockingIOError:
            return  # somebody else has it
        except OSError:
            self._claim()
            if not self._foreground:
                return
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
        self.copied += len(part)
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


def require_terminal() -> None:
    """Refuse to show a terminal where there is none: nobody could ever end what runs in it."""
    host, opened = _host_terminal()
    if host < 0:
        raise InitFailed("terminal", errno.ENXIO, "open /dev/tty: no such device or address")
    if opened:
        posix.close(host)


def _is_foreground(terminal: int) -> bool:
    """Whether what is typed there is for us, as far as job control knows."""
    try:
        return posix.tcgetpgrp(terminal) == posix.getpgrp()
    except OSError:
        return True  # it controls another session, or none, or has gone


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
