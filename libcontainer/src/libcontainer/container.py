"""A container as an object, for programs.

    with Container.create("one", bundle="/path/to/bundle") as container:
        container.start()
        status = container.wait()

Everything is a call of one operation (`ops`); nothing is kept here but the id and what init is.
"""

from __future__ import annotations

import os

from .child import Child
from .errors import WrongStatus
from .identity import open_pidfd
from .signals import parse_signal
from .state import SavedState, open_directory
from .status import RUNNING, STOPPED, status_of
from .streams import Streams

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
            fd = os.pidfd_open(pid) if started is None else open_pidfd(pid, started, ended=True)
        self.pid = pid if fd is not None else 0
        self._init = Child(pid, fd) if fd is not None else None

    @classmethod
    def create(
        cls,
        id: str,
        *,
        bundle: str | os.PathLike[str],
        root: str | os.PathLike[str] = DEFAULT_ROOT,
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
        from .ops.create import CreateOptions, create

        root = os.fspath(root)
        given = {"root": root, "bundle": os.path.abspath(bundle)} | options
        asked = CreateOptions(**given)  # a name that is none is told here, whoever creates
        with Streams(stdin, stdout, stderr, pass_fds) as streams:
            fresh = streams.moved or bool(executors)
            if fresh or len(os.listdir("/proc/self/task")) > 1:
                from .sibling import create_beside

                if pass_fds:
                    given["preserve_fds"] = len(pass_fds)
                more = {"python": python} if python else {}
                pid = create_beside(id, given, stdio=streams.fds, executors=executors, **more)
            else:
                pid = create(id, asked)
        return cls(id, root=root, pid=pid)

    @classmethod
    def load(cls, id: str, *, root: str | os.PathLike[str] = DEFAULT_ROOT) -> Self:
        """Return a container that exists.  Raises NoSuchContainer."""
        root = os.fspath(root)
        with open_directory(root, id) as directory:
            saved = directory.load()
        return cls(id, root=root, pid=saved.pid, started=saved.start_time)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.delete(force=True)
        if self._init is not None and self._init.fileno() >= 0:
            self._init.wait()
        self.close()

    def __repr__(self) -> str:
        return f"<Container {self.id} below {self.root}>"

    def close(self) -> None:
        """Forget the handle of init; the container goes on."""
        if self._init is not None:
            self._init.close()

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

    def exec(self, *args: str, **more: Any) -> int:
        """Run one more program in it; return its exit status, 128 + n for a signal.

        What is said to it is that of `spawn`.  It ends if we are interrupted.
        """
        if more.get("detach"):
            raise TypeError("exec waits for the program; spawn does not")
        with self.spawn(*args, **more) as process:
            status = process.wait()
        return 0 if status is None else status

    def spawn(
        self,
        *args: str,
        changes: Changes | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        stderr: int | None = None,
        pass_fds: Sequence[int] = (),
        **options: Any,
    ) -> Child:
        """Start one more program in it; return the process, a child of ours.

        `changes` says what differs from the container's own process.  The descriptors are handed
        in as by `create`.  The other options are those of ExecOptions.  Raises ContainerError.
        """
        from .ops.exec import ExecOptions, spawn
        from .plan.tenant import Changes

        if any([not isinstance(text, str) for text in args]):
            raise TypeError("a program and its arguments are texts, each an argument of its own")
        asked = (changes or Changes()).replace(args=args)
        with Streams(stdin, stdout, stderr, pass_fds) as streams:
            told = ExecOptions(root=self.root, stdio=streams.fds, **options)
            pid = spawn(self.id, asked, told)
        return Child(pid, os.pidfd_open(pid))

    def wait(self) -> int | None:
        """Wait for init's end; return its exit status, 128 + n for signal n.

        None if it is not our child, so that only its end can be seen, not how it ended.
        """
        return self._process().wait()

    async def wait_async(self) -> int | None:
        """The same, without holding up the event loop: it watches init's pidfd."""
        return await self._process().wait_async()

    def _process(self) -> Child:
        if self._init is None:
            raise WrongStatus(self.id, STOPPED, "container not running")
        return self._init

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
