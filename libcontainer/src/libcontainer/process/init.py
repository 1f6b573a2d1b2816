"""init: from the clone to the last mile.  One line per kernel step; the order is the content.

Runs in the container's new namespaces while the root is still the host's, so every host path is
still where it was.  No Python runs after the pivot: what is left then is a list of system calls.
"""

from __future__ import annotations

import errno
import fcntl
import posix

from ..console import ConsoleSocket, make_console, own_stdio
from ..errors import StepFailed
from ..hooks import run_hooks
from ..kernel import constants as c
from ..namespaces import enter, enter_new_time, open_offsets
from ..plan.lastmile import (
    Entry,
    enter_root,
    fork_into_pid,
    hide,
    join_pid,
    meet_main,
    reduce,
    shed,
    wait_and_run,
)
from ..rootfs.root import Rootfs
from ..rootfs.steps import MakeDirectory
from ..signals import reset_signals
from ..step import apply_all, prepare_all
from . import command, lastmile
from .channel import CWD_LATE, DONE, GO, HOOKS, Channel, send_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libcgroups.entry import Entry as CgroupEntry

    from ..executor import Executor
    from ..kernel.linux import LinuxKernel
    from ..plan.plan import Plan
    from .sources import Sources
    from .stub.memfd import Spare


class Belongings:
    """What main opens for init: descriptors, the filter, and the hooks' document."""

    def __init__(self) -> None:
        self.gate = -1  # the start fifo
        self.namespaces: dict[str, int] = {}  # to join, by kind; pid among them
        self.mounts: dict[str, int] = {}  # made by the intermediate, by destination
        self.sources: Sources | None = None  # for what init may not open
        self.entry: CgroupEntry | None = None  # the way into the cgroup; None: main moves init
        self.born_in_namespace = False  # the cgroup namespace came with the clone
        self.spare: Spare | None = None  # to be executed where memfds may not be
        self.filter = b""  # classic BPF
        self.filter_flags = 0
        self.notifies = False  # the filter has a listener
        self.console: ConsoleSocket | None = None
        self.executor: Executor | None = None  # what runs in place of a program
        self.hook_output = -1, -1  # where hooks write; -1: kept for the error text
        self.hook_state = ""  # the document; its pid, 0, is replaced by what each reader sees

    def close_in_main(self) -> None:
        """Close what was for init alone, which has its own by now, or never will."""
        for fd in (*self.namespaces.values(), *self.mounts.values()):
            posix.close(fd)
        self.namespaces, self.mounts = {}, {}
        if self.sources is not None:
            self.sources.close()
        if self.entry is not None:
            self.entry.close()


def run_init(plan: Plan, kernel: LinuxKernel, channel: Channel, own: Belongings) -> None:
    """Become the container's init.  Never returns; a failure is told to main."""
    try:
        _run(plan, kernel, channel, own)
    except BaseException as e:
        send_error(channel.writer, e)
    posix._exit(1)


