"""One cgroup in every v1 hierarchy that is mounted, and in the v2 one of a hybrid host.

Controllers that are mounted together are one directory; the named hierarchies (name=systemd) and
hybrid's v2 one have no limits, but who looks for a process's cgroup looks there too, and v2 has
`cgroup.kill`.
"""

from __future__ import annotations

import posix
from errno import ENOSPC

from .. import _log, files
from ..errors import CgroupError, ControlFileError, ControllerMissing
from ..files import Directory
from ..paths import Hierarchy, below, saved_hierarchy
from ..state import CgroupState, is_frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ..entry import Entry
    from ..events import Events
    from ..resources import LinuxResources
    from ..stats import Stats

# What the kernel says of a process that cannot be moved here.
_CANNOT_JOIN = (ENOSPC, "its cpuset.cpus or cpuset.mems is empty")
# The kernel's name of the controller, where it is not ours.
_KERNEL_NAMES = {"io": "blkio"}


class Manager:
    """A cgroup under v1 or hybrid."""

    def __init__(
        self, hierarchies: list[Hierarchy], *, rootless: bool = False, root: str = "/sys/fs/cgroup"
    ) -> None:
        self.hierarchies = hierarchies
        self._rootless = rootless
        self._root = root
        self._fresh = False  # made by us: nobody has changed a value yet
        self._of = {name: h for h in hierarchies for name in h.controllers}

    # -- where it is

    @property
    def paths(self) -> dict[str, str]:
        return {h.key: h.path for h in self.hierarchies}

    @property
    def path(self) -> str:
        found = self._of.get("devices") or self.hierarchies[0]
        return found.path

    def exists(self) -> bool:
        """Tell whether any part of it is there: a killed runtime may have made or left some."""
        return any([files.exists(h.path) for h in self.hierarchies])

    def to_state(self) -> CgroupState:
        return CgroupState(manager="v1", paths=self.paths, root=self._root)

    def directory_of(self, controller: str) -> Directory | None:
        """Return the directory of `controller`, None if it is not mounted or was refused."""
        found = self._of.get(_KERNEL_NAMES.get(controller, controller))
        return None if found is None else Directory(found.path, found.inside)

    # -- life

    def create(self, resources: LinuxResources | None = None) -> int | None:
        made, existed = self.make()
        try:
            self._refuse_used(existed)
        except CgroupError:
            files.remove_directories(made)
            raise
        self._fresh = not existed
        return None

    def make(self) -> tuple[list[str], list[Hierarchy]]:
        """Make the directories: return those made, and the hierarchies that had ours already."""
        made: list[str] = []
        existed = []
        for hierarchy in list(self.hierarchies):
            try:
                new = self._make(hierarchy)
            except CgroupError:
                files.remove_directories(made)
                raise
            made += new
            if hierarchy in self.hierarchies and hierarchy.path not in new:
                existed.append(hierarchy)
        return made, existed

    def _make(self, hierarchy: Hierarchy) -> list[str]:
        try:
            made = files.make_directories(hierarchy.mount, hierarchy.inside, hierarchy.inside)
        except ControlFileError as e:
            if not (self._rootless and e.errno in files.REFUSED):
                raise
            self._forget(hierarchy)
            return []
        if "cpuset" in hierarchy.controllers:
            from .cpuset import seed

            try:
                seed(hierarchy.mount, hierarchy.inside)
            except CgroupError:
                files.remove_directories(made)
                raise
        return made

    def _forget(self, hierarchy: Hierarchy) -> None:
        self.hierarchies.remove(hierarchy)
        for name in hierarchy.controllers:
            del self._of[name]

    def _refuse_used(self, existed: list[Hierarchy]) -> None:
        used = {pid for h in existed for pid in _pids(h.path, recursive=True)}
        if used:
            raise CgroupError(f"container's cgroup is not empty: {len(used)} process(es) found")
        # Also a new cgroup is frozen, if its parent is.
        if (freezer := self.directory_of("freezer")) and freezer.find("freezer.state") in (
            "FROZEN",
            "FREEZING",
        ):
            raise CgroupError("container's cgroup unexpectedly frozen")

    def open_entry(self, sub: str = "", controllers: tuple[str, ...] | None = None) -> Entry | None:
        from ..entry import open_entry

        paths = {h.key: h.path + below(sub) for h in self._chosen(controllers)}
        unified = paths.pop("", None)
        try:
            return open_entry(unified, [f"{path}/tasks" for path in paths.values()])
        except OSError as e:
            if self._rootless and e.errno in files.REFUSED:
                return None  # `add` knows which to leave out
            raise ControlFileError(e.filename, None, e.errno or 0, "", "open") from e

    def _chosen(self, controllers: tuple[str, ...] | None) -> list[Hierarchy]:
        if controllers is None:
            return list(self.hierarchies)
        return [h for h in self.hierarchies if set(controllers) & set(h.controllers)]

    def add(self, pid: int, sub: str = "", controllers: tuple[str, ...] | None = None) -> None:
        inside = below(sub)
        _log.debug(f"way into the cgroup: pid {pid} is moved")
        for hierarchy in self._chosen(controllers):
            try:
                Directory(hierarchy.path + inside, hierarchy.inside + inside).join(
                    pid, *_CANNOT_JOIN
                )
            except ControlFileError as e:
                if not (self._rootless and e.errno in files.REFUSED):
                    raise
                self._forget(hierarchy)

    def remove(self) -> None:
        for hierarchy in self.hierarchies:
            if not hierarchy.is_root:  # as a spec may say
                files.remove_tree(hierarchy.path, _kill_in)

    def chown(self, uid: int, sub: str = "") -> None:
        """Do nothing: it is not safe to give a v1 cgroup away."""

    def __enter__(self) -> Self:
        if not self.exists() and (fd := self.create()) is not None:
            posix.close(fd)
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()

    # -- limits

    def apply(self, resources: LinuxResources) -> None:
        if resources.unified:
            raise CgroupError("invalid configuration: cannot use unified on cgroup v1")
        from ..controllers import concerned

        for name in concerned(resources):
            if (directory := self.directory_of(name)) is None:
                raise self._missing(name)
            if name == "devices":
                from .devices import apply

                rules = resources.devices or ()
                apply(rules, directory, fresh=self._fresh, rootless=self._rootless)
                continue
            kernel_name = _KERNEL_NAMES.get(name, name)
            controller = __import__(f"{__package__}.{kernel_name}", None, None, ("writes",))
            writes = controller.writes(resources, directory)
            directory.write_all(writes, getattr(controller, "explain", None))

    def _missing(self, name: str) -> ControllerMissing:
        if self._rootless:
            text = f"cannot set {name} limit: container could not join or create cgroup"
            return ControllerMissing(name, text)
        name = _KERNEL_NAMES.get(name, name)
        return ControllerMissing(
            name, f"cannot set {name} limit", f"the cgroup v1 controller {name} is not mounted"
        )

    # -- what goes on

    def freeze(self) -> None:
        from .freezer import freeze

        freeze(self._freezer())

    def thaw(self) -> None:
        self._freezer().write("freezer.state", "THAWED")

    def is_frozen(self) -> bool:
        return is_frozen(self.paths)

    def _freezer(self) -> Directory:
        if (freezer := self.directory_of("freezer")) is None:
            raise ControllerMissing(
                "freezer", "cannot freeze", "the cgroup v1 controller freezer is not mounted"
            )
        return freezer

    def pids(self, recursive: bool = True) -> tuple[int, ...]:
        return _pids(self.path, recursive=recursive)

    def kill(self, signal: int) -> None:
        from .freezer import kill

        for hierarchy in self.hierarchies:
            hierarchy.refuse_root()
        kill(self, signal)

    def oom_kills(self) -> int | None:
        memory = self.directory_of("memory")
        return memory.count("memory.oom_control", "oom_kill") if memory else None

    def stats(self) -> Stats:
        from .stats import read_stats

        return read_stats(self)

    def events(self) -> Events:
        from ..events import open_v1

        return open_v1(self.directory_of("memory"), self.path)


def load(state: CgroupState) -> Manager:
    """Return the manager of a cgroup that was made before."""
    found = [saved_hierarchy(state.root, key, path) for key, path in state.paths.items()]
    return Manager(found, root=state.root)


def _pids(path: str, *, recursive: bool) -> tuple[int, ...]:
    try:
        found = tuple([int(line) for line in files.read_text(f"{path}/cgroup.procs").split()])
    except OSError:
        return ()
    if recursive:
        for child in files.children(path):
            found += _pids(child, recursive=True)
    return found


def _kill_in(path: str) -> None:
    for pid in _pids(path, recursive=True):
        try:
            files.signal((pid,), 9)
        except CgroupError:
            continue  # best effort: the removal that needs it tells
