"""A cgroup that systemd makes: a transient scope (or slice), limited by properties and by files.

systemd makes a scope only around a process, so nothing exists before `add`.  The cgroup's files
are an ordinary manager's, of v2 or v1, at the path where systemd put the unit; on v1 that
manager also makes and enters the hierarchies which systemd does not use.
"""

from __future__ import annotations

import posix
from errno import EACCES, EPERM

from .. import files
from ..errors import CgroupError, ControlFileError
from ..paths import Hierarchy, below, clean, find_hierarchies, is_unified
from ..state import CgroupState
from .names import UnitName, parse_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ..entry import Entry
    from ..events import Events
    from ..resources import LinuxResources
    from ..stats import Stats
    from ..v1.manager import Manager as V1
    from ..v2.manager import Manager as V2
    from .annotations import Property
    from .units import Units

_SUBGROUP = "run.oci.systemd.subgroup"
_SIGKILL = 9


class Manager:
    """A cgroup that is a unit."""

    def __init__(
        self,
        unit: UnitName,
        inner: V1 | V2,
        *,
        description: str = "",
        user: bool = False,
        sub: str = "",
        root: str = "/sys/fs/cgroup",
        started: bool = False,
        extra: list[Property] | None = None,
        units: Units | None = None,
    ) -> None:
        self._unit = unit
        self._inner = inner  # the same cgroup by its files
        self._description = description or unit.name
        self._user = user
        self._sub = sub
        self._root = root
        self._started = started
        self._extra = extra or []
        self._open_units = units

    @property
    def _units(self) -> Units:
        if self._open_units is None:
            from .units import Units

            self._open_units = Units(user=self._user)
        return self._open_units

    @property
    def _is_v2(self) -> bool:
        return self._inner.to_state().manager == "v2"

    # -- where it is

    @property
    def path(self) -> str:
        return self._inner.path

    @property
    def paths(self) -> dict[str, str]:
        return self._inner.paths

    def exists(self) -> bool:
        return self._inner.exists()

    def to_state(self) -> CgroupState:
        return CgroupState(
            manager="systemd",
            paths=self.paths,
            root=self._root,
            unit=self._unit.name,
            slice=self._unit.slice,
            user=self._user,
            sub=self._sub,
        )

    # -- life

    def create(self, resources: LinuxResources | None = None) -> int | None:
        """Look whether the unit can be made.  It is made around the first process, by `add`."""
        if self._inner.exists():
            if used := self._inner.pids():
                raise CgroupError(f"container's cgroup is not empty: {len(used)} process(es) found")
            if self._inner.is_frozen():
                raise CgroupError("container's cgroup unexpectedly frozen")
        if resources is not None:
            from .properties import oom_policy

            self._extra = oom_policy(resources) + self._extra
        return None

    def open_entry(self, sub: str = "", controllers: tuple[str, ...] | None = None) -> Entry | None:
        if not self._started:
            return None
        return self._inner.open_entry(f"{self._sub}/{sub}", controllers)

    def add(self, pid: int, sub: str = "", controllers: tuple[str, ...] | None = None) -> None:
        inside = below(f"{self._sub}/{sub}")
        if not self._started:
            self._start(pid)
            if not inside and self._is_v2:
                return
        try:
            self._inner.add(pid, inside, controllers)
        except ControlFileError as e:
            # Rootless: the way out of our own cgroup leads over one that is not ours.
            if e.errno not in (EACCES, EPERM) or not self._is_v2:
                raise
            self._units.attach(self._unit.name, inside or "/", pid)

    def _start(self, pid: int) -> None:
        is_slice = self._unit.name.endswith(".slice")
        found: list[Property] = [
            ("Description", "s", self._description),
            ("Wants", "as", [self._unit.slice]) if is_slice else ("Slice", "s", self._unit.slice),
            ("DefaultDependencies", "b", False),
            ("MemoryAccounting", "b", True),
            ("CPUAccounting", "b", True),
            ("IOAccounting" if self._is_v2 else "BlockIOAccounting", "b", True),
            ("TasksAccounting", "b", True),
            # A scope whose payload was killed would stay as "failed" and keep its name.
            ("CollectMode", "s", "inactive-or-failed"),
        ]
        if not is_slice:
            found += [("Delegate", "b", True), ("PIDs", "au", [pid])]
        names = [name for name, _, _ in self._extra]
        found = [item for item in found if item[0] not in names] + self._extra
        job = self._units.begin(self._unit.name, found)
        self._started = True  # ours from here on, also if it does not come to run
        self._units.finish(self._unit.name, job)
        self._settle(pid, is_slice=is_slice)

    def _settle(self, pid: int, *, is_slice: bool) -> None:
        """Make what systemd did not: v1's other hierarchies, the cgroup below the unit's."""
        inner = self._inner
        try:
            if not self._is_v2:
                inner.make()  # type: ignore[union-attr]
            for hierarchy in inner.hierarchies:
                files.make_directories(hierarchy.mount, hierarchy.inside + below(self._sub))
            if is_slice or not self._is_v2:
                inner.add(pid)
        except CgroupError:
            self.remove()
            raise

    def remove(self) -> None:
        if not self._started:
            return  # a unit of that name, and what is in its cgroup, would be another container's
        if self._inner.pids():
            self._inner.kill(_SIGKILL)  # StopUnit would ask politely, and wait for 90 s
        if self._is_still_ours():
            self._units.stop(self._unit.name)
        self._inner.remove()

    def _is_still_ours(self) -> bool:
        """Whether the unit is in our slice: it may have ended, and its name be another's by now."""
        name = self._unit.name  # that of a slice says where it is
        return name.endswith(".slice") or self._units.slice_of(name) == self._unit.slice

    def _ours(self) -> V1 | V2:
        """Return the cgroup by its files.  Raises CgroupError while it may be somebody else's."""
        if not self._started:
            raise CgroupError(f"unit {self._unit.name} has not been started")
        return self._inner

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()

    def chown(self, uid: int, sub: str = "") -> None:
        self._ours().chown(uid, f"{self._sub}/{sub}")

    # -- limits

    def apply(self, resources: LinuxResources) -> None:
        inner = self._ours()
        if self._is_v2:
            from .properties import v2_properties as properties
        else:
            if resources.unified:
                raise CgroupError("invalid configuration: cannot use unified on cgroup v1")
            from .properties import v1_properties as properties
        directory = inner.directory_of("cpu") or files.Directory(self.path)
        if self._is_v2 and resources.memory is not None:
            from ..v2.memory import check_usage

            # Before the property, which would already kill.
            check_usage(resources.memory, directory)
        if wanted := properties(resources, directory):
            self._set(wanted, with_devices=resources.devices is not None)
        inner.apply(resources)

    def _set(self, wanted: list[Property], *, with_devices: bool) -> None:
        # On v1 systemd empties the device list before it fills it again: nobody may run between.
        hold = with_devices and not self._is_v2 and not self._inner.is_frozen()
        if hold:
            self._inner.freeze()
        try:
            self._units.set(self._unit.name, wanted)
        finally:
            if hold:
                self._inner.thaw()

    # -- what goes on: by the files

    def freeze(self) -> None:
        self._ours().freeze()

    def thaw(self) -> None:
        self._ours().thaw()

    def is_frozen(self) -> bool:
        return self._inner.is_frozen()

    def pids(self, recursive: bool = True) -> tuple[int, ...]:
        return self._inner.pids(recursive)

    def kill(self, signal: int) -> None:
        self._ours().kill(signal)

    def oom_kills(self) -> int | None:
        return self._inner.oom_kills()

    def stats(self) -> Stats:
        return self._inner.stats()

    def events(self) -> Events:
        return self._inner.events()


