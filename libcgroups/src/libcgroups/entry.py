"""The quick way into a cgroup: a process that puts itself there.

Moving another process takes a lock that every fork and exit on the host takes too, and the kernel
waits for all of them: 10 ms and more (Linux 6.18).  Two ways need no such wait: being born inside
(CLONE_INTO_CGROUP, v2 only), and a single thread that moves itself, by writing 0 to v1's `tasks`.
So a hybrid host's process is born in the v2 cgroup and then enters those of v1.
"""

from __future__ import annotations

import posix

from . import _log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class Entry:
    """Open descriptors of a cgroup, for a process to come.  Opener and child each close it.

    `directory` is for CLONE_INTO_CGROUP, None where there is no v2.  CLONE_NEWCGROUP may go with
    it only if `tasks` is empty: else the namespace would be rooted outside.
    """

    __slots__ = ("directory", "tasks")

    def __init__(self, directory: int | None, tasks: tuple[int, ...] = ()) -> None:
        self.directory = directory
        self.tasks = tasks

    def enter(self, *, born_inside: bool = True) -> None:
        """Move the calling process, which has one thread.

        Runs in the child; the rights are those of who opened the entry.  A process that was not
        born in `directory` moves there too, which is slow.  Raises OSError.
        """
        if self.directory is not None and not born_inside:
            fd = posix.open("cgroup.procs", posix.O_WRONLY | posix.O_CLOEXEC, dir_fd=self.directory)
            posix.write(fd, b"0")
            posix.close(fd)
        for fd in self.tasks:
            posix.write(fd, b"0")

    def close(self) -> None:
        """Close all descriptors; harmless the second time, also where the first was interrupted."""
        # Each is forgotten before it is closed: its number may be another's right after that.
        while self.tasks:
            fd, self.tasks = self.tasks[0], self.tasks[1:]
            posix.close(fd)
        if self.directory is not None:
            fd, self.directory = self.directory, None
            posix.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()


def open_entry(directory: str | None, tasks: list[str]) -> Entry:
    """Open the directory of v2 and the `tasks` files of v1.  Raises OSError."""
    entry = Entry(None)
    try:
        if directory is not None:
            entry.directory = posix.open(
                directory, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
            )
        for path in tasks:
            entry.tasks += (posix.open(path, posix.O_WRONLY | posix.O_CLOEXEC),)
    except OSError:
        entry.close()
        raise
    born = f"born in {directory}" if directory is not None else "not born there"
    _log.debug(f"way into the cgroup: {born}, enters {len(tasks)} of v1 by itself")
    return entry
