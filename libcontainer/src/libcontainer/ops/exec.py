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
from ..spec.load import load_process, load_spec
from ..spec.validate import validate_process
from ..state import SavedState, open_directory
from ..status import CREATING, PAUSED, STOPPED, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
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
        cgroup: tuple[str, ...] = (),
        ignore_paused: bool = False,
        forward_signals: bool = False,
        hold_signals: bool = False,
    ) -> None:
        """`process` is the text of a process object, which then is all that counts of it.

        `forward_signals` makes the program stand for the process while it waits: its signals go
        there, and its terminal shows the process's.  `hold_signals` leaves signals blocked once
        the process runs, or has ended: for a program that then leaves, and must not say that it
        failed.
        """
        self.root = root
        self.process = process
        self.console_socket = console_socket
        self.pidfd_socket = pidfd_socket
        self.detach = detach
        self.pid_file = pid_file
        self.preserve_fds = preserve_fds
        self.cgroup = cgroup
        self.ignore_paused = ignore_paused
        self.forward_signals = forward_signals
        self.hold_signals = hold_signals


def exec(id: str, changes: Changes, options: ExecOptions) -> int:
    """Run a program in a container; return its exit status, 128 + n for a signal.

    Detached, return 0 when it runs.  Nothing of the container is changed by a failure.  Raises
    NoSuchContainer, WrongStatus, SpecError, InitFailed.
    """
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
        return _run(plan, saved, inside, options)


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
    check_preserved(options.preserve_fds)


def _run(plan: TenantPlan, saved: SavedState, inside: Inside, options: ExecOptions) -> int:
    # All that has a path on the host is opened before the first process.
    pidfd_socket = None if options.pidfd_socket is None else PidfdSocket(options.pidfd_socket)
    kernel = LinuxKernel()
    program = Program(plan, inside, kernel)
    stdio, master = _stdio(plan, inside, kernel, options)
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    forward, held = options.forward_signals, False
    try:
        if not forward or options.detach:
            hold = forward or options.hold_signals
            pid = _enter(plan, program, saved, inside, kernel, options, stdio, hold=hold)
            _tell(pid, pidfd_socket, options)
            held = options.hold_signals
            if options.detach:
                return 0
            code = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
            return code if code >= 0 else 128 - code
        from ..foreground import Foreground, shown  # not for engines

        # Shown before it runs: its first words are to come out like the others.
        with shown(master) as terminal:
            pid = _enter(plan, program, saved, inside, kernel, options, stdio, hold=True)
            _tell(pid, pidfd_socket, options)
            with Foreground(pid, terminal) as foreground:
                _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
                status = foreground.wait()
                _hold_signals()
                held = options.hold_signals
                return status
    finally:
        if not held:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def _enter(
    plan: TenantPlan,
    program: Program,
    saved: SavedState,
    inside: Inside,
    kernel: LinuxKernel,
    options: ExecOptions,
    stdio: tuple[int, int, int],
    *,
    hold: bool,
) -> int:
    pid = enter(
        plan,
        program,
        saved,
        inside,
        kernel,
        root=options.root,
        cgroup=options.cgroup,
        stdio=stdio,
        before_run=_hold_signals if hold else None,
    )
    if plan.terminal is not None:
        posix.close(stdio[0])
    return pid


def _tell(pid: int, pidfd_socket: PidfdSocket | None, options: ExecOptions) -> None:
    """Say who the tenant is to whoever asked; it ends if that fails."""
    try:
        if pidfd_socket is not None:
            pidfd_socket.send(pid, "setns")
        if options.pid_file is not None:
            write_pid_file(options.pid_file, pid)
    except BaseException:
        posix.kill(pid, 9)
        posix.waitpid(pid, 0)
        raise


def _stdio(
    plan: TenantPlan, inside: Inside, kernel: LinuxKernel, options: ExecOptions
) -> tuple[tuple[int, int, int], int | None]:
    """Return the tenant's stdio; and the other end of its terminal, if that is for us to show."""
    if plan.terminal is None:
        return (0, 1, 2), None
    socket = None if options.console_socket is None else ConsoleSocket(options.console_socket)
    master, slave = open_pty(plan.terminal, kernel, inside.root, "/dev/pts/ptmx")
    _give(slave, plan.payload.uid, inside.pid)
    if socket is None:
        return (slave, slave, slave), master
    socket.send(master, pty_name(master))
    socket.close()
    posix.close(master)
    return (slave, slave, slave), None


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
