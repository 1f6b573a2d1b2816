"""One cgroup in the v2 tree.

A controller's files are in a cgroup only if its parent hands the controller down
(`cgroup.subtree_control`), and that parent may then hold no processes itself.  The cgroup itself
hands nothing down: that is for whoever lives in it.
"""

from __future__ import annotations

import posix
from errno import EBUSY, ENOENT

from .. import _log, files
from ..errors import CgroupError, ControlFileError, ControllerMissing
from ..files import Directory
from ..paths import Hierarchy, below
from ..state import CgroupState, is_frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ..bpf import Bpf
    from ..entry import Entry
    from ..events import Events
    from ..resources import LinuxResources
    from ..stats import Stats

# What the kernel says of a process that cannot be moved here.
_CANNOT_JOIN = (EBUSY, "it hands controllers to cgroups below, so it can hold no processes")
# Those without a thread-wise mode: a threaded cgroup cannot have their limits.
_DOMAIN_ONLY = ("memory", "io", "hugetlb", "rdma")
_IGNORED = ("net_cls", "net_prio")  # v1 only
_SIGKILL = 9


class Manager:
    """A cgroup under v2."""

    def __init__(
        self,
        hierarchy: Hierarchy,
        *,
        rootless: bool = False,
        default: bool = False,
        root: str = "/sys/fs/cgroup",
        bpf: Bpf | None = None,
    ) -> None:
        self.hierarchies = [hierarchy]
        self._rootless = rootless
        self._default = default  # nobody asked for this very path
        self._root = root
        self._bpf = bpf
        self._refused = False  # it could not be made, and that was tolerable
        self.directory = Directory(hierarchy.path, hierarchy.inside)

    # -- where it is

    @property
    def path(self) -> str:
        return self.directory.path

    @property
    def _place(self) -> tuple[str, str]:
        return self.hierarchies[0].mount, self.hierarchies[0].inside

    def directory_of(self, controller: str) -> Directory | None:
        """Return the directory: on v2 there is one for all."""
        return self.directory

    @property
    def paths(self) -> dict[str, str]:
        return {"": self.path}

    def exists(self) -> bool:
        return files.exists(self.path)

    def to_state(self) -> CgroupState:
        paths = {} if self._refused else self.paths
        return CgroupState(manager="v2", paths=paths, root=self._root)

    # -- life

    def create(self, resources: LinuxResources | None = None) -> int | None:
        try:
            made = files.make_directories(*self._place, self.directory.name)
        except ControlFileError as e:
            if not (self._rootless and e.errno in files.REFUSED):
                raise
            self._go_without(resources)
            return None
        try:
            self._hand_down(made, resources)
            if self.path not in made:
                self._refuse_used()
            self._refuse_frozen()
            return posix.open(self.path, posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        except CgroupError:
            files.remove_directories(made)
            raise

    def _go_without(self, resources: LinuxResources | None) -> None:
        from ..controllers import has_limits

        if not self._default or (resources is not None and has_limits(resources)):
            raise CgroupError(
                "rootless needs no limits + no cgrouppath when no permission is granted for cgroups"
            )
        self._refused = True

    def _hand_down(self, made: list[str], resources: LinuxResources | None) -> None:
        """Enable every available controller in all cgroups above ours."""
        from .tree import hand_down, settle_type

        hand_down(*self._place)
        for path in made:
            settle_type(Directory(path), needs_domain=resources is not None and _needs(resources))

    def _refuse_used(self) -> None:
        if used := self.pids():
            raise CgroupError(f"container's cgroup is not empty: {len(used)} process(es) found")

    def _refuse_frozen(self) -> None:
        # By the events, not by cgroup.freeze: below a frozen parent nobody would run either.
        if "\nfrozen 1" in "\n" + (self.directory.find("cgroup.events") or ""):
            raise CgroupError("container's cgroup unexpectedly frozen")

    def add(self, pid: int, sub: str = "", controllers: tuple[str, ...] | None = None) -> None:
        if not self._refused:
            inside = below(sub)
            _log.debug(f"way into the cgroup: pid {pid} is moved")
            Directory(self.path + inside, self.directory.name + inside).join(pid, *_CANNOT_JOIN)

    def open_entry(self, sub: str = "", controllers: tuple[str, ...] | None = None) -> Entry | None:
        if self._refused:
            return None
        from ..entry import open_entry

        try:
            return open_entry(self.path + below(sub), [])
        except OSError as e:
            raise ControlFileError(e.filename, None, e.errno or 0, "", "open") from e

    def remove(self) -> None:
        if not (self._refused or self.hierarchies[0].is_root):
            files.remove_tree(self.path, self._kill_all)

    def chown(self, uid: int, sub: str = "") -> None:
        if not self._refused:
            from .tree import chown

            files.make_directories(self.path, below(sub))
            chown(self.path + below(sub), uid)

    def __enter__(self) -> Self:
        if not self.exists() and (fd := self.create()) is not None:
            posix.close(fd)
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()

    # -- limits

    def apply(self, resources: LinuxResources) -> None:
        from ..controllers import concerned

        names = concerned(resources)
        if self._refused:
            if names != ["devices"]:
                self._go_without(resources)
            return
        for name in names:
            if name == "devices":
                self._apply_devices(resources)
            elif name in _IGNORED:
                from .._log import warning

                warning(f"{name} is ignored: cgroup v2 has none")
            else:
                self._write(name, resources)
        if resources.unified:  # last: it is the most specific, and overrides
            self._write("unified", resources)

    def _write(self, name: str, resources: LinuxResources) -> None:
        controller = __import__(f"{__package__}.{name}", None, None, ("writes",))
        writes = controller.writes(resources, self.directory)
        explain = getattr(controller, "explain", None)
        try:
            self.directory.write_all(writes, explain)
        except ControlFileError as e:
            if e.errno != ENOENT or name == "unified":
                raise
            from .tree import why_missing

            if (reason := why_missing(self._root, self.path, name)) is None:
                raise
            raise ControllerMissing(name, f"cannot set {name} limit", reason) from e

    def _apply_devices(self, resources: LinuxResources) -> None:
        from ..bpf import Bpf
        from .devices import apply

        apply(resources.devices or (), self.path, self._bpf or Bpf(), rootless=self._rootless)

    # -- what goes on

    def freeze(self) -> None:
        from .freezer import freeze

        freeze(self.directory)

    def thaw(self) -> None:
        from .freezer import thaw

        thaw(self.directory)

    def is_frozen(self) -> bool:
        return not self._refused and is_frozen(self.paths)

    def pids(self, recursive: bool = True) -> tuple[int, ...]:
        from .tree import pids

        return () if self._refused else pids(self.path, recursive=recursive)

    def kill(self, signal: int) -> None:
        self.hierarchies[0].refuse_root()
        if signal == _SIGKILL and self.directory.kill():
            return
        from .freezer import signal_all

        signal_all(self, signal)

    def _kill_all(self, _: str) -> None:
        try:
            self.kill(_SIGKILL)
        except CgroupError:
            pass  # best effort: the removal that needs it tells

    def oom_kills(self) -> int | None:
        return self.directory.count("memory.events", "oom_kill")

    def stats(self) -> Stats:
        from .stats import read_stats

        return read_stats(self)

    def events(self) -> Events:
        from ..events import open_v2

        return open_v2(self.directory)


def load(state: CgroupState) -> Manager:
    """Return the manager of a cgroup that was made before."""
    path = state.paths.get("", "")
    root = state.root
    inside = path.removeprefix(root)
    found = Manager(Hierarchy("", path.removesuffix(inside), inside=inside), root=root)
    found._refused = not path
    return found


def _needs(resources: LinuxResources) -> bool:
    """Tell whether a limit cannot be had in a threaded cgroup."""
    from ..controllers import concerned

    asked = concerned(resources) + [key.partition(".")[0] for key in resources.unified or ()]
    return bool(set(asked) & set(_DOMAIN_ONLY))
