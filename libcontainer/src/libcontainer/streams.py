"""The descriptors that a program hands to a process of a container."""

from __future__ import annotations

import fcntl
import os

from .errors import InitFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self


class Streams:
    """What a process is to have as 0, 1, 2, 3 ...  A context manager.

    Where the program itself has closed one of the first three, it is /dev/null.
    """

    def __init__(
        self, stdin: int | None, stdout: int | None, stderr: int | None, more: Sequence[int]
    ) -> None:
        """None is our own.  Raises InitFailed for a descriptor that is not open."""
        self._null = -1
        given = (stdin, stdout, stderr, *more)
        self.fds = tuple([self._checked(number, fd) for number, fd in enumerate(given)])
        self.moved = self.fds != (0, 1, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._null >= 0:
            os.close(self._null)

    def _checked(self, number: int, fd: int | None) -> int:
        wanted = number if fd is None else fd
        try:
            os.fstat(wanted)
        except OSError as e:
            if fd is None:
                return self._open_null()
            self.__exit__()
            what = ("stdin", "stdout", "stderr")[number] if number < 3 else "pass_fds"
            raise InitFailed("stdio", e.errno, f"{what} {fd}: bad file descriptor") from e
        return wanted

    def _open_null(self) -> int:
        if self._null < 0:
            fd = os.open("/dev/null", os.O_RDWR)
            # Not under a number that is closed itself.
            self._null = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(fd)
        return self._null
