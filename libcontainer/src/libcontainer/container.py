"""A container as an object, for programs.

    with Container.create("one", bundle="/path/to/bundle") as container:
        container.start()
        status = container.wait()

Everything is a call of one operation (`ops`); nothing is kept here but the id and what init is.
"""

from __future__ import annotations

import os
import threading

from .errors import WrongStatus
from .identity import open_pidfd
from .signals import parse_signal
from .state import SavedState, open_directory
from .status import RUNNING, STOPPED, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

    from libcgroups.stats import Stats

    from .executor import Executor
    from .plan.tenant import Changes

DEFAULT_ROOT = "/run/libcontainer"


class Container:
    """One container below a state root.

    As a context manager it is deleted at the end, and killed before if it still runs.
    """

    def __init__(
        self, id: str, *, root: str = DEFAULT_ROOT, pid: int = 0, started: int | None = None
    ) -> None:
        """`pid` is of init, 0 if it has ended; `started` its start time, if it is not our child.

        Another process that has that pid by now is not taken for it.
        """
        self.id = id
        self.root = root
        fd = None
        if pid:
            fd = os.pidfd_open(pid) if started is None else open_pidfd(pid, started)
        self.pid = pid if fd is not None else 0
        self._pidfd = -1 if fd is None else fd
        self._status: int | None = None
        self._reaping = threading.Lock()  # init can be reaped once, whoever waits

    @classmethod
    def create(
        cls,
        id: str,
        *,
        bundle: str,
        root: str = DEFAULT_ROOT,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
        python: str | None = None,
        executors: Sequence[Executor] = (),
        **options: Any,
    ) -> Self:
        """Create a container that waits to be started; its init is our child.

        `stdin`, `stdout`, `stderr` and `pass_fds` are descriptors, that it gets as 0, 1, 2 and 3
        onwards.  The other options are those of CreateOptions.  In a program with threads, or
        with descriptors of its own, a fresh interpreter does the work: `python`; with `executors`,
        which are pickled for it, it is a sealed copy.  Raises ContainerError.
        """
        given = {"root": root, "bundle": os.path.abspath(bundle)} | options
        streams = [fd if fd is not None else i for i, fd in enumerate((stdin, stdout, stderr))]
        fresh = streams != [0, 1, 2] or bool(pass_fds) or bool(executors)
        if fresh or len(os.listdir("/proc/self/task")) > 1:
            from .sibling import create_beside

            if pass_fds:
                given["preserve_fds"] = len(pass_fds)
            more = {"python": python} if python else {}
            stdio = (*streams, *pass_fds)
            pid = create_beside(id, given, stdio=stdio, executors=executors, **more)
        else:
            from .ops.create import CreateOptions, create

            pid = create(id, CreateOptions(**given))
        return cls(id, root=root, pid=pid)

    @classmethod
    def load(cls, id: str, *, root: str = DEFAULT_ROOT) -> Self:
        """Return a container that exists.  Raises NoSuchContainer."""
        with open_directory(root, id) as directory:
            saved = directory.load()
            alive = status_of(saved, directory) != STOPPED
        pid = saved.pid if alive else 0
        return cls(id, root=root, pid=pid, started=saved.start_time)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.delete(force=True)
        if self._status is None and self._pidfd >= 0:
            self._reap()
        self.close()

    def __repr__(self) -> str:
        return f"<Container {self.id} below {self.root}>"

    def close(self) -> None:
        """Forget the handle of init; the container goes on."""
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    @property
    def status(self) -> str:
        """creating, created, running, paused or stopped."""
        with open_directory(self.root, self.id) as directory:
            return status_of(directory.load(), directory)

    def state(self) -> dict[str, Any]:
        """Return the state document."""
        from .ops.state import state_document

        return state_document(self.id, root=self.root)

    def start(self) -> None:
        """Let it run."""
        from .ops.start import start

        start(self.id, root=self.root)

    def kill(self, signal: int | str = "TERM", *, all: bool = False) -> None:
        """Signal init, or with `all` every process."""
        from .ops.kill import kill

        number = signal if isinstance(signal, int) else parse_signal(signal)
        kill(self.id, number, root=self.root, all=all)

    def pause(self) -> None:
        """Freeze every process."""
        from .ops.pause import pause

        pause(self.id, root=self.root)

    def resume(self) -> None:
        """Let them go on."""
        from .ops.resume import resume

        resume(self.id, root=self.root)

    def pids(self) -> tuple[int, ...]:
        """Return the processes of the container, in our pid namespace."""
        from .ops.ps import ps

        return ps(self.id, root=self.root)

    def stats(self) -> Stats:
        """Measure the container's cgroup."""
        from libcgroups.manager import load_manager

        return load_manager(self._saved().cgroup).stats()

    def exec(self, *args: str, changes: Changes | None = None, **options: Any) -> int:
        """Run one more program in it; return its exit status, 128 + n for a signal.

        `changes` says what differs from the container's own process, `options` are those of
        ExecOptions.
        """
        from .ops.exec import ExecOptions
        from .ops.exec import exec as run
        from .plan.tenant import Changes

        asked = (changes or Changes()).replace(args=args)
        return run(self.id, asked, ExecOptions(root=self.root, **options))

    def wait(self) -> int | None:
        """Wait for init's end; return its exit status, 128 + n for signal n.

        None if it is not our child, so that only its end can be seen, not how it ended.
        """
        if self._status is None:
            if self._pidfd < 0:
                raise WrongStatus(self.id, STOPPED, "container not running")
            self._reap()
        return self._status

    async def wait_async(self) -> int | None:
        """The same, without holding up the event loop: it watches init's pidfd."""
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

    def delete(self, *, force: bool = False) -> None:
        """Remove it."""
        from .ops.delete import delete

        delete(self.id, root=self.root, force=force)

    @property
    def running(self) -> bool:
        """Whether the payload runs."""
        return self.status == RUNNING

    def _saved(self) -> SavedState:
        with open_directory(self.root, self.id) as directory:
            return directory.load()

    def _reap(self) -> None:
        with self._reaping:
            if self._status is not None:
                return
            try:
                found = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
            except ChildProcessError:
                import select

                poll = select.poll()  # somebody else's child; its end can still be seen
                poll.register(self._pidfd, select.POLLIN)
                poll.poll()
                return
            if found is not None:
                exited = found.si_code == os.CLD_EXITED
                self._status = found.si_status if exited else 128 + found.si_status
