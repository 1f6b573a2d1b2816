"""exec: run one more program in a container."""

from __future__ import annotations

import _signal
import posix

from ..console import ConsoleSocket, open_pty, pty_name
from ..errors import SpecError, WrongStatus
from ..handover import PidfdSocket, check_preserved, write_pid_file
from ..idmap import host_id
from ..kernel.linux import LinuxKernel
from ..plan.running import probe_container
from ..plan.tenant import changed, plan_tenant
from ..process.enter import annotated, enter
from ..process.tenant import Inside, Program
from ..signals import get_mask, set_mask
from ..spec.load import load_process, load_spec
from ..spec.validate import validate_process
from ..state import SavedState, open_directory
from ..status import CREATING, PAUSED, STOPPED, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..plan.tenant import Changes, TenantPlan
    from ..spec.document import Spec
    from ..spec.process import Process

_DETACHED = "cannot allocate tty if runc will detach without setting console socket"
_NO_TTY = "cannot use console socket if runc will not detach or allocate tty"


class ExecOptions:
    """What the caller decides; every name is that of the command line's option."""

    def __init__(
        self,
        *,
        root: str,
        process: str | None = None,
        console_socket: str | None = None,
        pidfd_socket: str | None = None,
        detach: bool = False,
        pid_file: str | None = None,
        preserve_fds: int = 0,
        stdio: tuple[int, ...] = (0, 1, 2),
        cgroup: tuple[str, ...] = (),
        ignore_paused: bool = False,
        forward_signals: bool = False,
        reap_orphans: bool = False,
        hold_signals: bool = False,
    ) -> None:
        """`process` is the text of a process object, which then is all that counts of it.

        `stdio` are descriptors that it gets as 0, 1, 2, 3 ...; `preserve_fds` counts those from 3
        on that it gets under their own number.
        `forward_signals` makes the program stand for the process while it waits: its signals go
        there, and its terminal shows the process's.  With `reap_orphans` every child of it is
        reaped meanwhile: for a program that has no other children.  `hold_signals` leaves signals
        blocked once the process runs, or has ended: for a program that then leaves, and must not
        say that it failed.
        """
        self.root = root
        self.process = process
        self.console_socket = console_socket
        self.pidfd_socket = pidfd_socket
        self.detach = detach
        self.pid_file = pid_file
        self.preserve_fds = len(stdio) - 3 or preserve_fds
        self.stdio = stdio
        self.cgroup = cgroup
        self.ignore_paused = ignore_paused
        self.forward_signals = forward_signals
        self.reap_orphans = reap_orphans
        self.hold_signals = hold_signals


def exec(id: str, changes: Changes, options: ExecOptions) -> int:
    """Run a program in a container; return its exit status, 128 + n for a signal.

    Detached, return 0 when it runs.  Nothing of the container is changed by a failure.  Raises
    NoSuchContainer, WrongStatus, SpecError, InitFailed.
    """
    return _execute(id, changes, options, _Execution.run)


def spawn(id: str, changes: Changes, options: ExecOptions) -> int:
    """The same, but return its pid: a child of ours that is to be waited for."""
    return _execute(id, changes, options, _Execution.spawn)


def _execute(
    id: str, changes: Changes, options: ExecOptions, how: Callable[[_Execution], int]
) -> int:
    with open_directory(options.root, id) as directory:
        saved = directory.load()
        _refuse(saved, status_of(saved, directory), options)
        spec, wishes = annotated(load_spec(directory.document()))
    process = _process(spec, changes, options)
    _check(process, spec, options)
    with Inside(id, saved.pid, saved.start_time) as inside:
        plan = plan_tenant(
            process,
            spec.linux,
            probe_container(saved.pid, process, spec.linux),
            id=id,
            keyring=saved.keyring,
            preserve_fds=options.preserve_fds,
            **wishes,
        )
        with _Execution(plan, saved, inside, options) as execution:
            return how(execution)


def _refuse(saved: SavedState, status: str, options: ExecOptions) -> None:
    if status == CREATING:
        text = "cannot exec in a container in the creating state"
    elif status == STOPPED:
        text = "cannot exec in a stopped container"
    elif status == PAUSED and not options.ignore_paused:
        text = "cannot exec in a paused container (use --ignore-paused to override)"
    elif saved.executor is not None:
        # It would meet an interpreter.
        text = f"cannot exec in a container that runs {saved.executor}"
    else:
        return
    raise WrongStatus(saved.id, status, text)


def _process(spec: Spec, changes: Changes, options: ExecOptions) -> Process:
    if options.process is not None:
        given, own = load_process(options.process), spec.process
        # Not without a label where the container has one: nobody asks for that by silence.
        return given.replace(
            apparmor_profile=given.apparmor_profile or (own.apparmor_profile if own else None),
            selinux_label=given.selinux_label or (own.selinux_label if own else None),
        )
    if not changes.args:
        raise SpecError(("exec args cannot be empty",))
    if spec.process is None:
        raise SpecError(("process property must not be empty",))
    return changed(spec.process, changes)


