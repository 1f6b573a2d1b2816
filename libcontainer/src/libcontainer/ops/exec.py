"""exec: run one more program in a container."""

from __future__ import annotations

import _signal
import posix

from libcgroups.manager import load_manager

from ..console import ConsoleSocket, open_pty, pty_name
from ..errors import SpecError, WrongStatus
from ..handover import PidfdSocket, check_preserved, write_pid_file
from ..idmap import host_id
from ..kernel.linux import LinuxKernel
from ..plan.running import probe_container
from ..plan.tenant import changed, plan_tenant
from ..process.placement import parse_subs, placements
from ..process.tenant import Inside, Program, Tenant
from ..spec.load import load_process, load_spec
from ..spec.unsupported import unsupported
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
    ) -> None:
        """`process` is the text of a process object, which then is all that counts of it."""
        self.root = root
        self.process = process
        self.console_socket = console_socket
        self.pidfd_socket = pidfd_socket
        self.detach = detach
        self.pid_file = pid_file
        self.preserve_fds = preserve_fds
        self.cgroup = cgroup
        self.ignore_paused = ignore_paused


def exec(id: str, changes: Changes, options: ExecOptions) -> int:
    """Run a program in a container; return its exit status, 128 + n for a signal.

    Detached, return 0 when it runs.  Nothing of the container is changed by a failure.  Raises
    NoSuchContainer, WrongStatus, SpecError, InitFailed.
    """
    with open_directory(options.root, id) as directory:
        saved = directory.load()
        _refuse(saved, status_of(saved, directory), options)
        spec = load_spec(directory.document())
    process = _process(spec, changes, options)
    _check(process, spec, options)
    with Inside(id, saved.pid, saved.start_time) as inside:
        plan = _plan(process, spec, saved, options)
        return _run(plan, saved, inside, options)


def _refuse(saved: SavedState, status: str, options: ExecOptions) -> None:
    if status == CREATING:
        text = "cannot exec in a container in the creating state"
    elif status == STOPPED:
        text = "cannot exec in a stopped container"
    elif status == PAUSED and not options.ignore_paused:
        text = "cannot exec in a paused container (use --ignore-paused to override)"
    else:
        return
    raise WrongStatus(saved.id, status, text)


def _process(spec: Spec, changes: Changes, options: ExecOptions) -> Process:
    if options.process is not None:
        return load_process(options.process)
    if not changes.args:
        raise SpecError(("exec args cannot be empty",))
    if spec.process is None:
        raise SpecError(("process property must not be empty",))
    return changed(spec.process, changes)


def _check(process: Process, spec: Spec, options: ExecOptions) -> None:
    """Refuse what cannot be, before anything is opened."""
    validate_process(process, spec.linux)
    if not_yet := unsupported(spec.replace(process=process)):
        raise SpecError(not_yet)
    if process.terminal and options.detach and options.console_socket is None:
        raise SpecError((_DETACHED,))
    if not process.terminal and options.console_socket is not None:
        raise SpecError((_NO_TTY,))
    check_preserved(options.preserve_fds)


def _plan(process: Process, spec: Spec, saved: SavedState, options: ExecOptions) -> TenantPlan:
    return plan_tenant(
        process,
        spec.linux,
        probe_container(saved.pid),
        keyring=f"_ses.{saved.id}" if saved.keyring else None,
        preserve_fds=options.preserve_fds,
    )


def _run(plan: TenantPlan, saved: SavedState, inside: Inside, options: ExecOptions) -> int:
    # All that has a path on the host is opened before the first process.
    pidfd_socket = None if options.pidfd_socket is None else PidfdSocket(options.pidfd_socket)
    console = None if options.console_socket is None else ConsoleSocket(options.console_socket)
    kernel = LinuxKernel()
    stdio, master = (0, 1, 2), None
    if plan.terminal is not None:
        master, slave = open_pty(plan.terminal, kernel, inside.root, "/dev/pts/ptmx")
        _give(slave, plan.payload.uid, inside.pid)
        stdio = (slave, slave, slave)
        if console is not None:
            console.send(master, pty_name(master))
            console.close()
            posix.close(master)
            master = None
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    try:
        pid = start_tenant(plan, saved, inside, options, kernel, stdio)
        if plan.terminal is not None:
            posix.close(stdio[0])
        if pidfd_socket is not None:
            pidfd_socket.send(pid, "setns")
        if options.detach:
            _say(pid, options)
            return 0
        from ..foreground import Foreground  # not for engines

        with Foreground(pid, master) as foreground:
            _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
            _say(pid, options)
            return foreground.wait()
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def start_tenant(
    plan: TenantPlan,
    saved: SavedState,
    inside: Inside,
    options: ExecOptions,
    kernel: LinuxKernel,
    stdio: tuple[int, int, int],
) -> int:
    """Return the pid of the tenant, which runs as a child of ours."""
    program = Program(plan, inside, kernel)
    filter, flags = b"", 0
    if plan.seccomp is not None:
        from libseccomp.cache import load  # only with a profile

        compiled = load(plan.seccomp, f"{options.root}/.seccomp")
        filter, flags = compiled.program, compiled.flags
    manager = load_manager(saved.cgroup)
    tenant = Tenant(
        plan,
        inside,
        program,
        kernel,
        manager,
        filter=filter,
        filter_flags=flags,
        stdio=stdio,
        before_run=None if options.detach else _hold_signals,
    )
    return tenant.start(placements(manager, saved.cgroup, parse_subs(options.cgroup), inside.pid))


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


def _say(pid: int, options: ExecOptions) -> None:
    """Write the pid file: the process runs by now, which is what the file says."""
    if options.pid_file is not None:
        write_pid_file(options.pid_file, pid)
