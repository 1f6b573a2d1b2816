"""Fill a new tmpfs with what the directory below it holds: the mount option `tmpcopyup`.

Not on a hot path.  The tmpfs is still detached, so nobody else can change it.  The image can be
changed meanwhile, by whoever shares it: its files are opened by name below handles, never through
links, and judged again once they are open.
"""

from __future__ import annotations

import errno
import posix
import stat

# Not blocking: what was a file when it was looked at may be a fifo by now.
_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_NONBLOCK | posix.O_CLOEXEC
_CHUNK = 1 << 18  # bytes
_DEEPEST = 128  # levels of directories; each takes two descriptors while it is copied


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
    found = posix.stat(name, dir_fd=source, follow_symlinks=False)
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFLNK:
        posix.symlink(posix.readlink(name, dir_fd=source), name, dir_fd=target)
        posix.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        return
    if kind == stat.S_IFDIR:
        posix.mkdir(name, 0o700, dir_fd=target)
        flags = _READ | posix.O_DIRECTORY
    elif kind == stat.S_IFREG:
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC | posix.O_NOFOLLOW
    else:
        posix.mknod(name, found.st_mode, found.st_rdev, dir_fd=target)
        posix.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
        return
    here = posix.open(name, _READ, dir_fd=source)
    try:
        if stat.S_IFMT(posix.fstat(here).st_mode) != kind:
            raise OSError(errno.ESTALE, "changed while it was copied up", name)
        there = posix.open(name, flags, 0o600, dir_fd=target)
        try:
            if kind == stat.S_IFDIR:
                copy_tree(here, there, level=level + 1)
            else:
                _copy_content(here, there)
            for attribute in posix.listxattr(here):
                posix.setxattr(there, attribute, posix.getxattr(here, attribute))
            # The mode after the owner: chown clears the set-id bits.
            posix.chown(there, found.st_uid, found.st_gid)
            posix.chmod(there, stat.S_IMODE(found.st_mode))
            posix.utime(there, ns=(found.st_atime_ns, found.st_mtime_ns))
        finally:
            posix.close(there)
    finally:
        posix.close(here)


def _copy_content(source: int, target: int) -> None:
    while part := posix.read(source, _CHUNK):
        rest = memoryview(part)
        while rest:  # a full tmpfs takes what fits, and refuses the next write
            rest = rest[posix.write(target, rest) :]


def open_for_copy(mount: int) -> int:
    """Return a readable handle of a directory's O_PATH handle."""
    return posix.open(".", _READ | posix.O_DIRECTORY, dir_fd=mount)
