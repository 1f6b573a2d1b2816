"""Fill a new tmpfs with what the directory below it holds: the mount option `tmpcopyup`.

Not on a hot path.  The tmpfs is still detached, so nobody else can change it.  The image can be
changed meanwhile, by whoever shares it, or by the container itself when it runs: so each name is
looked up once, to a handle, never through a link, and kind, owner, mode and content are all asked
of that.  Else a file of root's with set-id bits could lend them to the content of another.
"""

from __future__ import annotations

import errno
import posix
import stat

from ..kernel import constants as c
from . import resolve

# Not blocking: what was a file when it was looked at may be a fifo by now.
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
_WRITE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC | posix.O_NOFOLLOW
_PROC = "/proc/self/fd"
_CHUNK = 1 << 18  # bytes
_DEEPEST = 128  # levels of directories; each takes three descriptors while it is copied


def copy_tree(source: int, target: int, *, level: int = 0) -> None:
    """Copy everything below the directory handle `source` into `target`.

    Owners, modes, links, times and extended attributes are kept; hard links become copies.
    Raises OSError, also for a tree of more than 128 levels.
    """
    if level > _DEEPEST:
        raise OSError(errno.ELOOP, "too many levels of directories to copy up")
    for name in posix.listdir(source):
        _copy(name, source, target, level)


def _copy(name: str, source: int, target: int, level: int) -> None:
    flags = c.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC
    with resolve.Handle(posix.open(name, flags, dir_fd=source)) as handle:
        found = posix.fstat(handle)
        kind = stat.S_IFMT(found.st_mode)
        if kind == stat.S_IFDIR:
            posix.mkdir(name, 0o700, dir_fd=target)
            with (
                resolve.Handle(open_for_copy(handle)) as here,
                resolve.Handle(posix.open(name, _READ, dir_fd=target)) as there,
            ):
                copy_tree(here, there, level=level + 1)
                _copy_attributes(here, there, found)
        elif kind == stat.S_IFREG:
            with (
                resolve.Handle(_open_file(handle, name, source)) as here,
                resolve.Handle(posix.open(name, _WRITE, 0o600, dir_fd=target)) as there,
            ):
                _copy_content(here, there)
                _copy_attributes(here, there, found)
        else:
            if kind == stat.S_IFLNK:
                posix.symlink(posix.readlink("", dir_fd=handle), name, dir_fd=target)
            else:
                posix.mknod(name, found.st_mode, found.st_rdev, dir_fd=target)
            posix.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)


def _open_file(handle: int, name: str, source: int) -> int:
    """Open the file that `handle` is, which was judged: to open a device by its name might act."""
    try:
        return posix.open(f"{_PROC}/{handle}", posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError:
        # A mount namespace that is joined may have a procfs in which this process is not.
        here = posix.open(name, _READ, dir_fd=source)
    judged, found = posix.fstat(handle), posix.fstat(here)
    if (judged.st_dev, judged.st_ino) != (found.st_dev, found.st_ino):
        posix.close(here)
        raise OSError(errno.ESTALE, "changed while it was copied up", name)
    return here


def _copy_attributes(source: int, target: int, found: posix.stat_result) -> None:
    for attribute in posix.listxattr(source):
        posix.setxattr(target, attribute, posix.getxattr(source, attribute))
    # The mode after the owner: chown clears the set-id bits.
    posix.chown(target, found.st_uid, found.st_gid)
    posix.chmod(target, stat.S_IMODE(found.st_mode))
    posix.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def _copy_content(source: int, target: int) -> None:
    while part := posix.read(source, _CHUNK):
        rest = memoryview(part)
        while rest:  # a full tmpfs takes what fits, and refuses the next write
            rest = rest[posix.write(target, rest) :]


def open_for_copy(mount: int) -> int:
    """Return a readable handle of a directory's O_PATH handle."""
    return posix.open(".", _READ | posix.O_DIRECTORY, dir_fd=mount)
