"""create: the straight line from a bundle to a container that waits to be started."""

from __future__ import annotations

import posix

from libcgroups.manager import open_manager

from .. import _log, codec, state
from ..errors import ContainerError, InitFailed, SpecError
from ..handover import PidfdSocket, check_preserved, write_pid_file
from ..kernel.linux import LinuxKernel
from ..plan.host import probe
from ..plan.make import Options, make_plan
from ..process.create import Main
from ..process.init import Belongings
from ..spec.load import load_spec
from ..spec.unsupported import unsupported
from ..spec.validate import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from libcgroups.protocol import CgroupManager

    from ..annotations import Wishes
    from ..plan.plan import Plan
    from ..spec.document import Spec
    from ..spec.hooks import Hooks


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
        systemd_cgroup: bool = False,
        cgroups_disabled: bool = False,
        rootless: bool | None = None,
        as_sibling: bool = False,
        on_terminal: Callable[[int], None] | None = None,
        on_clone: Callable[[int], None] | None = None,
    ) -> None:
        """`on_terminal` gets the master of the container's terminal, where no socket does.

        `on_clone` gets init's pid as soon as there is one, whatever becomes of it.
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
        self.systemd_cgroup = systemd_cgroup
        self.cgroups_disabled = cgroups_disabled
        self.rootless = rootless
        self.as_sibling = as_sibling
        self.on_terminal = on_terminal
        self.on_clone = on_clone


def create(id: str, options: CreateOptions) -> int:
    """Create a container; return its init's pid.

    Raises SpecError with every fault of the document, and ContainerError for what the host or the
    kernel refuses; then nothing is left behind.
    """
    state.check_id(id)
    bundle = _bundle(options.bundle)
    text = _read_document(bundle, options.config)
    spec = load_spec(text)
    wishes = None
    if spec.annotations and any([key.startswith("run.oci.") for key in spec.annotations]):
        from ..annotations import read  # rare

        spec, wishes = read(spec)
    validate(spec)
    if not_yet := unsupported(spec):
        raise SpecError(not_yet)
    rootfs = _rootfs(spec, bundle)
    console = _console(spec, options)
    pidfd_socket = None if options.pidfd_socket is None else PidfdSocket(options.pidfd_socket)
    receiver = wishes.pidfd_receiver if wishes is not None else None
    pidfd_receiver = None if receiver is None else PidfdSocket(receiver)
    check_preserved(options.preserve_fds)

    directory = state.claim(options.root, id)
    cgroup, main, saved = None, None, None
    try:
        directory.lock()
        cgroup = _cgroup(spec, id, options)
        kernel = LinuxKernel()
        host = probe(
            spec,
            cgroups=dict(cgroup.paths),
            unified=posix.access(_UNIFIED, posix.F_OK),
            pivot=not options.no_pivot,
        )
        given = _plan_options(id, bundle, rootfs, options)
        if wishes is not None:
            given = given.replace(
                keep_groups=wishes.keep_groups, seccomp_strict=wishes.seccomp_strict
            )
        plan = make_plan(spec, host, given)
        directory.keep_document(text)
        own = _belongings(plan, wishes, directory, options, console)
        saved = _saved(id, plan, cgroup, options)
        # Before the first thing is made outside the directory: killed from here on, we leave a
        # state that says where the cgroup is.
        directory.save(saved)

        def save(pid: int, started: int) -> None:
            if options.on_clone is not None:
                options.on_clone(pid)
            directory.save(saved.replace(pid=pid, start_time=started))

        main = Main(plan, kernel, cgroup, own, save=save)
        pid = main.create(as_sibling=options.as_sibling)
        if options.on_terminal is not None and own.console is not None:
            options.on_terminal(own.console.receive())
        if pidfd_socket is not None:
            pidfd_socket.send(pid, "standard")
        if pidfd_receiver is not None:
            pidfd_receiver.send(pid, " ")
        _commit(directory, saved, main, own, options)
    except BaseException:
        if saved is not None and saved.directories:
            _remove_directories(saved.directories)
        _undo(directory, cgroup)
        if main is not None and saved and plan.hooks is not None and plan.hooks.poststop:
            # Hooks may have run; the last ones undo what those did.
            _run_poststop(saved, plan.hooks)
        raise
    directory.close()
    return pid


_UNIFIED = "/sys/fs/cgroup/cgroup.controllers"


def _bundle(path: str) -> str:
    """Return the bundle's absolute path without links.  Raises InitFailed in runc's words."""
    here = posix.open(".", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.chdir(path)
        return _utf8("bundle", posix.getcwd())
    except OSError as e:
        why = (e.strerror or "").lower()
        raise InitFailed("bundle", e.errno, f"chdir {path}: {why}") from e
    finally:
        posix.fchdir(here)
        posix.close(here)


def _utf8(what: str, path: str) -> str:
    """Refuse a path that no document could hold: state and hooks are told it as JSON."""
    try:
        path.encode()
    except UnicodeEncodeError as e:
        raise InitFailed(what, None, f"the path of the {what} is not UTF-8: {path!a}") from e
    return path


def _read_document(bundle: str, name: str) -> str:
    path = name if name.startswith("/") else f"{bundle}/{name}"
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError as e:
        text = f"JSON specification file {name} not found"
        raise InitFailed("bundle", e.errno, text) from e
    except OSError as e:
        raise InitFailed("bundle", e.errno, f"open {path}: {(e.strerror or '').lower()}") from e
    try:
        found = b""
        while part := posix.read(fd, 1 << 20):
            found += part
            if len(found) > 1 << 24:
                raise InitFailed("bundle", None, f"{path} is larger than 16 MiB")
    except OSError as e:
        raise InitFailed("bundle", e.errno, f"read {path}: {(e.strerror or '').lower()}") from e
    finally:
        posix.close(fd)
    try:
        return found.decode()
    except UnicodeDecodeError as e:
        raise SpecError((f"{name} is not UTF-8: byte {e.start}",)) from e


def _rootfs(spec: Spec, bundle: str) -> str:
    """Return the root's absolute path, links resolved by the kernel."""
    if spec.root is None:
        raise SpecError(("root must be specified",))
    given = spec.root.path
    path = given if given.startswith("/") else f"{bundle}/{given}"
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as e:
        why = (e.strerror or "").lower()
        text = f"invalid rootfs: stat {path}: {why}"
        raise InitFailed("rootfs", e.errno, text) from e
    try:
        return _utf8("rootfs", posix.readlink(f"/proc/self/fd/{fd}"))
    finally:
        posix.close(fd)