def _run(plan: Plan, kernel: LinuxKernel, channel: Channel, own: Belongings) -> None:
    channel.in_init()
    if posix.read(channel.go_reader, 1) != GO:
        posix._exit(1)  # main has died

    # First of all, while this is still one of main's own credentials: older kernels ask who
    # writes, not who opened.  Quick only because the process moves itself.
    if own.entry is not None:
        own.entry.enter()
        own.entry.close()
    clocks = open_offsets() if plan.namespaces.time else -1
    # By now the ids are mapped, so what is made from here on belongs to root of the container.
    if plan.become_uid is not None and plan.become_gid is not None:
        groups = None if plan.payload.groups is None else ()
        kernel.become(plan.become_uid, plan.become_gid, groups)
    if plan.namespaces.unshare:
        kernel.unshare(plan.namespaces.unshare)
    if plan.namespaces.time:
        enter_new_time(kernel, clocks, plan.namespaces.offsets)
    # Written before, by main: oom_score_adj and the maps need a dumpable process.
    kernel.prctl(c.PR_SET_DUMPABLE, 0)
    kernel.setsid()
    callers_umask = posix.umask(0)
    for join in plan.namespaces.join if not plan.namespaces.needs_intermediate() else ():
        enter(kernel, join, own.namespaces[join.kind])
        if join.kind == "mount":
            posix.chdir(plan.rootfs)  # setns moved us to the root of that namespace
    # After the cgroup has been joined, so that its root is the container's.
    if plan.namespaces.cgroup and not own.born_in_namespace:
        kernel.unshare(c.CLONE_NEWCGROUP)

    rootfs = Rootfs(kernel, plan.rootfs)
    rootfs.handed = own.mounts
    rootfs.pid_namespace = own.namespaces.get("pid")
    apply_all(plan.setup, rootfs, kernel)
    _build(plan, rootfs, kernel, channel, own)
    if plan.meet:
        posix.write(channel.writer, HOOKS)
        if posix.read(channel.go_reader, 1) != DONE:
            posix._exit(1)
    posix.umask(callers_umask)
    _container_hooks(plan, rootfs, own)
    posix.umask(0)
    _finish(plan, rootfs, kernel)

    env = command.environment(plan.command, kernel, rootfs.fd)
    command.check_size(plan.command.args, env)
    cwd = command.open_cwd(plan.command.cwd, kernel, rootfs.fd)
    cwd_late = plan.command.cwd if cwd is None else None
    if cwd is None:
        posix.write(channel.writer, CWD_LATE)  # main must know which list it hears about
    path = "" if plan.executor else command.find(plan.command, env, kernel, rootfs.fd)
    if plan.terminal is not None and own.console is not None:
        # Whoever comes out of a fork into a joined pid namespace has a session of its own.
        control, uid = plan.namespaces.pid is None, plan.payload.uid
        make_console(plan.terminal, rootfs, kernel, own.console, uid, control=control)
    else:
        own_stdio(plan.payload.uid, kernel)

    first = 3 + plan.preserve_fds
    handles = _handles(plan, rootfs, kernel, channel, own, -1 if cwd is None else cwd)
    # Engines leak descriptors to us; not even the stub is to have them.
    kernel.close_at_exec(first)
    if own.spare is not None:
        own.spare.stand_aside(first + 3)
    handles = _place(handles, first)
    calls = lastmile.system_calls(
        last_mile(plan, cwd_late=cwd_late, filter_flags=own.filter_flags),
        handles=handles,
        path=path,
        args=plan.command.args,
        env=env,
        filter=own.filter,
        numbers=kernel.number,
    )
    posix.umask(plan.umask)
    reset_signals()
    if own.executor is not None:
        from .walk import be, walk  # loaded by main

        report, gate = handles["sync"], handles["gate"]
        walk(calls, report=report)
        be(own.executor, plan.command.args, env, report=report, gate=gate)
    if plan.become_uid not in (None, 0):
        kernel.raise_ambient()  # else the stub's exec would drop what its list needs
    lastmile.run(lastmile.program(calls, report=handles["sync"]), own.spare)


def last_mile(plan: Plan, *, cwd_late: str | None = None, filter_flags: int = 0) -> list[Entry]:
    """Return the list of a plan, in order: up to `R`, up to `S`, the wait, the payload."""
    own_mounts = plan.namespaces.own("mount")
    return [
        *(hide(plan.executor[:15]) if plan.executor else hide()),
        *enter_root(
            pivot=plan.pivot,
            mount_namespace=own_mounts,
            propagation=plan.propagation,
            hidden=plan.hidden,
        ),
        *(join_pid() if plan.namespaces.pid and not plan.namespaces.enters_pid_early() else ()),
        *shed(plan.payload, cwd_late=cwd_late),
        # Who lives in that pid namespace may see this process from here on, and the root, the
        # handles and the rights of whom it may trace: so not before the host's are gone.
        *(fork_into_pid(terminal=plan.terminal is not None) if plan.namespaces.pid else ()),
        *plan.inherited,
        *plan.labels,
        *meet_main(),
        *reduce(
            plan.payload.replace(filter_flags=filter_flags),
            first_own=3 + plan.preserve_fds,
            cwd_late=cwd_late,
            program=not plan.executor,
        ),
        # Without a program, the interpreter does what is left of it: see walk.py.
        *(wait_and_run() if not plan.executor else ()),
    ]


