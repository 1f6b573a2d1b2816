"""Hooks: programs of the engine that run at points of a container's life.

runtime-spec: config.md, "POSIX-platform Hooks".  Each gets the state document on stdin; what it
says is captured and shown only if it fails.

Each has a session of its own, so that its children end with it when it runs past its time-out, or
when we are interrupted.  What a hook leaves behind that has ended by itself is left alone.
"""

from __future__ import annotations

import fcntl
import posix
import select
import time

from . import _log
from .errors import HookFailed
from .signals import hold_stops, reset_signals, set_mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

    from .spec.hooks import Hook

# A hook without `env` runs in the runtime's namespaces with nothing of the runtime's environment:
# that may be anything, and is not a request.
STANDARD_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CAPTURED = 65536  # bytes of output that are kept
_LONGEST_WAIT = 1 << 30  # milliseconds, 12 days: poll(2) counts them in an int


def run_hooks(
    kind: str,
    hooks: tuple[Hook, ...],
    state: str,
    *,
    cwd: str,
    env: tuple[str, ...] = (),
    output: tuple[int, int] = (-1, -1),
) -> None:
    """Run the hooks of one kind in order; stop at the first that fails.

    `state` is the state document as JSON, `env` what a hook without its own gets beside the
    standard PATH.  `output` is where they write, stdout and stderr; -1 is kept for the error's
    text.  Raises HookFailed.
    """
    for index, hook in enumerate(hooks):
        reason = _run(hook, state.encode(), cwd, (STANDARD_PATH, *env), output)
        if reason:
            raise HookFailed(kind, index, reason)


def run_poststop(
    hooks: tuple[Hook, ...], state: str, *, cwd: str, annotations: Mapping[str, str]
) -> None:
    """Run all poststop hooks: a failure is logged, and keeps none from running."""
    with Output(annotations) as output:
        for index, hook in enumerate(hooks):
            if reason := _run(hook, state.encode(), cwd, (STANDARD_PATH,), output):
                _log.error(str(HookFailed("poststop", index, reason)))


class Output:
    """Where annotations want the hooks' output, for a `with`: descriptors of stdout and stderr."""

    def __init__(self, annotations: Mapping[str, str]) -> None:
        self.fds = -1, -1
        if any([key.startswith("run.oci.hooks.") for key in annotations]):
            from .annotations import open_output  # rare

            self.fds = open_output(annotations)

    def __enter__(self) -> tuple[int, int]:
        return self.fds

    def __exit__(self, *exc: object) -> None:
        for fd in self.fds:
            if fd >= 0:
                posix.close(fd)


def _run(hook: Hook, state: bytes, cwd: str, env: tuple[str, ...], given: tuple[int, int]) -> str:
    """Run one hook; return why it failed, or nothing."""
    in_reader, in_writer = posix.pipe2(posix.O_CLOEXEC)
    out_reader, out_writer = posix.pipe2(posix.O_CLOEXEC)
    failed_reader, failed_writer = posix.pipe2(posix.O_CLOEXEC)
    pid = 0
    before = hold_stops()  # until it is known whom to end
    try:
        pid = posix.fork()
        if not pid:
            _child(hook, (in_reader, out_writer, failed_writer), cwd, env, given)
        set_mask(before)
        for fd in (in_reader, out_writer, failed_writer):
            posix.close(fd)
        refused = posix.read(failed_reader, 4096).decode(errors="replace")
        if refused:
            posix.waitpid(pid, 0)
            return refused
        return Watch(pid, hook, state, in_writer, out_reader).until_it_ends()
    except BaseException:
        # We are interrupted: a hook that went on would act on a container that is undone.
        end(pid)
        set_mask(before)
        raise
    finally:
        for fd in (in_writer, out_reader, failed_reader):
            posix.close(fd)


