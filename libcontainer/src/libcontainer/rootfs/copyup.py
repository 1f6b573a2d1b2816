"""Fill a new tmpfs with what the directory below it holds: the mount option `tmpcopyup`.

Not on a hot path, and not in a hostile one: the tmpfs is still detached, so nobody else can
change it, and the image's files are opened by name below handles, never through links.
"""

from __future__ import annotations

import posix
import stat

_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC
_CHUNK = 1 << 20  # bytes


def copy_tree(source: int, target: int) -> None:
    """Copy everything below the directory handle `source` into `target`.

    Owners, modes, links, times and extended attributes are kept; hard links become copies.
    """
    for name in posix.listdir(source):
        _copy(name, source, target)


def _copy(name: str, source: int, target: int) -> None:
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
        there = posix.open(name, flags, 0o600, dir_fd=target)
        try:
            if kind == stat.S_IFDIR:
                copy_tree(here, there)
            else:
                while part := posix.read(here, _CHUNK):
                    posix.write(there, part)
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


def open_for_copy(mount: int) -> int:
    """Return a readable handle of a directory's O_PATH handle."""
    return posix.open(".", _READ | posix.O_DIRECTORY, dir_fd=mount)
