"""create: the straight line from a bundle to a container that waits to be started."""

from __future__ import annotations

import posix

from libcgroups.manager import open_manager

from .. import _log, state
from ..errors import SpecError
from ..handover import PidfdSocket, check_preserved, write_pid_file
from ..idmap import is_nested
from ..kernel.linux import LinuxKernel
from ..plan.host import probe
from ..plan.make import Options, make_plan
from ..process.create import Main
from ..process.init import Belongings
from ..signals import hold_stops, hold_stops_while_failing, set_mask
from .bundle import Bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from libcgroups.protocol import CgroupManager

    from ..annotations import Wishes
    from ..executor import Executor
    from ..plan.plan import Plan
    from ..spec.hooks import Hooks
    from ..spec.mounts import Mount


class CreateOptions:
    """What the caller decides; every name is that of the command line's option."""

    def __init__(
        self,
        *,
        root: str,
        bundle: str = ".",
        config: str = "config.json",
        console_socket: str | None = None,
        pidfd_socket: str | None = None,
        pid_file: str | None = None,
        no_pivot: bool = False,
        no_new_keyring: bool = False,
        preserve_fds: int = 0,
        extra_env: tuple[str, ...] = (),
        extra_mounts: tuple[Mount, ...] = (),
        systemd_cgroup: bool = False,
        cgroups_disabled: bool = False,
        rootless: bool | None = None,
        as_sibling: bool = False,
        hold_signals: bool = False,
        executors: Sequence[Executor] = (),
        on_terminal: Callable[[int], None] | None = None,
        on_children: Callable[[list[int]], None] | None = None,
        on_claimed: Callable[[], None] | None = None,
    ) -> None:
        """`on_terminal` gets the master of the container's terminal, where no socket does.

        `hold_signals` leaves SIGINT, SIGTERM and SIGHUP blocked once the container is there: for
        a program that then leaves, and must not say that it failed.  The first of `executors`
        that the document is for runs in place of its command.  `on_claimed` is called once the
        state directory is the container's.  `on_children` gets, at the end, all processes that
        were made, init last, whatever has become of them; with `as_sibling` they are the parent's
        to reap.
        """
        self.root = root
        self.bundle = bundle
        self.config = config
        self.console_socket = console_socket
        self.pidfd_socket = pidfd_socket
        self.pid_file = pid_file
        self.no_pivot = no_pivot
        self.no_new_keyring = no_new_keyring
        self.preserve_fds = preserve_fds
        self.extra_env = extra_env
        self.extra_mounts = extra_mounts
        self.systemd_cgroup = systemd_cgroup
        self.cgroups_disabled = cgroups_disabled
        self.rootless = rootless
        self.as_sibling = as_sibling
        self.hold_signals = hold_signals
        self.executors = executors
        self.on_terminal = on_terminal
        self.foreground = False  # we show the terminal on our own; set by `run`
        self.on_children = on_children
        self.on_claimed = on_claimed


def create(id: str, options: CreateOptions) -> int:
    """Create a container; return its init's pid.

    Raises SpecError with every fault of the document, and ContainerError for what the host or the
    kernel refuses; then nothing is left behind.
    """
    state.check_id(id)
    bundle = Bundle(options.bundle, options.config, options.extra_mounts)
    executor = _executor(bundle, options)
    sockets = _Sockets(bundle, options)
    check_preserved(options.preserve_fds)
    # A handler that raises must find either nothing, or who removes it.
    before = hold_stops()
    try:
        making = _Making(id, bundle, options, executor)
        try:
            set_mask(before)
            making.claim_cgroup()
            plan = making.plan()
            own = making.belongings(plan, sockets)
            pid = making.clone(plan, own)
            sockets.tell(pid, own)
            hold_stops()
            making.commit()
            if not options.hold_signals:
                set_mask(before)
        except BaseException:
            hold_stops_while_failing()
            making.undo()
            raise
        finally:
            making.close()
    except BaseException:
        set_mask(before)
        raise
    return pid


class _Sockets:
    """Whom the caller wants to be told; connected before anything is made."""

    def __init__(self, bundle: Bundle, options: CreateOptions) -> None:
        wishes = bundle.wishes
        self.on_terminal = options.on_terminal
        self.console = _console(bundle, options)
        self._pidfds = [(options.pidfd_socket, "standard")]
        self._pidfds.append((wishes.pidfd_receiver if wishes is not None else None, " "))
        self._receivers = [(PidfdSocket(p), word) for p, word in self._pidfds if p is not None]

    def tell(self, pid: int, own: Belongings) -> None:
        """Hand out the terminal that has no socket of its own, and init's pidfd."""
        if self.on_terminal is not None and own.console is not None:
            self.on_terminal(own.console.receive())
        for receiver, word in self._receivers:
            receiver.send(pid, word)


