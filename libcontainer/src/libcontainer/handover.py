"""What passes between the caller and a container's process: descriptors, pid file, pidfd."""

from __future__ import annotations

import posix

from .errors import InitFailed


def check_preserved(count: int) -> None:
    """Raise InitFailed unless the descriptors from 3 on are open, as many as are passed on.

    One that closes on exec is our own, and not what the caller meant.
    """
    if count < 0:
        raise InitFailed("preserve-fds", None, f"preserve-fds must not be negative: {count}")
    for i in range(count):
        try:
            given = posix.get_inheritable(3 + i)
        except OSError:
            given = False
        if not given:
            from errno import EBADF

            why = posix.strerror(EBADF).lower()
            text = f"unable to stat preserved-fd {3 + i} (of {count}): {why}"
            raise InitFailed("preserve-fds", EBADF, text)


def write_pid_file(path: str, pid: int) -> None:
    """Write a pid in decimal, so that the file is never seen half written."""
    folder, _, name = path.rpartition("/")
    new = f"{folder + '/' if folder or path[:1] == '/' else ''}.{name}.{posix.getpid()}"
    # Exclusively: in a folder of others, what is there under that name is not ours.
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        fd = posix.open(new, flags, 0o666)
        try:
            posix.write(fd, str(pid).encode())
            posix.rename(new, path)
        except BaseException:
            posix.unlink(new)
            raise
        finally:
            posix.close(fd)
    except OSError as e:
        why = (e.strerror or "").lower()
        raise InitFailed("pid file", e.errno, f"write pid file {path}: {why}") from e


class PidfdSocket:
    """A socket whose owner wants a pidfd of the process.  Connected before there is one."""

    def __init__(self, path: str) -> None:
        from .console import ConsoleSocket  # rare

        self._socket = ConsoleSocket(path, "pidfd socket")

    def send(self, pid: int, kind: str) -> None:
        """Send it, with `standard` for init and `setns` for a tenant, as runc does; hang up."""
        fd = posix.pidfd_open(pid)
        try:
            self._socket.send(fd, kind)
        finally:
            posix.close(fd)
            self._socket.close()
