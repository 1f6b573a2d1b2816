"""The manager of no cgroup: `--cgroup-manager disabled`."""

from __future__ import annotations

from .errors import CgroupError
from .state import CgroupState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from .entry import Entry
    from .events import Events
    from .resources import LinuxDeviceCgroup, LinuxResources
    from .stats import Stats


class Manager:
    """Leaves processes where they are, and refuses every limit."""

    path = ""

    @property
    def paths(self) -> dict[str, str]:
        return {}

    def create(self, resources: LinuxResources | None = None) -> int | None:
        if resources is not None:
            self.apply(resources)
        return None

    def add(self, pid: int, sub: str = "", controllers: tuple[str, ...] | None = None) -> None:
        if sub:
            raise CgroupError("the container is not using cgroups")

    def open_entry(self, sub: str = "", controllers: tuple[str, ...] | None = None) -> Entry | None:
        return None

    def apply(self, resources: LinuxResources) -> None:
        from .controllers import has_limits

        if has_limits(resources) or not all([_is_for_all(r) for r in resources.devices or ()]):
            raise CgroupError("cannot set limits without cgroups")

    def stats(self) -> Stats:
        raise CgroupError("the container is not using cgroups")

    def events(self) -> Events:
        raise CgroupError("the container is not using cgroups")

    def freeze(self) -> None:
        raise CgroupError("cannot pause the container without a cgroup")

    def thaw(self) -> None:
        raise CgroupError("cannot resume the container without a cgroup")

    def is_frozen(self) -> bool:
        return False

    def pids(self, recursive: bool = True) -> tuple[int, ...]:
        raise CgroupError("the container is not using cgroups")

    def kill(self, signal: int) -> None:
        raise CgroupError("the container is not using cgroups")

    def remove(self) -> None:
        """Do nothing: there is nothing."""

    def chown(self, uid: int, sub: str = "") -> None:
        """Do nothing: there is nothing."""

    def oom_kills(self) -> int | None:
        return None

    def exists(self) -> bool:
        return False

    def to_state(self) -> CgroupState:
        return CgroupState(manager="disabled", paths={})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        """Do nothing: there is nothing."""


def _is_for_all(rule: LinuxDeviceCgroup) -> bool:
    """Tell whether the rule is about every device: such rules say nothing about a cgroup."""
    return (rule.type or "a") == "a" and rule.major in (None, -1) and rule.minor in (None, -1)
