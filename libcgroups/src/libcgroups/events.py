"""What happens in a cgroup: OOM kills, the end of the last process, pressure.

Every source is a file descriptor, so they can be waited for together with anything else:

* v2: inotify on memory.events and cgroup.events, which the kernel "modifies" at each change;
* v1: an eventfd registered with memory.oom_control, which also wakes at the cgroup's removal;
* PSI triggers: writing "some 150000 1000000" to a pressure file and polling it (Linux 5.2).
"""

from __future__ import annotations

import posix
import select
import time

from .errors import CgroupError, ControlFileError
from .files import Directory, exists

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

_IN_MODIFY = 2
_IN_CLOEXEC = 0o2000000


class Events:
    """A watch on one cgroup.  Close it, or use it in a `with`.

    `fileno` becomes readable when something may have happened; `read` tells what.
    """

    def __init__(self, fd: int, directory: Directory | None, path: str) -> None:
        self._fd = fd
        self._directory = directory  # where OOM kills are counted
        self._path = path
        self._kills = self._count()

    def fileno(self) -> int:
        return self._fd

    def read(self) -> tuple[str, ...]:
        """Return what happened since the last call: "oom" per kill, "empty" at the end.

        Does not wait.
        """
        self._drain()
        kills = self._count()
        found = ["oom"] * max(0, kills - self._kills)
        self._kills = max(kills, self._kills)
        if self._is_empty():
            found.append("empty")
        return tuple(found)

    def wait(self, seconds: float | None = None) -> tuple[str, ...]:
        """Wait until something happens, at most `seconds`; return what `read` does."""
        end = None if seconds is None else time.monotonic() + seconds
        while not (found := self.read()):
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                return ()
            # v1 does not say when the last process ends, so look now and then.
            rest = _LOOK if left is None else min(left, _LOOK)
            self._is_readable(rest)
        return found

    def __iter__(self) -> Iterator[str]:
        """Yield every event, until the cgroup is empty."""
        while True:
            for event in self.wait():
                if event == "empty":
                    return
                yield event

    def close(self) -> None:
        """Stop watching; harmless the second time."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()

    def _count(self) -> int:
        if self._directory is None:
            return 0
        found = self._directory.count("memory.events", "oom_kill")
        if found is None:
            found = self._directory.count("memory.oom_control", "oom_kill")
        return found or 0

    def _is_empty(self) -> bool:
        directory = Directory(self._path)
        if (text := directory.find("cgroup.events")) is not None:
            return "populated 0" in text
        return not exists(self._path) or not directory.find("cgroup.procs")

    def _drain(self) -> None:
        while self._is_readable(0):
            posix.read(self._fd, 4096)

    def _is_readable(self, seconds: float) -> bool:
        """Wait for it, at most that long.  By poll(2): select(2) takes no fd from 1024 on."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        return bool(poll.poll(seconds * 1000))


_LOOK = 1.0  # seconds


def open_v2(directory: Directory) -> Events:
    """Watch a v2 cgroup.  Raises CgroupError."""
    from ._abi import ffi

    libc: Any = ffi.dlopen(None)
    fd = int(libc.inotify_init1(_IN_CLOEXEC))
    if fd < 0:
        raise ControlFileError(directory.path, None, ffi.errno, "", "watch")
    for file in ("memory.events", "cgroup.events"):
        path = f"{directory.path}/{file}".encode("utf-8", "surrogateescape")
        if libc.inotify_add_watch(fd, path, _IN_MODIFY) < 0 and file == "cgroup.events":
            code = ffi.errno
            posix.close(fd)
            raise ControlFileError(directory.path, None, code, "", "watch")
    return Events(fd, directory, directory.path)


def open_v1(memory: Directory | None, path: str) -> Events:
    """Watch a v1 cgroup; without the memory controller there are no OOM events."""
    fd = posix.eventfd(0, posix.EFD_CLOEXEC)
    try:
        if memory is not None:
            control = posix.open(f"{memory.path}/memory.oom_control", posix.O_RDONLY)
            try:
                memory.write("cgroup.event_control", f"{fd} {control}")
            finally:
                posix.close(control)
    except OSError as e:
        posix.close(fd)
        raise ControlFileError(
            memory.path if memory else path, None, e.errno or 0, "", "watch"
        ) from e
    except CgroupError:
        posix.close(fd)
        raise
    return Events(fd, memory, path)


class PressureTrigger:
    """A PSI trigger: wakes when tasks waited `stall` within a `window`, both in microseconds.

    `file` is a v2 cgroup's `memory.pressure`, `cpu.pressure` or `io.pressure`, or one of the
    host's below /proc/pressure; `kind` is "some" or "full".  The window is 500000 to 10000000,
    and without CAP_SYS_RESOURCE a multiple of 2 s.  Kernel: Documentation/accounting/psi.rst.
    """

    def __init__(
        self, file: str, *, kind: str = "some", stall: int = 150_000, window: int = 2_000_000
    ) -> None:
        text = f"{kind} {stall} {window}"
        try:
            self._fd = posix.open(file, posix.O_RDWR | posix.O_NONBLOCK | posix.O_CLOEXEC)
        except OSError as e:
            raise ControlFileError(file, None, e.errno or 0, "", "open") from e
        try:
            posix.write(self._fd, text.encode() + b"\0")  # below /proc the last byte is cut off
        except OSError as e:
            posix.close(self._fd)
            raise ControlFileError(file, text, e.errno or 0) from e

    def fileno(self) -> int:
        return self._fd

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for pressure; False if `seconds` went by without."""
        poll = select.poll()
        poll.register(self._fd, select.POLLPRI)
        found = poll.poll(None if seconds is None else seconds * 1000)
        return bool(found and found[0][1] & select.POLLPRI)

    def close(self) -> None:
        """Stop watching; harmless the second time."""
        if self._fd >= 0:
            posix.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
