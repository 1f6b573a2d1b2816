"""main, when it adds a process to a container.

    main                                        stub
      opens init by pidfd, its root by handle
      cwd and command looked up; list written
      posix_spawn ────────────────────────────> in the runtime's namespaces
      reaps what has only forked <─────────── P   once into the cgroup (v2), once into the pid
                                                  namespace; each child is main's
      rlimits and all that takes host rights <─ R
                                              g ─> reductions
                                            <── S  then execve; the end of the pipe is success

No Python is forked, so this works beside threads, and nothing of Python is ever charged to, or
seen in, the container.
"""

from __future__ import annotations

import _signal
import errno
import fcntl
import posix
import select
import stat
import struct

from .. import identity
from ..adjustments import adjust
from ..errors import ContainerError, InitFailed, StepFailed, WrongStatus
from ..kernel import constants as c
from ..plan.tenant import Way, handle_names, tenant_mile
from ..signals import hold_stops, set_mask
from . import channel as ch
from . import command, lastmile
from .refusal import call_failed
from .stub.memfd import executable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from libcgroups.protocol import CgroupManager

    from ..kernel import Kernel
    from ..kernel.linux import LinuxKernel
    from ..plan.lastmile import Entry
    from ..plan.tenant import TenantPlan
    from .placement import Placement

MOVE = b"C"  # from the stub: put me into the cgroup
_STDIO = (0, 1, 2)
_PATIENCE = 10_000  # milliseconds for a process that cannot go on to end


class Inside:
    """A running container's init as main holds it.  A context manager."""

    def __init__(self, id: str, pid: int, started: int) -> None:
        """Open init and its root.  Raises WrongStatus when it has ended."""
        self.pid = pid
        self._procfs = -1
        pidfd = identity.open_pidfd(pid, started)
        if pidfd is None:
            raise WrongStatus(id, "stopped", "cannot exec in a stopped container")
        self.pidfd = pidfd
        flags = c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
        try:
            self.root = posix.open(f"/proc/{pid}/root", flags)
        except FileNotFoundError:
            posix.close(pidfd)
            raise WrongStatus(id, "stopped", "cannot exec in a stopped container") from None
        except BaseException:
            posix.close(pidfd)
            raise
        # After the open: what was opened by its pid was init's.
        if not identity.is_alive(pid, started):
            self.close()
            raise WrongStatus(id, "stopped", "cannot exec in a stopped container")

    def __enter__(self) -> Inside:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of all that is open."""
        for fd in (self.pidfd, self.root, self._procfs):
            if fd >= 0:
                posix.close(fd)

    def open_procfs(self, kernel: Kernel) -> int:
        """Return a handle of the container's procfs, which stays ours.  Raises InitFailed."""
        from .attributes import open_procfs  # only for labels

        self._procfs = open_procfs(kernel, self.root)
        return self._procfs


class Program:
    """What the tenant executes, found in the container; `path` goes to execve."""

    def __init__(
        self,
        plan: TenantPlan,
        inside: Inside,
        kernel: Kernel,
        *,
        path: str | None = None,
        env: tuple[str, ...] | None = None,
    ) -> None:
        """Look for it as root of the container would; the stub judges as who it becomes.

        `path` is given where it is not looked for by the first argument, `env` where it is to be
        exactly that.  Raises InitFailed.
        """
        asked = plan.command
        self.args = asked.args
        self.env = command.environment(asked, kernel, inside.root) if env is None else env
        command.check_size(self.args, self.env)
        cwd = command.open_cwd(asked.cwd, kernel, inside.root)
        self.cwd_late = asked.cwd if cwd is None else None
        if cwd is not None:
            posix.close(cwd)
        sought = asked if path is None else asked.replace(args=(path,))
        self.path = command.find(sought, self.env, kernel, inside.root)


