"""Files that exist only to be exec'ed.

The payload can open the program that it replaces, through `/proc/PID/exe` of a process that has
not replaced it yet.  So what is exec'ed is a copy of its own, that nobody can write:

* a sealed memfd has no name, and its seals forbid write, truncate and a shared writable mapping;
* mode 0511 lets it be executed but not read.  Executed by credentials that cannot read it (those
  of another user namespace), the kernel keeps the process non-dumpable and its memory out of
  reach of that namespace's CAP_SYS_PTRACE;
* where memfds may not be executed (`vm.memfd_noexec` = 2) an unnamed file on disk serves.  Damage
  to it would harm nobody else.

Both are exec'ed by their descriptor: `posix.execve(fd, argv, env)` is execveat with AT_EMPTY_PATH
in glibc 2.34 and later and in musl, and needs no /proc.  The descriptor may be close-on-exec.

Never open either again: with one writer anywhere, execve answers ETXTBSY.
"""

from __future__ import annotations

import errno
import fcntl
import posix
import stat

# linux/memfd.h, linux/fcntl.h: Linux 6.3, not in this Python's tables yet.
_MFD_EXEC = 0x10
_F_SEAL_EXEC = 0x20
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_MODE = 0o511
_O_PATH = 0o10000000  # asm-generic/fcntl.h


def sealed(image: bytes, *, name: str) -> int:
    """Return a sealed memfd of mode 0511 that holds `image`, close-on-exec; the caller closes it.

    `name` is seen in /proc/PID/exe and maps as `memfd:NAME`.  Raises OSError; EACCES means that
    `vm.memfd_noexec` is 2 in this pid namespace.
    """
    fd = _memfd(name)
    try:
        _write(fd, image)
        posix.fchmod(fd, _MODE)
        _seal(fd)
    except BaseException:
        posix.close(fd)
        raise
    return fd


def executable(image: bytes, *, name: str) -> int:
    """Return a file to be exec'ed, in whichever way this host takes one: sealed, or unnamed.

    Raises OSError.
    """
    if not is_refused():
        return sealed(image, name=name)
    spare = Spare()
    return spare.fill(image)


def is_refused() -> bool:
    """Whether no memfd may be executed in our pid namespace.

    Kernel: Documentation/admin-guide/sysctl/vm.rst, memfd_noexec; Linux 6.3.
    """
    try:
        fd = posix.open("/proc/sys/vm/memfd_noexec", posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return False
    try:
        return posix.read(fd, 16).strip() == b"2"
    finally:
        posix.close(fd)


class Spare:
    """An unnamed file that is filled and exec'ed where no folder of the host is in sight.

    Whoever opened it and hands it on closes it first: with a writer left nobody can exec it.
    """

    def __init__(self, folders: tuple[str, ...] = ("/run", "/tmp", "/var/tmp")) -> None:
        """Take the first of the folders that has executable files.  Raises OSError."""
        self.writer = self.handle = -1
        for folder in folders:
            try:
                self._open(folder)
                return
            except OSError:
                self.close()
        text = f"memfds may not be executed (vm.memfd_noexec), nor files in {', '.join(folders)}"
        raise OSError(errno.EACCES, text, "the stub")

    def _open(self, folder: str) -> None:
        if posix.statvfs(folder).f_flag & posix.ST_NOEXEC:
            raise OSError(errno.EACCES, "mounted noexec", folder)
        # O_EXCL: never to be given a name.
        flags = posix.O_TMPFILE | posix.O_RDWR | posix.O_EXCL | posix.O_CLOEXEC
        self.writer = posix.open(folder, flags, 0o700)
        self.handle = posix.open(f"/proc/self/fd/{self.writer}", _O_PATH | posix.O_CLOEXEC)
        _require_same(self.writer, self.handle, folder)

    def stand_aside(self, lowest: int) -> None:
        """Move to numbers from `lowest` on."""
        writer, handle = [
            fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, lowest) for fd in (self.writer, self.handle)
        ]
        self.close()
        self.writer, self.handle = writer, handle

    def fill(self, image: bytes) -> int:
        """Write the image; return what is exec'ed.  Once."""
        try:
            _write(self.writer, image)
            posix.fchmod(self.writer, _MODE)
            fd, self.handle = self.handle, -1
            return fd
        finally:
            self.close()

    def close(self) -> None:
        """Let go of it."""
        for fd in (self.writer, self.handle):
            if fd >= 0:
                posix.close(fd)
        self.writer = self.handle = -1


def _memfd(name: str) -> int:
    flags = posix.MFD_CLOEXEC | posix.MFD_ALLOW_SEALING
    try:
        return posix.memfd_create(name, flags | _MFD_EXEC)
    except OSError as e:
        if e.errno != errno.EINVAL:
            raise OSError(e.errno, f"memfd_create: {e.strerror}", name) from None
    # Before Linux 6.3 the flag is unknown and every memfd can be executed.
    return posix.memfd_create(name, flags)


def _write(fd: int, image: bytes) -> None:
    rest = memoryview(image)
    while rest:
        rest = rest[posix.write(fd, rest) :]


def _seal(fd: int) -> None:
    try:
        # Best effort, before the others because F_SEAL_SEAL ends all sealing: without it the
        # mode could be changed by the owner, no more.
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _F_SEAL_EXEC)
    except OSError as e:
        if e.errno != errno.EINVAL:  # before Linux 6.3
            raise
    # The exec seal may have brought the write seals with it; adding them again is no fault.
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
    if fcntl.fcntl(fd, fcntl.F_GET_SEALS) & _SEALS != _SEALS:
        raise OSError(errno.EPERM, "seal the stub: the seals did not hold")


def _require_same(writer: int, fd: int, folder: str) -> None:
    """Raise unless `fd` is the file behind `writer`, unnamed and regular."""
    made, found = posix.fstat(writer), posix.fstat(fd)
    same = (made.st_dev, made.st_ino) == (found.st_dev, found.st_ino)
    if not same or found.st_nlink or not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ESTALE, "make an executable file: not the file that was made", folder)
