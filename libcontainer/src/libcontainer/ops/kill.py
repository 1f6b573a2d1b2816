"""kill: signal a container's init, or every process of it."""

from __future__ import annotations

import _signal
import posix

from libcgroups.state import is_frozen

from .. import _log, identity
from ..errors import WrongStatus
from ..signals import KILL
from ..state import SavedState, open_directory
from ..status import CREATING

NOT_RUNNING = "container not running"


def kill(id: str, signal: int, *, root: str, all: bool = False) -> None:
    """Send a signal to init, or with `all` to every process of the container's cgroup.

    SIGKILL reaches them all as well where init's end would not be theirs: no private pid
    namespace.  Raises NoSuchContainer, and WrongStatus for one that has stopped (not with `all`).
    """
    with open_directory(root, id) as directory:
        saved = directory.load()
    if saved.status == CREATING:
        raise WrongStatus(id, CREATING, NOT_RUNNING)
    everybody = all or (signal == KILL and not saved.private_pids)
    pidfd = identity.open_pidfd(saved.pid, saved.start_time)
    if pidfd is None and not all:
        raise WrongStatus(id, "stopped", NOT_RUNNING)
    whom = "every process" if everybody else "init"
    _log.debug(f"signal {signal} to {whom} of container {id}, pid {saved.pid}")
    try:
        reached = everybody and _reach_all(saved, signal)
        # Init as well: it may have been moved out of its cgroup, or have none.
        if pidfd is not None and (signal == KILL or not reached):
            _send(pidfd, signal, id)
        if signal == KILL and not everybody:
            _thaw(saved)
    finally:
        if pidfd is not None:
            posix.close(pidfd)


def _reach_all(saved: SavedState, signal: int) -> bool:
    """Signal every process of the cgroup; False if there is none."""
    from libcgroups.manager import load_manager  # not for the common case

    manager = load_manager(saved.cgroup)
    if not manager.exists():
        return False
    _log.debug(f"signal {signal} to the cgroup of container {saved.id}")
    manager.kill(signal)
    return True


def kill_all(saved: SavedState) -> None:
    """Kill everything that a container has left, whatever its state."""
    pidfd = identity.open_pidfd(saved.pid, saved.start_time)
    if pidfd is not None:
        try:
            _signal.pidfd_send_signal(pidfd, KILL)
        except ProcessLookupError:
            pass
        posix.close(pidfd)
    _reach_all(saved, KILL)


def _send(pidfd: int, signal: int, id: str) -> None:
    try:
        _signal.pidfd_send_signal(pidfd, signal)
    except ProcessLookupError:
        if signal != KILL:
            raise WrongStatus(id, "stopped", NOT_RUNNING) from None
    except OSError as e:
        why = (e.strerror or "").lower()
        raise OSError(e.errno, f"unable to signal init: {why}") from e


def _thaw(saved: SavedState) -> None:
    """A frozen process of v1 dies only once it is thawed."""
    if saved.cgroup.manager != "v2" and is_frozen(saved.cgroup.paths):
        from libcgroups.manager import load_manager  # rare

        load_manager(saved.cgroup).thaw()