class _Making:
    """One container while it is made: what there is of it, and so what is to be undone."""

    def __init__(
        self, id: str, bundle: Bundle, options: CreateOptions, executor: Executor | None
    ) -> None:
        self.id, self.bundle, self.options, self.executor = id, bundle, options, executor
        self.directory = state.claim(options.root, id)
        self.cgroup: CgroupManager | None = None
        self.saved: state.SavedState | None = None
        self.own: Belongings | None = None
        self.main: Main | None = None
        self.hooks: Hooks | None = None

    def claim_cgroup(self) -> None:
        """Decide where the cgroup is to be; nothing is made yet."""
        self.directory.lock()
        if self.options.on_claimed is not None:
            self.options.on_claimed()
        self.cgroup = _cgroup(self.bundle, self.id, self.options)

    def plan(self) -> Plan:
        """Look at the host, and decide everything."""
        options, bundle = self.options, self.bundle
        host = probe(
            bundle.spec,
            cgroups=dict(self.cgroup.paths if self.cgroup is not None else {}),
            unified=posix.access(_UNIFIED, posix.F_OK),
            pivot=not options.no_pivot,
        )
        wishes = bundle.wishes
        return make_plan(
            bundle.spec,
            host,
            Options(
                id=self.id,
                bundle=bundle.path,
                rootfs=bundle.rootfs,
                pivot=not options.no_pivot,
                keyring=not options.no_new_keyring,
                preserve_fds=options.preserve_fds,
                extra_env=options.extra_env,
                keep_groups=wishes is not None and wishes.keep_groups,
                seccomp_strict=wishes is not None and wishes.seccomp_strict,
                delegate=_delegate(wishes, options),
                executor=self.executor.name if self.executor is not None else None,
                sealed=self.executor is not None and _is_sealed(),
            ),
        )

    def belongings(self, plan: Plan, sockets: _Sockets) -> Belongings:
        """Open what init takes along, all of it before the clone."""
        assert self.cgroup is not None
        self.saved = _saved(self.id, plan, self.cgroup, self.options)
        self.directory.keep_document(self.bundle.text)
        self.own = own = Belongings()
        own.executor = self.executor
        own.gate = self.directory.make_fifo()
        if plan.seccomp is not None:
            from libseccomp.cache import load  # only with a profile

            folder = f"{self.options.root}/{state.FILTERS}"
            compiled = load(plan.seccomp, folder, refuse_unknown=plan.seccomp_strict)
            own.filter, own.filter_flags = compiled.program, compiled.flags
            own.notifies = compiled.notifies
        if plan.terminal is not None:
            from ..console import ConsolePair, ConsoleSocket

            path = sockets.console
            own.console = ConsoleSocket(path) if path is not None else ConsolePair()
        if plan.meet or own.notifies:
            from ..status import CREATING, hook_document  # only with hooks

            own.hook_state = hook_document(self.saved, CREATING)
        if self.bundle.wishes is not None and plan.meet:
            from ..hooks import Output

            own.hook_output = Output(plan.annotations).fds
        return own

    def clone(self, plan: Plan, own: Belongings) -> int:
        """Make init, and see it to the start barrier; return its pid."""
        assert self.cgroup is not None and self.saved is not None
        self.hooks = plan.hooks
        if plan.hooks is not None:
            kinds = [key for name, key, _, _ in plan.hooks._fields if getattr(plan.hooks, name)]
            _log.debug(f"hooks: {', '.join(kinds)}")
        program = "".join(plan.command.args[:1])
        _log.debug(f"command {program}, working directory {plan.command.cwd}")
        # Before the first thing is made outside the directory: killed from here on, we leave a
        # state that says where the cgroup is.
        self.directory.save(self.saved)
        beside = self.options.as_sibling
        self.main = Main(plan, LinuxKernel(), self.cgroup, own, save=self._save, as_sibling=beside)
        return self.main.create()

    def _save(self, pid: int, started: int) -> None:
        if self.saved is not None:
            self.saved = self.saved.replace(pid=pid, start_time=started)
            self.directory.save(self.saved)

    def commit(self) -> None:
        """Say that the container is created: the state first, the pid file last."""
        assert self.saved is not None and self.own is not None and self.cgroup is not None
        self._close_gate()  # while we hold it, `start` would write to us
        # An ordinary user may have been refused some of the cgroup.
        cgroup = self.cgroup.to_state()
        self.directory.save(self.saved.replace(status="created", cgroup=cgroup))
        if self.options.pid_file is not None:
            write_pid_file(self.options.pid_file, self.saved.pid)
        _log.debug(f"container {self.id} created, pid {self.saved.pid}")

    def undo(self) -> None:
        """Leave nothing.  What cannot be cleared is told; the first error is what counts."""
        if self.main is not None:
            # After a late failure it waits for its start; without a cgroup only this ends it.
            self.main.kill()
        if self.main is not None and self.saved is not None and self.saved.directories:
            _remove_directories(self.saved.directories)
        # Else a forced delete has cleared all of it, and the id may be another container's by now.
        ours = self.directory.is_there() and self.main is not None and self.main.cgroup_made
        try:
            if self.cgroup is not None and ours:
                self.cgroup.remove()
        except Exception as e:
            _log.warning(f"after the failure: {e}")
        try:
            self.directory.remove()
        except OSError as e:
            _log.warning(f"after the failure: remove {self.directory.path}: {e.strerror}")
        if self.main is not None and self.saved and self.hooks and self.hooks.poststop:
            # Hooks may have run; the last ones undo what those did.
            _run_poststop(self.saved, self.hooks)

    def close(self) -> None:
        """Close all that is ours, whatever has become of the container."""
        if self.main is not None:
            self.main.close()
            if self.options.on_children is not None:
                self.options.on_children(self.main.children)
        if self.own is not None:
            self._close_gate()
            for fd in self.own.hook_output:
                if fd >= 0:
                    posix.close(fd)
        self.directory.close()

    def _close_gate(self) -> None:
        if self.own is not None and self.own.gate >= 0:
            posix.close(self.own.gate)
            self.own.gate = -1


