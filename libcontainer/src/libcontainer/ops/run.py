"""run: create and start, and in the foreground also wait and delete."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import posix

from ..errors import ContainerError
from ..kernel import constants as c
from ..kernel.linux import LinuxKernel
from .create import CreateOptions, create, write_pid_file
from .delete import delete
from .start import start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

# Not passed on: the child's own end, and what concerns our own terminal and stopping.
_KEPT = ("SIGCHLD", "SIGURG", "SIGWINCH", "SIGKILL", "SIGSTOP", "SIGPIPE")


def run(
    id: str,
    options: CreateOptions,
    *,
    detach: bool = False,
    keep: bool = False,
    subreaper: bool = True,
) -> int:
    """Run a container; return its exit status, 128 + n for a signal, 0 when detached.

    In the foreground the caller's signals go to init, orphans of the container come to us, and
    the container is deleted at its end unless `keep`.
    """
    pid_file, options.pid_file = options.pid_file, None
    if detach:
        pid = create(id, options)
        _start(id, options.root)
        if pid_file is not None:
            write_pid_file(pid_file, pid)
        return 0
    if subreaper:
        # Before the clone: a container that ends at once must find us.
        LinuxKernel().prctl(c.PR_SET_CHILD_SUBREAPER, 1)
    pid = create(id, options)
    try:
        _forward_signals(pid)
        start(id, root=options.root)
        if pid_file is not None:
            write_pid_file(pid_file, pid)
    except BaseException:
        delete(id, root=options.root, force=True)
        raise
    status = _wait(pid)
    if not keep:
        delete(id, root=options.root, force=True)
    return status


def _start(id: str, root: str) -> None:
    try:
        start(id, root=root)
    except ContainerError:
        delete(id, root=root, force=True)
        raise


def _forward_signals(pid: int) -> None:
    kept = {getattr(_signal, name) for name in _KEPT}

    def forward(number: int, frame: FrameType | None) -> None:
        try:
            posix.kill(pid, number)
        except ProcessLookupError:
            pass  # it is a zombie that we are about to reap, so the pid is still its own

    for number in sorted(_signal.valid_signals() - kept):
        try:
            _signal.signal(number, forward)
        except (OSError, ValueError):
            pass  # the C library's own


def _wait(pid: int) -> int:
    """Reap until init has ended; others may be orphans of the container."""
    while True:
        found, status = posix.waitpid(-1, 0)
        if found == pid:
            code = posix.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
