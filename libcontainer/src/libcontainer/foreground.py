"""Being in the foreground for a process: its signals, its terminal, its end.

For `run` and `exec` without `--detach`.  The process is our child; orphans of the container come
to us as well where we are the subreaper.
"""

from __future__ import annotations

import _signal
import posix

from .signals import hold_stops_while_failing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

    from .terminal import Proxy

# Not passed on: the child's own end, and what concerns our own terminal and stopping.
_KEPT = ("SIGCHLD", "SIGURG", "SIGWINCH", "SIGTTIN", "SIGTTOU", "SIGKILL", "SIGSTOP", "SIGPIPE")


def shown(master: int | None) -> Proxy | NoTerminal:
    """Return a context manager that shows a process's terminal, before the process writes to it."""
    if master is None:
        return NoTerminal()
    from .terminal import Proxy

    return Proxy(master)


class NoTerminal:
    """A context manager for a process without a terminal."""

    def __enter__(self) -> None: ...

    def __exit__(self, *exc: object) -> None: ...


class Foreground:
    """We, standing for the process `pid`.  A context manager.

    At its end what asks us to stop is blocked, and the caller lifts that: who has been the
    process until now cannot be half of it.
    """

    def __init__(self, pid: int, terminal: Proxy | None = None) -> None:
        """`terminal` is shown already, if the process has one that nobody else shows."""
        self.pid = pid
        self.pidfd = posix.pidfd_open(pid)
        self._proxy = terminal

    def __enter__(self) -> Foreground:
        self._forward_signals()
        return self

    def __exit__(self, *exc: object) -> None:
        hold_stops_while_failing()
        for number, handler in self._before.items():
            _signal.signal(number, handler)
        posix.close(self.pidfd)

    def wait(self) -> int:
        """Return the exit status, 128 + n for signal n."""
        if self._proxy is not None:
            # The pidfd tells the end without reaping it: what was written last is still to come.
            self._proxy.copy_until(self.pidfd)
            self._proxy.drain()
        while True:
            found, status = posix.waitpid(-1, 0)
            if found == self.pid:
                code = posix.waitstatus_to_exitcode(status)
                return code if code >= 0 else 128 - code

    def _forward_signals(self) -> None:
        kept = {getattr(_signal, name) for name in _KEPT}
        self._before: dict[int, Any] = {}
        for number in sorted(_signal.valid_signals() - kept):
            try:
                # None: set by somebody who is not Python; the default is the best guess.
                self._before[number] = _signal.signal(number, self._forward) or _signal.SIG_DFL
            except (OSError, ValueError):
                pass  # the C library's own

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if number == _signal.SIGCONT and self._proxy is not None:
            self._proxy.resume()
        try:
            _signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass  # it has ended
