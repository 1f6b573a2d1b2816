"""Control files: one small text in, one small text out.

The kernel takes a control file's value from a single write(2), and tells what is wrong with it by
that call's errno.  Files are opened without O_CREAT: where a controller is missing (or the
hierarchy is a plain folder by mistake) the answer is ENOENT, never a new file.  O_TRUNC is nothing
to the kernel; it makes a fake tree's files behave.
"""

from __future__ import annotations

import posix
import time
from errno import EACCES, EBUSY, EINVAL, ENODEV, ENOENT, EOPNOTSUPP, EPERM, EROFS, ESRCH

from ._record import Record
from .errors import CgroupError, ControlFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_READ = posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW
_WRITE = posix.O_WRONLY | posix.O_TRUNC | posix.O_CLOEXEC | posix.O_NOFOLLOW
# A file that is not there: never was, went with its cgroup, or belongs to a feature that is off.
ABSENT = (ENOENT, ENODEV, EOPNOTSUPP)

# How the kernel refuses a cgroup that belongs to others.
REFUSED = (EACCES, EPERM, EROFS)
# Seconds.  A killed process leaves once its memory is given back: of hundreds of gigabytes slowly.
_PATIENCE = 10.0


class Write(Record):
    """One value for one control file."""

    file: str
    value: str
    optional: bool = False  # a missing file is no error
    # The kernel checks some files against each other (limit <= memory+swap, burst <= quota), so
    # which is first depends on what is in force.  Such a write may fail with EINVAL; it is
    # repeated after the others, and only then its error counts.
    postponable: bool = False


class Directory:
    """One cgroup's directory in one hierarchy."""

    __slots__ = ("name", "path")

    def __init__(self, path: str, name: str = "") -> None:
        self.path = path
        self.name = name  # below the mount point, for messages

    def read(self, file: str) -> str:
        """Return the file's text without the last newline."""
        path = f"{self.path}/{file}"
        try:
            return read_text(path).rstrip("\n")
        except OSError as e:
            raise ControlFileError(path, None, e.errno or 0, self.name) from e

    def find(self, file: str) -> str | None:
        """Return the file's text, None where the kernel has no such file or the cgroup is gone."""
        try:
            return self.read(file)
        except ControlFileError as e:
            if e.errno in ABSENT:
                return None
            raise

    def count(self, file: str, name: str) -> int | None:
        """Return the number after `name` in a file of such lines; None if it is not there."""
        for line in (self.find(file) or "").split("\n"):
            key, _, number = line.partition(" ")
            if key == name:
                return int(number)
        return None

    def has(self, file: str) -> bool:
        return exists(f"{self.path}/{file}")

    def write(self, file: str, value: str) -> None:
        """Give the file its value."""
        if "/" in file:  # some names have a part that comes from a document
            raise CgroupError(f"{file!r} is not the name of a control file")
        path = f"{self.path}/{file}"
        try:
            write_text(path, value)
        except OSError as e:
            raise ControlFileError(path, value, e.errno or 0, self.name) from e

    def write_lines(self, file: str, lines: list[str]) -> None:
        """Give the file one line after the other, each by a write(2) of its own."""
        path, line = f"{self.path}/{file}", lines[0]
        try:
            fd = posix.open(path, _WRITE)
            try:
                for line in lines:
                    posix.write(fd, f"{line}\n".encode())
            finally:
                posix.close(fd)
        except OSError as e:
            raise ControlFileError(path, line, e.errno or 0, self.name) from e

    def kill(self) -> bool:
        """Kill every process here and below at once; False if the kernel cannot.  Linux 5.14."""
        if not self.has("cgroup.kill"):
            return False
        try:
            self.write("cgroup.kill", "1")
        except ControlFileError as e:
            if e.errno not in (ENOENT, ENODEV):
                raise
            # Gone meanwhile, and nobody was left: systemd removes a scope with its last process.
        return True

    def join(self, pid: int, errno: int, reason: str) -> None:
        """Move a process here; `reason` is what `errno` means in this hierarchy."""
        for attempt in range(5):
            try:
                return self.write("cgroup.procs", str(pid))
            except ControlFileError as e:
                if e.errno == errno:
                    text = f"cannot move process {pid} into {self.name}: {reason}"
                    raise CgroupError.because(text, errno) from e
                # EINVAL: a task that has not fully started yet
                if e.errno != EINVAL or attempt == 4:
                    raise
            time.sleep(0.03)

    def write_all(
        self,
        writes: Iterable[Write],
        explain: Callable[[Write, ControlFileError, Directory], CgroupError] | None = None,
    ) -> None:
        """Do the writes in order, the postponed ones last.

        `explain` may turn a refusal into an error that says more.
        """
        postponed = []
        for write in writes:
            try:
                self.write(write.file, write.value)
            except ControlFileError as e:
                if write.postponable and e.errno == EINVAL:
                    postponed.append(write)
                elif not (write.optional and e.errno == ENOENT):
                    raise (explain(write, e, self) if explain else e) from e.__cause__
        if postponed:
            self.write_all([write.replace(postponable=False) for write in postponed], explain)


