"""User namespaces: which ids are whose, and how the kernel is told.  user_namespaces(7)."""

from __future__ import annotations

import errno
import posix

from ._record import Record, u32
from .errors import ContainerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .kernel import Kernel


class IdRange(Record):
    """One line of a map."""

    inside: u32
    outside: u32
    size: u32


class Mapping(Record):
    """The id mapping of a new user namespace."""

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]

    def host_uid(self, uid: int) -> int | None:
        """Return the host's id of a container's uid."""
        return _outside(self.uids, uid)

    def host_gid(self, gid: int) -> int | None:
        """Return the host's id of a container's gid."""
        return _outside(self.gids, gid)

    def denies_setgroups(self, euid: int) -> bool:
        """Whether an unprivileged caller can only write this map after giving up setgroups(2)."""
        return euid != 0 and len(self.gids) == 1 and self.gids[0].size == 1


def write_maps(pid: int, mapping: Mapping, kernel: Kernel, *, euid: int, egid: int) -> None:
    """Give the user namespace of `pid` its ids; the process must not have gone on yet.

    Root writes them itself, as does a user who maps nothing but himself; all else needs
    newuidmap and newgidmap, which know what /etc/subuid and /etc/subgid grant.
    """
    if euid == 0:
        kernel.write_file(f"/proc/{pid}/uid_map", _lines(mapping.uids))
        kernel.write_file(f"/proc/{pid}/gid_map", _lines(mapping.gids))
        return
    if _only(mapping.uids, euid):
        kernel.write_file(f"/proc/{pid}/uid_map", _lines(mapping.uids))
    else:
        _helper("newuidmap", pid, mapping.uids)
    if _only(mapping.gids, egid):
        kernel.write_file(f"/proc/{pid}/setgroups", "deny")
        kernel.write_file(f"/proc/{pid}/gid_map", _lines(mapping.gids))
    else:
        _helper("newgidmap", pid, mapping.gids)


def in_user_namespace(uid_map: str) -> bool:
    """Whether a uid_map's text is that of any user namespace but the first."""
    return uid_map.split() != ["0", "0", "4294967295"]


def is_nested() -> bool:
    """Whether this process is in a user namespace of its own."""
    fd = posix.open("/proc/self/uid_map", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return in_user_namespace(posix.read(fd, 4096).decode())
    finally:
        posix.close(fd)


def maps_root(map: str) -> bool:
    """Whether the text of a uid_map or gid_map has an id 0 inside."""
    return any([line.split()[0] == "0" for line in map.splitlines()])


def host_id(map: str, id: int) -> int | None:
    """Return what a uid_map's text makes of an id inside, as the map's reader sees it."""
    for line in map.splitlines():
        inside, outside, size = [int(word) for word in line.split()]
        if inside <= id < inside + size:
            return outside + id - inside
    return None


def _outside(ranges: tuple[IdRange, ...], id: int) -> int | None:
    for line in ranges:
        if line.inside <= id < line.inside + line.size:
            return line.outside + id - line.inside
    return None


def _lines(ranges: tuple[IdRange, ...]) -> str:
    return "".join([f"{line.inside} {line.outside} {line.size}\n" for line in ranges])


def _only(ranges: tuple[IdRange, ...], id: int) -> bool:
    return len(ranges) == 1 and ranges[0].size == 1 and ranges[0].outside == id


def _helper(name: str, pid: int, ranges: tuple[IdRange, ...]) -> None:
    """Run newuidmap or newgidmap, found where a system has them, never in PATH or the bundle."""
    for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"):
        path = f"{folder}/{name}"
        if posix.access(path, posix.X_OK):
            break
    else:
        text = f"map ids with {name}: not found (install the package uidmap)"
        raise MappingRefused(text, errno.ENOENT)
    numbers = [str(n) for line in ranges for n in (line.inside, line.outside, line.size)]
    said, status = _output([path, str(pid), *numbers])
    if status:
        raise MappingRefused(f"map ids with {name}: {said or f'exit status {status}'}", None)


def _output(argv: list[str]) -> tuple[str, int]:
    """Run a program with an empty environment; return what it said and its exit status."""
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    actions: list[tuple[int, ...]] = [
        (posix.POSIX_SPAWN_DUP2, writer, 1),
        (posix.POSIX_SPAWN_DUP2, writer, 2),
        # What the caller has left open, or wants preserved, is none of the program's business.
        *[
            (posix.POSIX_SPAWN_CLOSE, fd)
            for fd in map(int, posix.listdir("/proc/self/fd"))
            if fd > 2
        ],
    ]
    try:
        pid = posix.posix_spawn(argv[0], argv, {}, file_actions=actions)
    finally:
        posix.close(writer)
    said = b""
    while part := posix.read(reader, 4096):
        said += part
    posix.close(reader)
    _, status = posix.waitpid(pid, 0)
    return said.decode(errors="replace").strip(), posix.waitstatus_to_exitcode(status)


class MappingRefused(ContainerError):
    """The ids could not be mapped."""

    def __init__(self, text: str, code: int | None) -> None:
        super().__init__(text, code)
        self.text, self.errno = text, code

    def __str__(self) -> str:
        return self.text
