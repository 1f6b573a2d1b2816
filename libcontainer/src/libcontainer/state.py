"""What is kept of a container: one directory below the state root.

    ROOT/ID/state.json      what this module's record says; replaced by rename, never in place
    ROOT/ID/config.json     the document as it was when the container was created
    ROOT/ID/resources.json  the limits in force, once an update has changed them
    ROOT/ID/start.fifo      the start barrier
    ROOT/ID/notify/         the socket by which it tells that it is ready, while we listen
    ROOT/.seccomp/          compiled filters of all containers; no container has that id

The directory is claimed first and the state committed last, so a runtime that is killed at any
instant leaves nothing that `delete --force` cannot clear.  The directory's own lock covers
read-check-commit, never a hook.  Nothing here knows the document: most commands never load it.
"""

from __future__ import annotations

import posix
import time

from libcgroups.state import CgroupState

from . import codec
from ._record import Record, faults, i64, u32, u64
from .errors import (
    BadId,
    ContainerError,
    ContainerExists,
    InitFailed,
    NoSuchContainer,
    SpecError,
)

OCI_VERSION = "1.3.0"
FIFO = "start.fifo"
NOTIFY = "notify"
FILTERS = ".seccomp"
_STATE, _CONFIG, _RESOURCES = "state.json", "config.json", "resources.json"
_LIMIT = 1 << 24  # bytes of a state file
_CHUNK = 1 << 14  # bytes; a read makes room for all that it asks for
_ID = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-.")
# Of the file system, and the directory of compiled filters beside the containers'.
_NO_IDS = (".", "..", FILTERS)


class SavedState(Record):
    """A container as it is on disk.

    `status` is what only the file can tell, creating or created; whether it runs, is paused or
    has stopped is asked of the kernel.
    """

    id: str
    status: str
    pid: i64  # init, in the runtime's pid namespace; 0 before there is one
    start_time: u64  # clock ticks since boot, against reuse of the pid
    bundle: str
    rootfs: str
    created: str  # RFC 3339
    owner: u32  # uid of who made it
    cgroup: CgroupState
    private_pids: bool  # init's end is the end of all processes of the container
    annotations: dict[str, str] = {}
    directories: tuple[str, ...] = ()  # made on the host beside the cgroup, to remove in order
    hooks: tuple[str, ...] = ()  # kinds that the document has, of those that follow create
    keyring: bool = True  # it has a session keyring of its own
    executor: str | None = None  # what runs in place of a program
    oci_version: str = OCI_VERSION


class DamagedState(ContainerError):
    """A state file that does not read."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(path, why)
        self.path, self.why = path, why

    def __str__(self) -> str:
        return f"read {self.path}: {self.why}"


class ForeignState(ContainerError):
    """A container's directory that somebody else can write: its pids and paths would be obeyed."""

    def __init__(self, path: str, owner: int) -> None:
        super().__init__(path, owner)
        self.path, self.owner = path, owner

    def __str__(self) -> str:
        return f"state directory {self.path} belongs to uid {self.owner}, not to us"


def check_id(id: str) -> None:
    """Raise BadId unless `id` is a container id: a file name, and none that means another thing."""
    if not id or id in _NO_IDS or not _ID.issuperset(id) or len(id) > 255:
        raise BadId(id)


