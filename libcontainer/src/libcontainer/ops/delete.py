"""delete: undo what create made, and nothing else."""

from __future__ import annotations

import posix
import select
import time

from libcgroups.manager import load_manager

from .. import _log, identity
from ..errors import ContainerError, NoSuchContainer, WrongStatus
from ..signals import KILL
from ..state import DamagedState, SavedState, StateDirectory, open_directory
from ..status import CREATED, CREATING, STOPPED, hook_document, status_of
from .kill import kill_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 10.0  # seconds until a killed init must be gone
_INEXACT = 0.1  # seconds that the times of files and processes may be apart
_AT_ONCE = 10.0  # seconds that create may take from the kept document to init
_HANGING = 2.0  # seconds that a create has to undo itself once its init was killed


def delete(id: str, *, root: str, force: bool = False) -> None:
    """Remove a stopped or created container; with `force` any, and an unknown one silently.

    Raises NoSuchContainer, WrongStatus.  A poststop hook that fails is a warning.
    """
    try:
        directory = open_directory(root, id)
    except NoSuchContainer:
        if force:
            return
        raise
    with directory:
        if force:
            _take(directory)
        else:
            _refuse_unfinished(directory)
            directory.lock()
        try:
            saved = directory.load()
        except (NoSuchContainer, DamagedState) as e:
            # A create that was killed before it had a process, or a file that does not read.
            # Nobody else can clear it; what it may have made, it has named after the id.
            if isinstance(e, DamagedState) and not force:
                raise
            if isinstance(e, DamagedState):
                _clear_by_name(id, directory)
            directory.remove()
            if force:
                return
            raise
        _delete(saved, directory, force)


def _take(directory: StateDirectory) -> None:
    """Lock, also against a create that hangs, in a hook or in the mounts of its document.

    Without init it fails.  What hangs on in a hook of the host has the lock for as long as that
    takes, so in the end we go without.
    """
    if directory.lock_within(0):
        return
    try:
        saved = directory.load()
    except (NoSuchContainer, DamagedState):
        saved = None
    if saved is not None and saved.status == CREATING:
        kill_all(saved)
    if not directory.lock_within(_HANGING):
        _log.warning(f"delete {directory.id} while it is still being created")


def _clear_by_name(id: str, directory: StateDirectory) -> None:
    """Kill and remove what the kept document and the id tell of, when the state does not read."""
    from libcgroups.errors import CgroupError
    from libcgroups.manager import open_manager

    from ..spec.load import load_spec

    try:
        linux = load_spec(directory.document()).linux
        path = linux.cgroups_path if linux is not None else None
        systemd = path is not None and path.count(":") == 2
        # Loaded, so that what is there counts as the container's.
        manager = load_manager(open_manager(path, container_id=id, systemd=systemd).to_state())
        if not manager.exists():
            return
        if pids := manager.pids():
            _refuse_others(pids, directory)
            manager.kill(KILL)
        manager.remove()
    except (OSError, ContainerError, CgroupError) as e:
        _log.warning(f"clear what is left of {id}: {e}")


def _refuse_others(pids: tuple[int, ...], directory: StateDirectory) -> None:
    """Raise CgroupError unless the oldest of them is the container's init, by all we can tell.

    The document is kept right before init is made, and init is alone in its cgroup then.  Who had
    a cgroup of that name before began earlier, who has taken it since began later.  After a jump
    of the host's clock nobody is taken for ours.
    """
    from libcgroups.errors import CgroupError

    kept = posix.stat("config.json", dir_fd=directory.fd).st_mtime
    boot = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    started = [tick for pid in pids if (tick := identity.start_time(pid)) is not None]
    first = boot + min(started, default=0) / posix.sysconf("SC_CLK_TCK")
    if not -_INEXACT < first - kept < _AT_ONCE:
        raise CgroupError(f"its cgroup has {len(pids)} process(es) that may be somebody else's")


def _refuse_unfinished(directory: StateDirectory) -> None:
    """Before the lock, which a create holds while its hooks run."""
    try:
        saved = directory.load()
    except (NoSuchContainer, DamagedState):
        return  # judged under the lock
    if (status := status_of(saved, directory)) == CREATING:
        raise _not_stopped(saved.id, status)


def _not_stopped(id: str, status: str) -> WrongStatus:
    return WrongStatus(id, status, f"cannot delete container {id} that is not stopped: {status}")


def _delete(saved: SavedState, directory: StateDirectory, force: bool) -> None:
    status = status_of(saved, directory)
    if status not in (STOPPED, CREATED) and not force:
        raise _not_stopped(saved.id, status)
    ended = status == STOPPED and saved.private_pids and saved.status != CREATING
    destroy(saved, directory, ended=ended)


def destroy(saved: SavedState, directory: StateDirectory, *, ended: bool) -> None:
    """Undo all that create made, then run the poststop hooks.

    Whatever still runs is killed, unless the caller has seen that nothing can.
    """
    manager = load_manager(saved.cgroup)
    if saved.status == CREATING and not saved.pid:
        # Killed before it had a process: whatever runs in that cgroup is somebody else's.
        if not manager.pids():
            manager.remove()
    else:
        if not ended:
            _log.debug(f"end what may still run of container {saved.id}")
            kill_all(saved)
            _wait(saved)
        manager.remove()  # always: a delete that was killed may have left a part of it
    if saved.directories:
        from ..rdt import remove  # rare

        remove(saved.directories)
    hooks = _poststop_hooks(saved, directory)
    directory.remove()
    _log.debug(f"container {saved.id} deleted")
    if hooks is not None:
        _log.debug(f"run the poststop hooks of container {saved.id}")
        hooks()


def _wait(saved: SavedState) -> None:
    """Wait until init has ended: with a pid namespace that is when everybody in it has."""
    pidfd = identity.open_pidfd(saved.pid, saved.start_time)
    if pidfd is None:
        return
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    end = time.monotonic() + _PATIENCE
    try:
        if not poll.poll(round((end - time.monotonic()) * 1000)):
            raise WrongStatus(saved.id, "running", "container init still running")
    finally:
        posix.close(pidfd)


def _poststop_hooks(saved: SavedState, directory: StateDirectory) -> Callable[[], None] | None:
    """Return what runs the poststop hooks; read before the document goes, run after."""
    if "poststop" not in saved.hooks:
        return None
    from ..hooks import run_poststop
    from ..spec.load import load_spec

    hooks = load_spec(directory.document()).hooks
    if hooks is None:
        return None

    def run() -> None:
        document = hook_document(saved, STOPPED)
        last, annotations = hooks.poststop, saved.annotations
        run_poststop(last, document, cwd=saved.bundle, annotations=annotations)

    return run