def _build(
    plan: Plan, rootfs: Rootfs, kernel: LinuxKernel, channel: Channel, own: Belongings
) -> None:
    if not plan.namespaces.own("mount"):
        rootfs.fd = posix.open(".", c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        return
    # Propagation first: a source that is cloned while host mounts are still shared would hand
    # the container's mounts on to the host.
    apply_all(plan.build[:1], rootfs, kernel)
    if own.sources is not None:
        own.sources.offer(rootfs)
    prepare_all((*plan.build, *plan.finish), rootfs, kernel)
    if own.sources is not None and rootfs.asked:
        own.sources.fetch(rootfs, channel)
    apply_all(plan.build[1:], rootfs, kernel)


def _handles(
    plan: Plan, rootfs: Rootfs, kernel: LinuxKernel, channel: Channel, own: Belongings, cwd: int
) -> dict[str, int]:
    """Return the descriptors that the list names; -1 for what it does not need."""
    return {
        "root": rootfs.fd,
        "old": posix.open("/", c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC),
        "cwd": cwd,
        "go": channel.go_reader,
        "pid": own.namespaces.get("pid", -1),
        "attr": _open_attributes(plan, kernel, rootfs.fd) if plan.labels else -1,
        "sync": channel.writer,
        "gate": own.gate,
    }


def _container_hooks(plan: Plan, rootfs: Rootfs, own: Belongings) -> None:
    if plan.hooks is None or not plan.hooks.create_container:
        return
    # The root by its handle: its path may be closed to the container's root.
    posix.fchdir(rootfs.fd)
    state = own.hook_state.replace('"pid":0', f'"pid":{posix.getpid()}')
    hooks = plan.hooks.create_container
    run_hooks("createContainer", hooks, state, cwd=".", output=own.hook_output)


def _finish(plan: Plan, rootfs: Rootfs, kernel: LinuxKernel) -> None:
    try:
        apply_all(plan.finish, rootfs, kernel)
    except StepFailed as e:
        if e.step != MakeDirectory(path=plan.command.cwd).describe():
            raise
        # In the words that looking it up fails in: nobody has asked for a directory.
        raise command.cwd_failed(plan.command.cwd, e.errno) from e


def _open_attributes(plan: Plan, kernel: LinuxKernel, root: int) -> int:
    """Open where labels are written, in the host's procfs: the image's /proc may be anything.

    Of this process; but whoever comes out of a fork into a joined pid namespace has only the
    container's own procfs: the host's must not be in the hands of what others there may trace.
    """
    if plan.namespaces.pid is not None:
        from .attributes import open_procfs  # loaded by main

        return open_procfs(kernel, root)
    fd = posix.open("/proc/self/attr", c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    if kernel.file_system(fd) != c.PROC_SUPER_MAGIC:
        raise OSError(errno.ENODEV, "not a procfs", "/proc/self/attr")
    return fd


def _place(handles: dict[str, int], first: int) -> dict[str, int]:
    """Move the handles: sync and gate right above the preserved ones, the others above those.

    So one close_range closes all but them.  The number between stays free: it is that of the next
    descriptor, the seccomp listener, and main must find nothing else there.  All
    of them outlive the exec of the stub, and none of them that of the payload: see `reduce`.
    """
    fixed = {"sync": first, "gate": first + 1}
    moved = {
        name: fcntl.fcntl(fd, fcntl.F_DUPFD, first + 3) if fd >= 0 else -1
        for name, fd in handles.items()
    }
    for name, number in fixed.items():
        posix.dup2(moved[name], number)
    return moved | fixed
