"""Running commands: a limit of time for each, output to a file, nothing left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TIMEOUT = 20.0  # seconds for one command; the slowest takes a hundredth of it
_RESET = (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ)  # Python ignores two of them


class CommandFailed(Exception):
    """A command ended with another status than 0, or not in time."""


def run(argv: list[str], output: Path, *, timeout: float = TIMEOUT) -> float:
    """Run a command and return how long it took, in seconds.

    What it writes goes to a file: `create` hands its stdio on to the container, and a pipe there
    would not end with the command.  Not `subprocess`: its wait with a limit sleeps in steps.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(output), flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    began = time.perf_counter()
    # A group of its own: Ctrl-C is for the benchmark, which then tidies up.
    pid = os.posix_spawn(
        argv[0], argv, os.environ, file_actions=actions, setpgroup=0, setsigdef=_RESET
    )
    try:
        in_time = wait(pid, timeout)
        took = time.perf_counter() - began
    except BaseException:
        # Interrupted.  A runtime that is killed half way leaves more to tidy than one that ends.
        wait(pid, 5.0)
        _end(pid)
        raise
    status = _end(pid)
    if not in_time:
        raise CommandFailed(f"{_words(argv)}: not done after {timeout:.0f} s")
    if status:
        text = output.read_text(errors="replace").strip().replace("\n", "; ")
        raise CommandFailed(f"{_words(argv)}: status {status}: {text[-300:] or 'no output'}")
    return took


def wait(pid: int, timeout: float) -> bool:
    """Wait until a process has ended, without collecting it; False if it has not in time."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(fd)


def _end(pid: int) -> int:
    """Collect a child, killed if it still runs; return its exit status."""
    if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _words(argv: Sequence[str]) -> str:
    """Name a command in a message: the program without its folder, and the operation."""
    known = ("create", "start", "run", "exec", "state", "kill", "delete", "list", "spec")
    operation = next((word for word in argv if word in known), "")
    return f"{os.path.basename(argv[0])} {operation}".strip()


def descendants() -> list[int]:
    """Return the processes that come from this one.

    This process is a subreaper, so a container whose creator has ended is its child.
    """
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [os.getpid()]
    while todo:
        new = children.get(todo.pop(), [])
        found += new
        todo += new
    return found


def _parents() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
                # The name in parentheses may hold anything; what follows the last one may not.
                yield int(name), int(file.read().rpartition(b")")[2].split()[1])


def become_subreaper() -> None:
    """Let orphans come to this process, as to an engine's monitor.  prctl(2), Linux 3.4."""
    import ctypes

    pr_set_child_subreaper = 36
    if ctypes.CDLL(None, use_errno=True).prctl(pr_set_child_subreaper, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl PR_SET_CHILD_SUBREAPER")


def reap() -> None:
    """Collect the children that have ended; only while no command runs."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def end_descendants() -> None:
    """Kill whatever still comes from this process, and see it gone."""
    deadline = time.monotonic() + 10
    while (left := descendants()) and time.monotonic() < deadline:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
        reap()
