"""events: what a container uses, and its processes that were killed for memory."""

from __future__ import annotations

import posix
import select
import time

from libcgroups.errors import CgroupError
from libcgroups.manager import load_manager

from .. import _log, identity
from ..errors import WrongStatus
from ..state import open_directory
from ..status import CREATING, STOPPED, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from libcgroups.events import Events
    from libcgroups.protocol import CgroupManager

    from ..state import SavedState

_LONGEST_WAIT = 1 << 30  # milliseconds, 12 days: poll(2) counts them in an int


def events(
    id: str, *, root: str, interval: float | None = None, at_once: bool = False
) -> Iterator[dict[str, Any]]:
    """Yield runc's envelopes: `stats` every `interval` seconds, `oom` per killed process.

    Ends when init does.  None measures once; `at_once` measures also before the first interval.
    A measurement that fails is logged, the next one follows; alone it raises CgroupError.  Raises
    NoSuchContainer, WrongStatus.
    """
    with open_directory(root, id) as directory:
        saved = directory.load()
        status = status_of(saved, directory)
    if status in (STOPPED, CREATING):
        raise WrongStatus(id, status, f"container with id {id} is not running")
    manager = load_manager(saved.cgroup)
    if interval is None:
        yield _measured(id, manager)
        return
    pidfd = identity.open_pidfd(saved.pid, saved.start_time)
    if pidfd is None:
        return
    watch = _watch(manager)
    try:
        first = 0.0 if at_once else interval
        yield from _follow(saved, manager, pidfd, watch, interval, time.monotonic() + first)
    finally:
        posix.close(pidfd)
        if watch is not None:
            watch.close()


def _measured(id: str, manager: CgroupManager) -> dict[str, Any]:
    return {"type": "stats", "id": id, "data": manager.stats().to_events()}


def _watch(manager: CgroupManager) -> Events | None:
    try:
        return manager.events()
    except CgroupError as e:
        _log.warning(f"no OOM events, without full access to the cgroup: {e}")
        return None


def _follow(
    saved: SavedState,
    manager: CgroupManager,
    pidfd: int,
    watch: Events | None,
    interval: float,
    next_time: float,
) -> Iterator[dict[str, Any]]:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    if watch is not None:
        poll.register(watch.fileno(), select.POLLIN)
    ended = False
    while not ended:
        left = max(0.0, next_time - time.monotonic()) * 1000
        found = poll.poll(min(left, _LONGEST_WAIT))
        ended = any([fd == pidfd for fd, _ in found])
        # Also at the end: the process that was killed may have been init.
        for event in watch.read() if watch is not None else ():
            if event == "oom":
                yield {"type": "oom", "id": saved.id}
        if not ended and (now := time.monotonic()) >= next_time:
            next_time = _following(next_time, interval, now)
            try:
                yield _measured(saved.id, manager)
            except CgroupError as e:
                _log.warning(f"measure container {saved.id}: {e}")


def _following(due: float, interval: float, now: float) -> float:
    """Return the next time on the beat of `due` that is still to come.

    Who was stopped, or whose host slept, has missed some: they are not made up for.
    """
    return due + interval * ((now - due) // interval + 1)