def _console(spec: Spec, options: CreateOptions) -> str | None:
    terminal = spec.process is not None and spec.process.terminal
    if terminal and options.console_socket is None and options.on_terminal is None:
        text = "cannot allocate tty if runc will detach without setting console socket"
        raise SpecError((text,))
    if not terminal and options.console_socket is not None:
        text = "cannot use console socket if runc will not detach or allocate tty"
        raise SpecError((text,))
    return options.console_socket


def _cgroup(spec: Spec, id: str, options: CreateOptions) -> CgroupManager:
    rootless = options.rootless
    if rootless is None:
        rootless = posix.geteuid() != 0 or _nested()
    return open_manager(
        spec.linux.cgroups_path if spec.linux else None,
        container_id=id,
        systemd=options.systemd_cgroup,
        disabled=options.cgroups_disabled,
        rootless=rootless,
        annotations=spec.annotations,
    )


def _nested() -> bool:
    from ..idmap import in_user_namespace

    fd = posix.open("/proc/self/uid_map", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return in_user_namespace(posix.read(fd, 4096).decode())
    finally:
        posix.close(fd)


def _plan_options(id: str, bundle: str, rootfs: str, options: CreateOptions) -> Options:
    return Options(
        id=id,
        bundle=bundle,
        rootfs=rootfs,
        pivot=not options.no_pivot,
        keyring=not options.no_new_keyring,
        preserve_fds=options.preserve_fds,
        extra_env=options.extra_env,
    )


def _belongings(
    plan: Plan,
    wishes: Wishes | None,
    directory: state.StateDirectory,
    options: CreateOptions,
    console: str | None,
) -> Belongings:
    """Open what init takes along, all of it before the clone."""
    own = Belongings()
    own.gate = directory.make_fifo()
    if plan.seccomp is not None:
        from libseccomp.cache import load  # only with a profile

        folder = f"{options.root}/.seccomp"
        compiled = load(plan.seccomp, folder, refuse_unknown=plan.seccomp_strict)
        own.filter, own.filter_flags = compiled.program, compiled.flags
        own.notifies = compiled.notifies
    if plan.terminal is not None:
        from ..console import ConsolePair, ConsoleSocket

        own.console = ConsoleSocket(console) if console is not None else ConsolePair()
    if plan.meet or own.notifies:
        document = {
            "ociVersion": state.OCI_VERSION,
            "id": plan.id,
            "status": "creating",
            "pid": 0,
            "bundle": plan.bundle,
        }
        if plan.annotations:
            document["annotations"] = plan.annotations
        own.hook_state = codec.dumps(document)
        if wishes is not None and plan.meet:
            from ..hooks import Output

            own.hook_output = Output(plan.annotations).fds
    return own


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
    )


def _commit(
    directory: state.StateDirectory,
    saved: state.SavedState,
    main: Main,
    own: Belongings,
    options: CreateOptions,
) -> None:
    """Say that the container is created: the state first, the pid file last."""
    posix.close(own.gate)  # while we hold it, `start` would write to us
    for fd in own.hook_output:
        if fd >= 0:
            posix.close(fd)
    done = saved.replace(
        status="created",
        pid=main.pid,
        start_time=main.started,
        cgroup=main.cgroup.to_state(),  # an ordinary user may have been refused some of it
    )
    directory.save(done)
    if options.pid_file is not None:
        write_pid_file(options.pid_file, main.pid)
    _log.debug(f"container {saved.id} created, pid {main.pid}")


def _undo(directory: state.StateDirectory, cgroup: CgroupManager | None) -> None:
    """Leave nothing.  What cannot be cleared is told; the first error is the one that counts."""
    try:
        if cgroup is not None:
            cgroup.remove()
    except Exception as e:
        _log.warning(f"after the failure: {e}")
    try:
        directory.remove()
    except OSError as e:
        _log.warning(f"after the failure: remove {directory.path}: {e.strerror}")
    directory.close()


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


__all__ = ["ContainerError", "CreateOptions", "create", "write_pid_file"]
