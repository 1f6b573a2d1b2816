"""Being in the foreground for a process: its signals, its terminal, its end.

For `run` and `exec` without `--detach`.  The process is our child; orphans of the container come
to us as well where we are the subreaper.  A program that uses the library may have children that
are no business of ours, so all children are reaped only for one that says that it has none.
"""

from __future__ import annotations

import _signal
import posix

from .signals import hold_stops_while_failing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
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

    def __init__(
        self, pid: int, terminal: Proxy | None = None, *, reap_orphans: bool = False
    ) -> None:
        """`terminal` is shown already, if the process has one that nobody else shows.

        With `reap_orphans` every child of ours is reaped when it ends, while we wait.
        """
        self.pid = pid
        self.pidfd = posix.pidfd_open(pid)
        self._proxy = terminal
        self._reap_orphans = reap_orphans

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
        if self._reap_orphans:
            # Only now: until here others have waited for children of their own, such as hooks.
            self._handle(_signal.SIGCHLD, self._reap_others)
            self._reap_others()
        if self._proxy is not None:
            # The pidfd tells the end without reaping it: what was written last is still to come.
            self._proxy.copy_until(self.pidfd)
            self._proxy.drain()
        code = posix.waitstatus_to_exitcode(posix.waitpid(self.pid, 0)[1])
        return code if code >= 0 else 128 - code

    def _reap_others(self, number: int = 0, frame: FrameType | None = None) -> None:
        """Reap what has ended, until that is the process itself."""
        look = posix.WEXITED | posix.WNOHANG | posix.WNOWAIT
        try:
            while (found := posix.waitid(posix.P_ALL, 0, look)) and found.si_pid != self.pid:
                posix.waitpid(found.si_pid, 0)
        except ChildProcessError:
            pass  # a second signal's handler was faster

    def _forward_signals(self) -> None:
        kept = {getattr(_signal, name) for name in _KEPT}
        self._before: dict[int, Any] = {}
        for number in sorted(_signal.valid_signals() - kept):
            self._handle(number, self._forward)

    def _handle(self, number: int, handler: Callable[[int, FrameType | None], None]) -> None:
        try:
            # None: set by somebody who is not Python; the default is the best guess.
            self._before[number] = _signal.signal(number, handler) or _signal.SIG_DFL
        except (OSError, ValueError):
            pass  # the C library's own, or we are not in the main thread

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if number == _signal.SIGCONT and self._proxy is not None:
            self._proxy.resume()
        try:
            _signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass  # it has ended
