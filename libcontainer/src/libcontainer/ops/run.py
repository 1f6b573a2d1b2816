"""run: create and start, and in the foreground also wait and delete."""

from __future__ import annotations

import posix

from ..foreground import Foreground, shown
from ..handover import write_pid_file
from ..kernel import constants as c
from ..kernel.linux import LinuxKernel, address
from ..signals import get_mask, hold_stops, hold_stops_while_failing, set_mask
from .create import CreateOptions, create
from .delete import delete
from .start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..readiness import Readiness


def run(
    id: str,
    options: CreateOptions,
    *,
    detach: bool = False,
    keep: bool = False,
    subreaper: bool = False,
    reap_orphans: bool = False,
    notify_socket: str = "",
) -> int:
    """Run a container; return its exit status, 128 + n for a signal, 0 when detached.

    In the foreground the caller's signals go to init, and the container is deleted at its end
    unless `keep`.  With `subreaper` its orphans come to us meanwhile; with `reap_orphans` every
    child of ours is reaped when it ends: both are for a program that has no other children.  What
    the container says of its readiness goes to `notify_socket`, if there is one; detached, we
    return when it is ready.
    """
    # Blocked between the steps: what has been created is ours to delete, and what has ended has
    # an exit status.
    before = get_mask()
    hold, options.hold_signals = options.hold_signals, True
    # Before the clone: a container that ends at once must find us.
    adopts = subreaper and not detach and _become_subreaper()
    try:
        if not notify_socket:
            return _run(id, options, before, detach, keep, reap_orphans)
        from ..readiness import Readiness, announce  # rare

        announce(id, options)
        with Readiness(notify_socket, f"{options.root}/{id}") as ready:
            return _run(id, options, before, detach, keep, reap_orphans, ready)
    finally:
        if adopts:
            LinuxKernel().prctl(c.PR_SET_CHILD_SUBREAPER, 0)
        if not hold:
            set_mask(before)


def _become_subreaper() -> bool:
    """Adopt orphans from now on; False if we do so anyhow."""
    kernel, found = LinuxKernel(), bytearray(4)
    kernel.prctl(c.PR_GET_CHILD_SUBREAPER, address(found))
    if any(found):
        return False
    kernel.prctl(c.PR_SET_CHILD_SUBREAPER, 1)
    return True


def _run(
    id: str,
    options: CreateOptions,
    before: set[int],
    detach: bool,
    keep: bool,
    reap_orphans: bool,
    ready: Readiness | None = None,
) -> int:
    """Run it; what asks us to stop is blocked at the end, and `before` restored meanwhile."""
    pid_file, options.pid_file = options.pid_file, None
    masters: list[int] = []
    if options.console_socket is None and not detach:
        options.on_terminal, options.foreground = masters.append, True
    pid = create(id, options)
    try:
        set_mask(before)
        if detach:
            _start(id, options, pid, pid_file, ready)
            if ready is not None:
                _until_ready(ready, pid)
            hold_stops()
            return 0
        with (
            shown(masters[0] if masters else None) as terminal,
            Foreground(pid, terminal, reap_orphans=reap_orphans) as foreground,
        ):
            _start(id, options, pid, pid_file, ready)
            beside = 0 if ready is None else ready.pass_on_beside(foreground.pidfd)
            status = foreground.wait()
            hold_stops()
            if beside and not reap_orphans:
                posix.waitpid(beside, 0)  # it ends with the container
    except BaseException:
        hold_stops_while_failing()
        delete(id, root=options.root, force=True)
        raise
    if not keep:
        delete(id, root=options.root, force=True)
    return status


def _start(
    id: str, options: CreateOptions, pid: int, pid_file: str | None, ready: Readiness | None
) -> None:
    start(id, root=options.root, ready=ready)
    if pid_file is not None:
        write_pid_file(pid_file, pid)


def _until_ready(ready: Readiness, pid: int) -> None:
    pidfd = posix.pidfd_open(pid)
    try:
        ready.pass_on(pid, pidfd)
    finally:
        posix.close(pidfd)