def read_text(path: str) -> str:
    """Return a small file's whole text."""
    fd = posix.open(path, _READ)
    try:
        data = posix.read(fd, 65536)
        if len(data) >= 4096:  # a control file gives at most a page at once, longer ones in pieces
            while more := posix.read(fd, 65536):
                data += more
    finally:
        posix.close(fd)
    return data.decode("utf-8", "surrogateescape")


def write_text(path: str, text: str) -> None:
    """Give a control file its value by one write(2)."""
    fd = posix.open(path, _WRITE)
    try:
        posix.write(fd, text.encode("utf-8", "surrogateescape"))
    finally:
        posix.close(fd)


def exists(path: str) -> bool:
    try:
        posix.stat(path)
    except OSError:
        return False
    return True


def make_directories(mount: str, inside: str, name: str = "") -> list[str]:
    """Make the directory `inside` (an absolute path) below `mount`, with its parents.

    Returns those that were made, topmost first; on failure they are removed again.  What already
    exists must be a real directory: a symlink could lead out of the hierarchy.
    """
    made: list[str] = []
    path = mount
    for part in inside.split("/")[1:]:
        path = f"{path}/{part}"
        try:
            posix.mkdir(path, 0o755)
        except FileExistsError:
            if posix.lstat(path).st_mode & 0o170000 == 0o040000:
                continue
            remove_directories(made)
            raise CgroupError(f"{path} is not a directory") from None
        except OSError as e:
            remove_directories(made)
            raise ControlFileError(path, None, e.errno or 0, name, "mkdir") from e
        made.append(path)
    return made


def remove_directories(made: list[str]) -> None:
    """Undo `make_directories`.  Best effort: what others use by now stays."""
    for path in reversed(made):
        try:
            posix.rmdir(path)
        except OSError:
            continue


def children(path: str) -> list[str]:
    """Return the paths of the cgroups right below; none if it is gone."""
    try:
        entries = list(posix.scandir(path))
    except OSError:
        return []
    return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]


def signal(pids: Iterable[int], number: int) -> None:
    """Signal processes; one that has ended meanwhile is no fault."""
    for pid in pids:
        if not pid:
            continue  # v2 lists so who is of another pid namespace; kill(2) would take our group
        try:
            posix.kill(pid, number)
        except OSError as e:
            if e.errno != ESRCH:
                text = f"signal {number} to process {pid}: {str(e.strerror).lower()}"
                raise CgroupError.because(text, e.errno) from e


def remove_tree(path: str, kill: Callable[[str], None]) -> None:
    """Remove a cgroup and those below it.

    A cgroup cannot be removed while it has processes or children: children go first, then what
    is left inside is killed and given time to leave (all of them together `_PATIENCE`).
    """
    _remove_until(time.monotonic() + _PATIENCE, path, kill)


def _remove_until(end: float, path: str, kill: Callable[[str], None]) -> None:
    delay = 0.0
    while True:
        try:
            posix.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as e:
            if e.errno != EBUSY or time.monotonic() >= end:
                raise ControlFileError(path, None, e.errno or 0, "", "rmdir") from e
        for child in children(path):
            _remove_until(end, child, kill)
        if delay:  # not the first time: children may have been all that was in the way
            kill(path)
            time.sleep(delay)
        delay = min(delay * 2 or 0.001, 0.1)
