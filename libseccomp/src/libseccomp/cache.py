"""Compiled profiles on disk, so that the second container does not compile.

Compiling Docker's profile takes 10 ms, reading the result a fraction of one.  A hit opens
neither libseccomp nor cffi, so the name of an entry is made of what is known without them: the
profile, this library's version, the file that libseccomp would be loaded from (path, inode, size,
time of change: a new version is a new file), and the kernel (release, build, machine), which
decides about flags and actions.

A filter is a container's confinement: whoever could write an entry could open every container.

* Directory and entry must belong to the effective user, with modes 0700 and 0600, and no symbolic
  link is followed; that is checked on the open descriptor at every read.  Otherwise the entry
  counts as absent and, for the directory, nothing is written either.
* The parents of the directory are the caller's business: below the state root.
* An entry begins with a digest of the rest, key included: a truncated file, or one moved to
  another name, is no entry.
* Entries are written under another name and renamed, so a reader never sees half of one.
"""

from __future__ import annotations

import posix
from _blake2 import blake2b
from stat import S_ISREG
from struct import Struct

from . import __version__, _log
from .program import CompiledFilter
from .soname import find

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .profile import LinuxSeccomp

_FORMAT = 1  # of an entry, and of the rules by which a profile becomes a program
_HEADER = Struct("=32sII")  # digest of all that follows and the key, flags, notifies
_LARGEST = _HEADER.size + 8 * 4096  # bytes; BPF_MAXINSNS instructions
_KEPT = 64  # entries; engines use a handful of profiles

_O_DIRECTORY = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
# O_NONBLOCK: opening a pipe that somebody put there must not wait.
_O_READ = posix.O_RDONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC | posix.O_NONBLOCK
_O_CREATE = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_NOFOLLOW | posix.O_CLOEXEC


def load(
    profile: LinuxSeccomp | bytes, directory: str, *, refuse_unknown: bool = False
) -> CompiledFilter:
    """Return the compiled profile, from the cache or by compiling it.

    `profile` may also be the JSON text of the `linux.seccomp` object; the two have different
    entries.  The directory is made if it is missing.  A cache that cannot be used or written
    costs time, never the filter.  `refuse_unknown`, and what is raised, are compile_profile's.
    """
    key = _key(profile, refuse_unknown)
    folder = None if key is None else _open_directory(directory)
    if key is None or folder is None:
        return _compile(profile, refuse_unknown)
    try:
        found = _read(folder, key)
        if found is not None:
            _log.debug(f"seccomp filter taken from the cache, entry {key}")
        else:
            found = _compile(profile, refuse_unknown)
            _write(folder, key, found)
        return found
    finally:
        posix.close(folder)


def _key(profile: LinuxSeccomp | bytes, strict: bool) -> str | None:
    """Return the name of the entry, or None if it cannot be known without opening the library."""
    where = _library()
    if where is None:
        return None
    from ._machine import machine

    host = posix.uname()
    # repr is one to one for records, and written in C for what they are made of.
    parts = (_FORMAT, __version__, where, host.release, host.version, machine())
    return blake2b(
        repr((parts, strict, profile)).encode("utf-8", "surrogatepass"), digest_size=20
    ).hexdigest()


def _library() -> tuple[str, int, int, int, int] | None:
    path = find()
    if path is None:
        return None
    try:
        file = posix.stat(path)
    except OSError:
        return None
    return path, file.st_dev, file.st_ino, file.st_size, file.st_ctime_ns


def _compile(profile: LinuxSeccomp | bytes, strict: bool) -> CompiledFilter:
    from .compiler import compile_profile

    _log.debug("seccomp filter compiled, it is not in the cache")
    if isinstance(profile, bytes):
        import json

        from .faults import read_profile

        profile = read_profile(json.loads(profile))
    return compile_profile(profile, refuse_unknown=strict)


def _open_directory(path: str) -> int | None:
    try:
        try:
            fd = posix.open(path, _O_DIRECTORY)
        except FileNotFoundError:
            _make_directory(path)
            fd = posix.open(path, _O_DIRECTORY)
    except OSError as e:
        _log.debug(f"seccomp cache not used: {path}: {e.strerror}")
        return None
    status = posix.fstat(fd)
    if _is_ours(status, 0o700):
        return fd
    posix.close(fd)
    _log.warning(f"seccomp cache not used: {path} is not ours alone (mode 0700)")
    return None


def _make_directory(path: str) -> None:
    try:
        posix.mkdir(path, 0o700)
    except FileExistsError:
        return  # by a container that starts beside this one


def _is_ours(status: posix.stat_result, mode: int) -> bool:
    return status.st_uid == posix.geteuid() and status.st_mode & 0o777 == mode


def _read(folder: int, key: str) -> CompiledFilter | None:
    try:
        fd = posix.open(key, _O_READ, dir_fd=folder)
    except FileNotFoundError:
        return None
    except OSError as e:
        _log.warning(f"seccomp cache entry {key} not used: {e.strerror}")
        return None
    try:
        status = posix.fstat(fd)
        # Two names for one file: somebody else may hold the other.
        if not S_ISREG(status.st_mode) or not _is_ours(status, 0o600) or status.st_nlink != 1:
            _log.warning(f"seccomp cache entry {key} not used: it is not ours alone (mode 0600)")
            return None
        return _decode(key, posix.read(fd, _LARGEST + 1))
    finally:
        posix.close(fd)


def _encode(key: str, compiled: CompiledFilter) -> bytes:
    body = _HEADER.pack(b"", compiled.flags, compiled.notifies)[32:] + compiled.program
    return _digest(key, body) + body


def _decode(key: str, entry: bytes) -> CompiledFilter | None:
    program = entry[_HEADER.size :]
    if not program or len(program) % 8 or len(entry) > _LARGEST:
        _damaged(key)
        return None
    digest, flags, notifies = _HEADER.unpack_from(entry)
    if digest != _digest(key, entry[32:]):
        _damaged(key)
        return None
    return CompiledFilter(program=program, flags=flags, notifies=bool(notifies))


def _damaged(key: str) -> None:
    _log.warning(f"seccomp cache entry {key} not used: it is damaged")


def _digest(key: str, body: bytes) -> bytes:
    return blake2b(body, digest_size=32, key=key.encode()).digest()


def _write(folder: int, key: str, compiled: CompiledFilter) -> None:
    """Write an entry.  Best effort: without it the next container compiles again."""
    temporary = f"{key}.{posix.getpid()}.{posix.urandom(4).hex()}"
    try:
        _make_room(folder)
        fd = posix.open(temporary, _O_CREATE, 0o600, dir_fd=folder)
        try:
            posix.fchmod(fd, 0o600)  # the umask may have taken more away than others' bits
            entry = _encode(key, compiled)
            if posix.write(fd, entry) == len(entry):
                posix.rename(temporary, key, src_dir_fd=folder, dst_dir_fd=folder)
                return
        finally:
            posix.close(fd)
        posix.unlink(temporary, dir_fd=folder)
    except OSError as e:
        _log.debug(f"seccomp cache entry {key} not written: {e.strerror}")


def _make_room(folder: int) -> None:
    """Remove the oldest entries, and with them what a killed writer left."""
    names = posix.listdir(folder)
    if len(names) < _KEPT:
        return
    ages = [(posix.stat(n, dir_fd=folder, follow_symlinks=False).st_mtime_ns, n) for n in names]
    for _, name in sorted(ages)[: len(names) - _KEPT + 1]:
        posix.unlink(name, dir_fd=folder)
