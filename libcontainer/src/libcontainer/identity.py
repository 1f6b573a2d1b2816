"""Which process: a pid, and when it started, so that a reused pid is somebody else.

Read in the runtime's own namespaces only: another time namespace shifts the start time.
proc_pid_stat(5).
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False


_ENDED = (b"Z", b"X")


def start_time(pid: int) -> int | None:
    """Return when `pid` started, in clock ticks since boot; None if it is gone or a zombie."""
    fields = _stat(pid)
    if not fields or fields[0] in _ENDED:
        return None
    return int(fields[19])


def parent(pid: int) -> int | None:
    """Return the parent of `pid`, which may be a zombie; None if it is gone.

    0 is a parent outside of our pid namespace, or none at all.
    """
    fields = _stat(pid)
    return int(fields[1]) if fields else None


def _stat(pid: int) -> list[bytes]:
    """Return the fields from the state on, the third of proc_pid_stat(5); none if it is gone."""
    try:
        fd = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        return []
    try:
        text = posix.read(fd, 4096)
    except ProcessLookupError:
        return []
    finally:
        posix.close(fd)
    # The name in parentheses is the process's own choice and may hold anything.
    return text[text.rindex(b")") + 2 :].split()


def is_alive(pid: int, started: int) -> bool:
    """Whether the process of that pid and start time still runs."""
    return pid > 0 and start_time(pid) == started


def open_pidfd(pid: int, started: int, *, ended: bool = False) -> int | None:
    """Return a pidfd of the process, None if it is gone; with `ended` a zombie's too.

    Opened first, compared after: from then on the pid cannot come to mean another process.
    """
    try:
        fd = posix.pidfd_open(pid)
    except OSError:  # ESRCH; EINVAL for a pid that is a thread by now
        return None
    fields = _stat(pid)
    if fields and int(fields[19]) == started and (ended or fields[0] not in _ENDED):
        return fd
    posix.close(fd)
    return None