def _check(process: Process, spec: Spec, options: ExecOptions) -> None:
    """Refuse what cannot be, before anything is opened."""
    validate_process(process, spec.linux)
    shown = options.forward_signals and not options.detach
    if process.terminal and not shown and options.console_socket is None:
        raise SpecError((_DETACHED,))
    if not process.terminal and options.console_socket is not None:
        raise SpecError((_NO_TTY,))
    if process.terminal and shown and options.console_socket is None:
        from ..terminal import require_terminal  # not for engines

        require_terminal()
    if len(options.stdio) == 3:
        check_preserved(options.preserve_fds)


class _Execution:
    """One program on its way into the container: what is opened for it, and closed at its end."""

    def __init__(
        self, plan: TenantPlan, saved: SavedState, inside: Inside, options: ExecOptions
    ) -> None:
        # All that has a path on the host is opened before the first process.
        path = options.pidfd_socket
        self.plan, self.saved, self.inside, self.options = plan, saved, inside, options
        self.pidfd_socket = None if path is None else PidfdSocket(path)
        self.kernel = LinuxKernel()
        self.program = Program(plan, inside, self.kernel)
        self.master = self.slave = -1  # of its terminal, while they are ours to close

    def __enter__(self) -> _Execution:
        return self

    def __exit__(self, *exc: object) -> None:
        for fd in (self.master, self.slave):
            if fd >= 0:
                posix.close(fd)

    def run(self) -> int:
        """Return the exit status, 0 if it is not waited for."""
        options, before, held = self.options, get_mask(), False
        forward = options.forward_signals
        self._open_terminal()
        try:
            if not forward or options.detach:
                pid = self._enter(hold=forward or options.hold_signals)
                held = options.hold_signals
                if options.detach:
                    return 0
                code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
                return code if code >= 0 else 128 - code
            from ..foreground import Foreground, shown  # not for engines

            master, self.master = self.master, -1
            # Shown before it runs: its first words are to come out like the others.
            with shown(master if master >= 0 else None) as terminal:
                pid = self._enter(hold=True)
                with Foreground(pid, terminal, reap_orphans=options.reap_orphans) as foreground:
                    set_mask(before)
                    status = foreground.wait()
                    _hold_signals()
                    held = options.hold_signals
                    return status
        finally:
            if not held:
                set_mask(before)

    def spawn(self) -> int:
        """Return its pid."""
        self._open_terminal()
        return self._enter(hold=False)

    def _open_terminal(self) -> None:
        """Make its terminal, if it has one, whose other end is the engine's, or ours to show."""
        if self.plan.terminal is None:
            return
        path = self.options.console_socket
        socket = None if path is None else ConsoleSocket(path)
        start = self.inside.root
        self.master, self.slave = open_pty(self.plan.terminal, self.kernel, start, "/dev/pts/ptmx")
        _give(self.slave, self.plan.payload.uid, self.inside.pid)
        if socket is not None:
            socket.send(self.master, pty_name(self.master))
            socket.close()
            fd, self.master = self.master, -1
            posix.close(fd)

    def _enter(self, *, hold: bool) -> int:
        """Return the pid of the program that runs, once all who asked for it know it."""
        slave, stdio = self.slave, self.options.stdio
        if slave >= 0:
            stdio = (slave, slave, slave, *stdio[3:])
        pid = enter(
            self.plan,
            self.program,
            self.saved,
            self.inside,
            self.kernel,
            root=self.options.root,
            cgroup=self.options.cgroup,
            stdio=stdio,
            before_run=_hold_signals if hold else None,
        )
        if slave >= 0:
            self.slave = -1
            posix.close(slave)  # its end is to be seen
        self._tell(pid)
        return pid

    def _tell(self, pid: int) -> None:
        """Say who it is to whoever asked; it ends if that fails."""
        try:
            if self.pidfd_socket is not None:
                self.pidfd_socket.send(pid, "setns")
            if self.options.pid_file is not None:
                write_pid_file(self.options.pid_file, pid)
        except BaseException:
            posix.kill(pid, 9)
            posix.waitpid(pid, 0)
            raise


def _hold_signals() -> None:
    """Keep what comes until it can be passed on: it must not end us and leave the tenant."""
    _signal.pthread_sigmask(_signal.SIG_BLOCK, _signal.valid_signals())


def _give(terminal: int, uid: int, init: int) -> None:
    """Make the terminal the payload's: from outside, since it belongs to who opened it."""
    fd = posix.open(f"/proc/{init}/uid_map", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        owner = host_id(posix.read(fd, 8192).decode(), uid)
    finally:
        posix.close(fd)
    if owner is not None:
        try:
            posix.chown(terminal, owner, -1)  # the group stays tty
        except PermissionError:
            pass  # an ordinary user may not; root of the container does it