class Tenant:
    """The conversation with one tenant, from the spawn of the stub until it runs."""

    def __init__(
        self,
        plan: TenantPlan,
        inside: Inside,
        program: Program,
        kernel: LinuxKernel,
        cgroup: CgroupManager,
        *,
        stdio: tuple[int, ...] = _STDIO,
    ) -> None:
        """`stdio` are descriptors that it gets as 0, 1, 2, 3 ..."""
        self.plan, self.inside, self.program = plan, inside, program
        self.kernel, self.cgroup = kernel, cgroup
        self.stdio = stdio
        self.way = Way()  # into the cgroup
        self.filter, self.filter_flags = b"", 0  # classic BPF, and how it is loaded
        # Called when nothing but the tenant's own exec is left to wait for; and when it is about
        # to load a filter that notifies, with its pid, the listener's number, and our end.
        self.before_run: Callable[[], object] | None = None
        self.on_filter: Callable[[int, int, int], object] | None = None
        # The stub and those that it has forked, until they are reaped, by the index of the call
        # that made them: reports of two forks may come in either order.
        self._pids: dict[int, int] = {}
        self._forks: list[int] = []  # those indexes

    def start(self, placements: Iterator[Placement]) -> int:
        """Return the pid of the tenant, a child of ours that has become its program.

        Raises ContainerError or OSError; then nothing is left of it.
        """
        for placement in placements:
            try:
                return self._start(placement)
            except StepFailed as e:
                # A cgroup of v2 that hands controllers on holds no processes any more: whoever
                # did that has moved init, so that is where the next way leads.
                if e.errno != errno.EBUSY or placement.directory is None:
                    raise
                refusal = e
            finally:
                placement.close()
        raise refusal

    def _start(self, placement: Placement) -> int:
        mile = self._list(placement)
        talk = ch.Channel()
        try:
            before = hold_stops()  # until it is known whom to end, and ours of the pipes is closed
            try:
                self._spawn(mile, placement, talk)
            finally:
                talk.in_main()
                set_mask(before)
            self._converse(mile, talk)
        except BaseException:
            self._end(talk)
            raise
        talk.close()
        return self._pid

    def _list(self, placement: Placement) -> list[Entry]:
        self.way = Way(
            born=placement.directory is not None,
            tasks=len(placement.tasks),
            moved=placement.moved,
        )
        return tenant_mile(
            self.plan,
            self.way,
            cwd_late=self.program.cwd_late,
            filter_flags=self.filter_flags,
            notifies=self.on_filter is not None,
            channels=(0,) if self.plan.terminal else _channels(self.stdio[:3]),
        )

    def _spawn(self, mile: list[Entry], placement: Placement, talk: ch.Channel) -> None:
        first = 3 + self.plan.preserve_fds
        names = handle_names(self.plan, self.way)
        numbers = {name: first + i for i, name in enumerate(names)}
        calls = lastmile.system_calls(
            mile,
            handles=numbers,
            path=self.program.path,
            args=self.program.args,
            env=self.program.env,
            filter=self.filter,
            numbers=self.kernel.number,
        )
        image = lastmile.program(calls, report=numbers["sync"])
        own: dict[str, int] = {
            "sync": talk.writer,
            "go": talk.go_reader,
            "init": self.inside.pidfd,
            "root": self.inside.root,
        }
        if placement.directory is not None:
            own["cgroup"] = placement.directory
        own |= {f"tasks{i}": fd for i, fd in enumerate(placement.tasks)}
        if "attr" in numbers:
            own["attr"] = self.inside.open_procfs(self.kernel)
        moves = [(own[name], number) for name, number in numbers.items()]
        self._pids[-1] = spawn(image, [*[(fd, n) for n, fd in enumerate(self.stdio)], *moves])

    def _converse(self, mile: list[Entry], talk: ch.Channel) -> None:
        self._forks = [i for i, entry in enumerate(mile) if entry.fork]
        # Each word in its time, and once: whoever may trace the process inside can speak for it.
        awaited = {ch.READY, *([MOVE] if self.way.moved else [])}
        let_go = finished = False
        while True:
            kind, content = talk.hear()
            if kind == ch.PID:
                self._add(content)
            elif kind == ch.FAILED:
                raise self._failed(mile, content)
            elif kind in awaited:
                awaited.discard(kind)
                finished = kind == ch.SET
                if kind == MOVE:
                    self.cgroup.add(self._pid)
                    talk.tell_init(ch.GO)
                elif finished and self.on_filter is not None:
                    talk.tell_init(ch.GO)  # the listener has been taken
            elif kind:
                raise InitFailed("", None, ch.OUT_OF_TURN)
            elif finished:
                return  # the pipe ended with the exec
            else:
                raise self._ended()
            # The report of a fork may be heard after what its child has to say.
            if not (let_go or awaited) and len(self._pids) == len(self._forks) + 1:
                self._let_go(talk)
                let_go, awaited = True, {ch.SET}

    def _let_go(self, talk: ch.Channel) -> None:
        """Do what the tenant waits for, now that it is known who that is."""
        self._reap(sorted(self._pids)[:-1])
        adjust(self.plan.adjustments, self._pid, self.kernel)
        if self.before_run is not None:
            self.before_run()
        talk.tell_init(ch.LIMITED)
        if self.on_filter is not None:
            # Above what stays open while the filter is loaded: see `reduce`.
            self.on_filter(self._pid, 3 + self.plan.preserve_fds + 2, talk.reader)

    def _add(self, content: bytes) -> None:
        pid, index = struct.unpack("<II", content)
        # Not somebody else's, whom we would signal and move.
        ours = identity.parent(pid) == posix.getpid()
        if index not in self._forks or index in self._pids or not ours:
            raise InitFailed("", None, ch.OUT_OF_TURN)
        self._pids[index] = pid

    def _failed(self, mile: list[Entry], content: bytes) -> ContainerError:
        step, code = struct.unpack("<II", content)
        if step >= len(mile):
            return InitFailed("", None, ch.OUT_OF_TURN)
        return call_failed(mile[step], code, self.plan.command, self.program.path)

    @property
    def _pid(self) -> int:
        """The youngest: the tenant, once all forks were heard."""
        return self._pids[max(self._pids)]

    def _reap(self, indexes: Iterable[int]) -> int:
        """Reap those; return the wait status of the last."""
        status = 0
        for index in indexes:
            _, status = posix.waitpid(self._pids.pop(index), 0)
        return status

    def _ended(self) -> ContainerError:
        how = posix.waitstatus_to_exitcode(self._reap(sorted(self._pids)))
        text = "the process ended before it was the program"
        return InitFailed("", None, text + (" (possibly OOM-killed)" if how == -9 else ""))

    def _end(self, talk: ch.Channel) -> None:
        """Kill and reap: nothing may keep the caller's stdio open."""
        posix.close(talk.go_writer)  # who waits for it ends
        poll = select.poll()
        poll.register(talk.reader, select.POLLIN)
        while True:
            for pid in self._pids.values():
                posix.kill(pid, 9)
            self._reap(list(self._pids))
            # A child may have told its failure before its parent could tell of the child.  Not
            # for ever: somebody inside may have got hold of the pipe.
            if not poll.poll(_PATIENCE):
                break
            kind, content = talk.hear()
            try:
                if kind == ch.PID:
                    self._add(content)
            except InitFailed:
                pass  # out of turn: nobody of ours
            if not kind:
                break
        posix.close(talk.reader)


def spawn(image: bytes, moves: list[tuple[int, int]]) -> int:
    """Start the stub with descriptors at the numbers that its list names; return its pid.

    All signals are at their defaults and none is blocked: what is ignored survives an exec.
    """
    top = max([number for _, number in moves]) + 1
    copies: list[int] = []

    def above(fd: int) -> int:
        """Copy a descriptor to where no target overwrites it."""
        copies.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, top))
        return copies[-1]

    fd = executable(image, name="pyoci")
    copies.append(fd)
    try:
        actions = [
            (posix.POSIX_SPAWN_DUP2, above(source), number)
            for source, number in moves
            if source != number or source > 2
        ]
        return posix.posix_spawn(
            f"/proc/self/fd/{above(fd)}",
            ["pyoci:exec"],
            {},
            file_actions=actions,
            setsigdef=_signal.valid_signals(),
            setsigmask=(),
        )
    finally:
        for copy in copies:
            posix.close(copy)


def _channels(stdio: tuple[int, ...]) -> tuple[int, ...]:
    """Return those of 0, 1 and 2 that the payload is to own: pipes and sockets."""
    found = []
    for number, fd in enumerate(stdio):
        mode = posix.fstat(fd).st_mode
        if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
            found.append(number)
    return tuple(found)