def _delegate(wishes: Wishes | None, options: CreateOptions) -> str | None:
    """Return the cgroup below the subgroup that is to be the container's own."""
    if wishes is None or wishes.delegate is None:
        return None
    from ..spec.rules.annotations import DELEGATE  # rare

    if not (options.systemd_cgroup and posix.access(_UNIFIED, posix.F_OK)):
        raise SpecError((f"annotation {DELEGATE} needs systemd's cgroups and cgroup v2",))
    return wishes.delegate


def _executor(bundle: Bundle, options: CreateOptions) -> Executor | None:
    if not options.executors:
        return None
    from ..executor import choose  # rare

    return choose(options.executors, bundle.spec)


def _is_sealed() -> bool:
    from ..executor import is_sealed  # rare

    return is_sealed()


_UNIFIED = "/sys/fs/cgroup/cgroup.controllers"


def _console(bundle: Bundle, options: CreateOptions) -> str | None:
    terminal = bundle.terminal
    if terminal and options.console_socket is None and options.on_terminal is None:
        text = "cannot allocate tty if runc will detach without setting console socket"
        raise SpecError((text,))
    if terminal and options.console_socket is None and options.foreground:
        from ..terminal import require_terminal  # not for engines

        require_terminal()
    if not terminal and options.console_socket is not None:
        text = "cannot use console socket if runc will not detach or allocate tty"
        raise SpecError((text,))
    return options.console_socket


def _cgroup(bundle: Bundle, id: str, options: CreateOptions) -> CgroupManager:
    spec, rootless = bundle.spec, options.rootless
    if rootless is None:
        rootless = posix.geteuid() != 0 or is_nested()
    return open_manager(
        spec.linux.cgroups_path if spec.linux else None,
        container_id=id,
        systemd=options.systemd_cgroup,
        disabled=options.cgroups_disabled,
        rootless=rootless,
        annotations=spec.annotations,
    )


def _saved(id: str, plan: Plan, cgroup: CgroupManager, options: CreateOptions) -> state.SavedState:
    hooks = plan.hooks
    kinds = []
    if hooks is not None:
        kinds += ["startContainer"] if hooks.start_container else []
        kinds += ["poststart"] if hooks.poststart else []
        kinds += ["poststop"] if hooks.poststop else []
    return state.SavedState(
        id=id,
        status="creating",
        pid=0,
        start_time=0,
        bundle=plan.bundle,
        rootfs=plan.rootfs,
        created=state.now(),
        owner=posix.geteuid(),
        cgroup=cgroup.to_state(),
        private_pids=plan.namespaces.new("pid"),
        annotations=plan.annotations,
        directories=tuple([d for a in plan.adjustments for d in a.directories()]),
        hooks=tuple(kinds),
        keyring=not options.no_new_keyring,
        executor=plan.executor,
    )


def _remove_directories(directories: tuple[str, ...]) -> None:
    from ..rdt import remove  # rare

    try:
        remove(directories)
    except OSError as e:
        _log.warning(f"after the failure: {e.strerror}: {e.filename}")


def _run_poststop(saved: state.SavedState, hooks: Hooks) -> None:
    from ..hooks import run_poststop
    from ..status import STOPPED, hook_document

    document = hook_document(saved, STOPPED)
    run_poststop(hooks.poststop, document, cwd=saved.bundle, annotations=saved.annotations)