def open_systemd(
    path: str | None,
    container_id: str,
    *,
    rootless: bool,
    annotations: dict[str, str],
    root: str,
    proc: str,
    units: Units | None = None,
) -> Manager:
    """Return the manager of a unit that need not exist yet; see `libcgroups.open_manager`."""
    from .annotations import properties

    if units is None and not files.exists("/run/systemd/system"):
        raise CgroupError("systemd not running on this host, cannot use systemd cgroups manager")
    user = rootless or posix.geteuid() != 0
    unified = is_unified(root)
    if user and not unified:
        raise CgroupError("cannot use rootless systemd cgroups manager on cgroup v1")
    extra = properties(annotations)
    unit = parse_path(path, container_id, user=user)
    if user and units is None:
        from .units import Units

        units = Units(user=True)
    # The user's systemd lives in a cgroup of its own, and its slices are below that.
    top = "" if not (user and units) else units.control_group().rstrip("/")
    return Manager(
        unit,
        _inner(clean(top + unit.cgroup), unified=unified, rootless=rootless, root=root, proc=proc),
        description=f"libcontainer container {container_id}",
        user=user,
        sub=_subgroup(annotations),
        root=root,
        extra=extra,
        units=units,
    )


def _inner(inside: str, *, unified: bool, rootless: bool, root: str, proc: str) -> V1 | V2:
    if unified:
        from ..v2.manager import Manager as V2

        return V2(Hierarchy("", root, inside=inside), rootless=rootless, root=root)
    from ..v1.manager import Manager as V1

    return V1(find_hierarchies(root, proc, inside), rootless=rootless, root=root)


def _subgroup(annotations: dict[str, str]) -> str:
    name = annotations.get(_SUBGROUP, "")
    if "/" in name or name in (".", ".."):
        raise CgroupError(f"annotation {_SUBGROUP}={name} is not a name")
    return name


def load(state: CgroupState) -> Manager:
    """Return the manager of a unit that was made before."""
    from ..manager import load_manager

    manager = "v2" if list(state.paths) == [""] else "v1"
    inner: Any = load_manager(state.replace(manager=manager))
    return Manager(
        UnitName(state.unit or "", state.slice or ""),
        inner,
        user=state.user,
        sub=state.sub,
        root=state.root,
        started=True,
    )
