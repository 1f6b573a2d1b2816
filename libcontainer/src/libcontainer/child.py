"""A process to wait for, by its pidfd: its number cannot come to mean another one."""

from __future__ import annotations

import os
import select
import signal
import threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self


class Child:
    """A container's init, or what was spawned in a container.

    As a context manager it is killed at the end, if it still runs, and seen off.
    """

    def __init__(self, pid: int, pidfd: int) -> None:
        """`pidfd` is ours to close."""
        self.pid = pid
        self._pidfd = pidfd
        self._status: int | None = None
        self._reaping = threading.Lock()  # it can be reaped once, whoever waits

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()
        self.wait()
        self.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<process {self.pid}>"

    def fileno(self) -> int:
        """Return the pidfd, which is readable once the process has ended; -1 after `close`."""
        return self._pidfd

    def close(self) -> None:
        """Forget it; the process goes on."""
        fd, self._pidfd = self._pidfd, -1
        if fd >= 0:
            os.close(fd)

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Signal it, unless it has ended."""
        if self._status is None and self._pidfd >= 0:
            try:
                signal.pidfd_send_signal(self._pidfd, number)
            except ProcessLookupError:
                pass

    def wait(self) -> int | None:
        """Wait for its end; return its exit status, 128 + n for signal n.

        None if it is not our child, so that only its end can be seen, not how it ended.  Raises
        ValueError after `close`.
        """
        with self._reaping:
            if self._status is None:
                self._status = self._reap()
            return self._status

    async def wait_async(self) -> int | None:
        """The same, without holding up the event loop: it watches the pidfd."""
        import asyncio

        if self._status is None and self._pidfd >= 0:
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            # Its own descriptor: several may wait.
            pidfd = os.dup(self._pidfd)

            def end() -> None:
                if not ended.done():
                    ended.set_result(None)

            loop.add_reader(pidfd, end)
            try:
                await ended
            finally:
                loop.remove_reader(pidfd)
                os.close(pidfd)
        return self.wait()

    def _reap(self) -> int | None:
        if self._pidfd < 0:
            raise ValueError(f"the handle of process {self.pid} is closed")
        try:
            found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:
            poll = select.poll()  # somebody else's child; its end can still be seen
            poll.register(self._pidfd, select.POLLIN)
            poll.poll()
            return None
        if found is None:
            return None
        return found.si_status if found.si_code == os.CLD_EXITED else 128 + found.si_status
