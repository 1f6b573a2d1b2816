"""Ways into a container's cgroup, for a process that is not there yet."""

from __future__ import annotations

import errno

from libcgroups.entry import Entry, open_entry
from libcgroups.errors import CgroupError, ControlFileError
from libcgroups.files import read_text

from ..errors import InitFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from libcgroups.protocol import CgroupManager
    from libcgroups.state import CgroupState


class Placement:
    """One way: descriptors that the process enters by, or main that moves it, or neither."""

    def __init__(self, entry: Entry | None, *, moved: bool = False) -> None:
        self.entry = entry
        self.moved = moved

    @property
    def directory(self) -> int | None:
        """A handle of the v2 cgroup to be born in."""
        return None if self.entry is None else self.entry.directory

    @property
    def tasks(self) -> tuple[int, ...]:
        """Open files of v1 that the process writes itself to."""
        return () if self.entry is None else self.entry.tasks

    def close(self) -> None:
        """Close what was opened."""
        if self.entry is not None:
            self.entry.close()


def placements(
    manager: CgroupManager, state: CgroupState, subs: Mapping[str, str], init: int
) -> Iterator[Placement]:
    """Yield the ways to try, one after the other; whoever takes one closes it.

    `subs` are cgroups below the container's by controller; "" stands for all.  Where none was
    asked for there is a second way on v2: the cgroup that `init` is in now, because what lives
    in the container may have made itself another and closed the first.  Raises CgroupError.
    """
    missing = False
    try:
        entry = _open(manager, subs)
    except ControlFileError as e:
        if e.errno != errno.ENOENT or subs or state.manager == "v1":
            raise
        missing = True
    else:
        # No descriptors and no directory either: there is no cgroup, and nothing to do.
        moved = entry is None and any(manager.paths.values())
        yield Placement(entry, moved=moved)
    if subs or state.manager == "v1":
        return
    if (path := _cgroup_of(init, state)) is not None:
        yield Placement(open_entry(path, []))
    elif missing:
        raise CgroupError("the container's cgroup has gone")


def parse_subs(words: tuple[str, ...]) -> dict[str, str]:
    """Return cgroups by controller, as runc's `--cgroup [CONTROLLER,...:]PATH` names them.

    Raises InitFailed.
    """
    found: dict[str, str] = {}
    for word in words:
        names, colon, path = word.partition(":")
        if not colon:
            if len(words) > 1:
                text = f"invalid --cgroup argument: {word} (missing <controller>: prefix)"
                raise InitFailed("cgroup", None, text)
            names, path = "", word
        if ".." in path.split("/"):
            raise InitFailed("cgroup", None, f"bad sub cgroup path: {path}")
        for name in names.split(","):
            if colon and not name:
                text = f"invalid --cgroup argument: {word} (empty <controller> prefix)"
                raise InitFailed("cgroup", None, text)
            if name in found:
                text = f"invalid --cgroup argument(s): controller {name} specified multiple times"
                raise InitFailed("cgroup", None, text)
            found[name] = path
    return found


def _open(manager: CgroupManager, subs: Mapping[str, str]) -> Entry | None:
    if "" in subs or not subs:
        return manager.open_entry(subs.get("", ""))
    controllers = {name for key in manager.paths for name in key.split(",") if name}
    entry = manager.open_entry()
    for name, path in subs.items():
        if name not in controllers:
            raise InitFailed("cgroup", None, f"unknown controller {name} in --cgroup")
        more = manager.open_entry(path, (name,))
        if entry is not None and more is not None:
            entry.tasks += more.tasks  # into the container's own first, then further down
    return entry


def read_cgroups(pid: int) -> str:
    """Return the text of a process's /proc/PID/cgroup."""
    return read_text(f"/proc/{pid}/cgroup")


def _cgroup_of(pid: int, state: CgroupState) -> str | None:
    """Return the directory of a process's v2 cgroup if it is below the container's, not itself."""
    own = state.paths.get("", "")
    # Not splitlines(): the container names its cgroups, with form feeds if it likes.
    for line in read_cgroups(pid).split("\n"):
        if line.startswith("0::"):
            path = state.root + line[3:]
            return path if own and path.startswith(own + "/") else None
    return None