def end(pid: int) -> None:
    """End a hook that is not to go on, with those of its children that stayed; 0 is none."""
    if not pid:
        return
    # Its group first: while it has not been seen off, nobody else can have its number.  There is
    # none if it has just been forked, and none of ours if all of it runs as somebody else.
    for target in (-pid, pid):
        try:
            posix.kill(target, 9)
        except (ProcessLookupError, PermissionError):
            pass
    try:
        posix.waitpid(pid, 0)
    except ChildProcessError:
        pass  # it had been seen off


def _child(
    hook: Hook, pipes: tuple[int, int, int], cwd: str, env: tuple[str, ...], given: tuple[int, int]
) -> NoReturn:
    stdin, output, failed = pipes
    try:
        stdout, stderr = [fd if fd >= 0 else output for fd in given]
        _become(hook, (stdin, stdout, stderr), cwd, env)
    except OSError as e:
        text = f"fork/exec {hook.path}: {(e.strerror or '').lower()}"
        posix.write(failed, text.encode())
    finally:
        posix._exit(127)


def _become(hook: Hook, stdio: tuple[int, int, int], cwd: str, env: tuple[str, ...]) -> None:
    posix.setsid()
    # Moved above first: they may be 0 to 2 themselves.
    moved = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in stdio]
    for number, fd in enumerate(moved):
        posix.dup2(fd, number)
    # Engines leak descriptors to us, the container's pipes among them; a hook that stays would
    # hold them open.
    for name in posix.listdir("/proc/self/fd"):
        fd = int(name)
        try:
            if fd > 2:
                posix.set_inheritable(fd, False)
        except OSError:
            pass  # the listing's own
    posix.chdir(cwd)
    given = env if hook.env is None else hook.env
    variables = {name: value for name, _, value in [e.partition("=") for e in given]}
    reset_signals()
    posix.execve(hook.path, list(hook.args) or [hook.path], variables)


class Watch:
    """Feeds one hook, keeps what it says, and waits for its end or its time-out."""

    def __init__(self, pid: int, hook: Hook, state: bytes, stdin: int, output: int) -> None:
        self.pid, self.hook, self.rest, self.stdin, self.output = pid, hook, state, stdin, output
        self.said = b""
        self.poll = select.poll()

    def until_it_ends(self) -> str:
        """Return why it failed, or nothing."""
        limit = self.hook.timeout
        last = time.monotonic() + limit if limit else None
        posix.set_blocking(self.stdin, False)
        pidfd = posix.pidfd_open(self.pid)
        self.poll.register(pidfd, select.POLLIN)
        self.poll.register(self.output, select.POLLIN)
        self.poll.register(self.stdin, select.POLLOUT)
        try:
            while True:
                left = None if last is None else round((last - time.monotonic()) * 1000)
                if left is not None and left <= 0:
                    end(self.pid)
                    return f"hook ran past specified timeout of {float(limit or 0)}s"
                ready = dict(self.poll.poll(None if left is None else min(left, _LONGEST_WAIT)))
                if self.stdin in ready:
                    self._feed()
                if self.output in ready:
                    self._listen()
                elif pidfd in ready:
                    # Only when nothing more is to be read: its last words are the best.
                    return self._verdict()
        finally:
            posix.close(pidfd)

    def _feed(self) -> None:
        """Write what fits of the document; a hook need not read it."""
        try:
            self.rest = self.rest[posix.write(self.stdin, self.rest) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self.rest = b""  # it does not want to know
        if not self.rest:
            # The end of the document is the end of the file; the number stays ours to close.
            self.poll.unregister(self.stdin)
            null = posix.open("/dev/null", posix.O_WRONLY | posix.O_CLOEXEC)
            posix.dup2(null, self.stdin, inheritable=False)
            posix.close(null)

    def _listen(self) -> None:
        part = posix.read(self.output, 65536)
        self.said = (self.said + part)[:_CAPTURED]
        if not part:
            self.poll.unregister(self.output)

    def _verdict(self) -> str:
        _, status = posix.waitpid(self.pid, 0)
        code = posix.waitstatus_to_exitcode(status)
        if code == 0:
            return ""
        how = f"exit status {code}" if code > 0 else f"signal {-code}"
        return f"{how}, output: {self.said.decode(errors='replace').strip()}"