class StateDirectory:
    """One container's directory, open and locked.  A context manager."""

    def __init__(self, root: str, id: str, fd: int) -> None:
        self.root, self.id, self.fd = root, id, fd
        self.path = f"{root}/{id}"
        self._locked = False

    def __enter__(self) -> StateDirectory:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Unlock and close.  Unlocked by name: a forked child may hold the same open file."""
        if self.fd >= 0:
            if self._locked:
                self.unlock()
            posix.close(self.fd)
            self.fd = -1

    def lock(self) -> None:
        """Wait until nobody else is between reading and committing."""
        self._flock("LOCK_EX")
        self._locked = True

    def lock_within(self, seconds: float) -> bool:
        """Lock, but wait no longer than that; return whether the lock is ours."""
        end = time.monotonic() + seconds
        while True:
            try:
                self._flock("LOCK_EX", "LOCK_NB")
                self._locked = True
                return True
            except BlockingIOError:
                if time.monotonic() >= end:
                    return False
            time.sleep(0.01)

    def unlock(self) -> None:
        """Let the next one in."""
        self._flock("LOCK_UN")
        self._locked = False

    def is_locked(self) -> bool:
        """Whether somebody else holds the lock."""
        if self._locked:
            return False  # and asking for a weaker one would give it up
        try:
            self._flock("LOCK_SH", "LOCK_NB")
        except BlockingIOError:
            return True
        self.unlock()
        return False

    def _flock(self, *flags: str) -> None:
        import fcntl  # who only looks takes no lock

        fcntl.flock(self.fd, sum([getattr(fcntl, flag) for flag in flags]))

    def save(self, state: SavedState) -> None:
        """Replace the state at once.  No fsync: after a power cut no container is left either."""
        self._write(_STATE, codec.dumps(state.to_json()))

    def load(self) -> SavedState:
        """Read the state.  Raises NoSuchContainer where there is none yet, DamagedState."""
        try:
            text = self._read(_STATE)
        except FileNotFoundError:
            raise NoSuchContainer(self.id, self.root) from None
        data: object = self
        try:
            data = codec.loads(text)
            return SavedState.from_json(data)
        except (ValueError, SpecError) as e:
            # ValueError: text that is no JSON, and libcgroups has a BadDocument of its own.
            why = str(e) if data is self else "; ".join(faults(SavedState, data))
            raise DamagedState(f"{self.path}/{_STATE}", why or str(e)) from e

    def keep_document(self, text: str) -> None:
        """Keep the document: the bundle may change or go, the container may not."""
        self._write(_CONFIG, text)

    def document(self) -> str:
        """Return the document as it was when the container was created."""
        return self._read(_CONFIG)

    def keep_resources(self, text: str) -> None:
        """Keep the limits that an update has left in force."""
        self._write(_RESOURCES, text)

    def resources(self) -> str | None:
        """Return the limits in force; None if they are still the document's."""
        try:
            return self._read(_RESOURCES)
        except FileNotFoundError:
            return None

    def make_fifo(self) -> int:
        """Make the start barrier and open it.

        For reading and writing: read only would see an end of file before there is a writer.
        """
        try:
            posix.mkfifo(FIFO, 0o600, dir_fd=self.fd)
        except OSError as e:
            raise _refused("mkfifo", f"{self.path}/{FIFO}", e) from e
        return posix.open(FIFO, posix.O_RDWR | posix.O_CLOEXEC, dir_fd=self.fd)

    def open_fifo(self) -> int | None:
        """Open the start barrier for writing; None if nobody waits at it."""
        flags = posix.O_WRONLY | posix.O_NONBLOCK | posix.O_CLOEXEC | posix.O_NOFOLLOW
        try:
            return posix.open(FIFO, flags, dir_fd=self.fd)
        except FileNotFoundError:
            return None
        except OSError as e:
            from errno import ENXIO  # 50 us, not for who only looks

            if e.errno == ENXIO:
                return None
            raise

    def remove(self) -> None:
        """Remove the directory and all in it.  What is gone already is no fault."""
        for name in posix.listdir(self.fd):
            if name == NOTIFY:
                self._remove_folder(name)
            else:
                _forgiving(posix.unlink, name, self.fd)
        if self.is_there():
            posix.rmdir(self.path)

    def _remove_folder(self, name: str) -> None:
        flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
        fd = posix.open(name, flags, dir_fd=self.fd)
        try:
            for inner in posix.listdir(fd):
                _forgiving(posix.unlink, inner, fd)
        finally:
            posix.close(fd)
        _forgiving(posix.rmdir, name, self.fd)

    def is_there(self) -> bool:
        """Whether the path still means this directory, not none or another container's."""
        try:
            found = posix.stat(self.path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return found.st_ino == posix.fstat(self.fd).st_ino

    def _read(self, name: str) -> str:
        # Not blocking: a fifo in the place of the file must not hold up `list`.
        flags = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW | posix.O_NONBLOCK
        fd = posix.open(name, flags, dir_fd=self.fd)
        try:
            found = b""
            while part := posix.read(fd, _CHUNK):
                found += part
                if len(found) > _LIMIT:
                    from errno import EFBIG

                    raise OSError(EFBIG, "too large", name)
            return found.decode("utf-8", "surrogateescape")
        finally:
            posix.close(fd)

    def _write(self, name: str, text: str) -> None:
        new = f".{name}.new"
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_TRUNC | posix.O_CLOEXEC | posix.O_NOFOLLOW
        try:
            fd = posix.open(new, flags, 0o600, dir_fd=self.fd)
            try:
                rest = text.encode("utf-8", "surrogateescape")
                while rest:
                    rest = rest[posix.write(fd, rest) :]
            finally:
                posix.close(fd)
            posix.rename(new, name, src_dir_fd=self.fd, dst_dir_fd=self.fd)
        except OSError as e:
            raise _refused("write", f"{self.path}/{name}", e) from e


def claim(root: str, id: str) -> StateDirectory:
    """Make the directory of a new container.  Raises BadId, ContainerExists."""
    check_id(id)
    make_root(root)
    path = f"{root}/{id}"
    try:
        posix.mkdir(path, 0o711)
    except FileExistsError:
        raise ContainerExists(id) from None
    except OSError as e:
        raise _refused("mkdir", path, e) from e
    return _open(root, id)


def _refused(call: str, path: str, e: OSError) -> InitFailed:
    return InitFailed("state", e.errno, f"{call} {path}: {(e.strerror or '').lower()}")


def open_directory(root: str, id: str) -> StateDirectory:
    """Open the directory of a container.  Raises BadId, NoSuchContainer, ForeignState."""
    check_id(id)
    try:
        return _open(root, id)
    except (FileNotFoundError, NotADirectoryError):
        raise NoSuchContainer(id, root) from None


def container_ids(root: str) -> tuple[str, ...]:
    """Return the ids below a state root, sorted.  Raises OSError if it cannot be read.

    Each is a directory; whether it is a container only its state tells.
    """
    ids = []
    with posix.scandir(root) as entries:
        for entry in entries:
            try:
                check_id(entry.name)
            except BadId:
                continue
            if entry.is_dir(follow_symlinks=False):
                ids.append(entry.name)
    return tuple(sorted(ids))


def _open(root: str, id: str) -> StateDirectory:
    flags = posix.O_RDONLY | posix.O_DIRECTORY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    fd = posix.open(f"{root}/{id}", flags)
    if (owner := posix.fstat(fd).st_uid) != posix.geteuid():
        posix.close(fd)
        raise ForeignState(f"{root}/{id}", owner)
    return StateDirectory(root, id, fd)


def make_root(root: str) -> None:
    """Make the state root, 0700, with its parents.  One that is there is taken as it is."""
    try:
        posix.mkdir(root, 0o700)
        return
    except FileExistsError:
        return
    except FileNotFoundError:
        parent = root.rstrip("/").rpartition("/")[0]
    if not parent:
        from errno import ENOENT

        raise FileNotFoundError(ENOENT, "no such file or directory", root)
    make_root(parent)
    try:
        posix.mkdir(root, 0o700)
    except FileExistsError:
        pass  # two at once


def _forgiving(act: object, name: str, fd: int) -> None:
    try:
        act(name, dir_fd=fd)  # type: ignore[operator]
    except FileNotFoundError:
        pass


def now() -> str:
    """Return the time as RFC 3339 in UTC, to the nanosecond."""
    seconds, rest = divmod(time.time_ns(), 10**9)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"
