"""What every cgroup manager does, whatever the hierarchy and whoever owns it.

For type checkers and readers; managers satisfy it without inheriting.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from .entry import Entry
    from .events import Events
    from .resources import LinuxResources
    from .state import CgroupState
    from .stats import Stats


class CgroupManager(Protocol):
    """One cgroup: its directories in all hierarchies, and its unit where systemd owns it.

    As a context manager it makes the cgroup, if it is not there, and removes it at the end; what
    still runs in it is killed.  (systemd makes a cgroup only around a process, in `add`.)
    """

    def create(self, resources: LinuxResources | None = None) -> int | None:
        """Make the directories.

        v2 returns a directory descriptor for CLONE_INTO_CGROUP, which the caller closes; None
        means that a process is placed by `add` only.  `resources` are the limits that will be
        asked for later; they decide whether a refused controller matters.  Refuses a cgroup that
        has processes or is frozen.  On failure nothing stays behind.
        """

    def add(self, pid: int, sub: str = "", controllers: tuple[str, ...] | None = None) -> None:
        """Move a process into the cgroup, or into `sub` below it, which must exist.

        `controllers` restricts that to their v1 hierarchies.
        """

    def open_entry(self, sub: str = "", controllers: tuple[str, ...] | None = None) -> Entry | None:
        """Open what a process needs to be born in, or to enter, the cgroup by itself.

        Ten times faster than `add` (see `libcgroups.entry`).  None: only `add` will do, or (no
        cgroup at all) nothing needs to be done and `add` does it.
        """

    def apply(self, resources: LinuxResources) -> None:
        """Write limits; what is None stays.  May be called any number of times."""

    def stats(self) -> Stats:
        """Measure.  What the kernel does not tell is None."""

    def events(self) -> Events:
        """Watch for OOM kills and for the end of the last process.  The caller closes it."""

    def freeze(self) -> None:
        """Stop every process, and return when they stand."""

    def thaw(self) -> None:
        """Let them go on."""

    def is_frozen(self) -> bool:
        """Tell whether this cgroup itself was frozen (not a parent)."""

    def pids(self, recursive: bool = True) -> tuple[int, ...]:
        """Return the processes, those of the cgroups below included unless told."""

    def kill(self, signal: int) -> None:
        """Signal every process.  After SIGKILL the cgroup is thawed, or nobody would die on v1."""

    def remove(self) -> None:
        """Remove the cgroup and those below it; what is still inside is killed."""

    def chown(self, uid: int, sub: str = "") -> None:
        """Delegate the cgroup, or `sub` below it, which is made, to a user of the host.

        v2; on v1 nothing happens.
        """

    def oom_kills(self) -> int | None:
        """Return how many processes the kernel has killed for memory, None if it does not say."""

    def exists(self) -> bool: ...

    def to_state(self) -> CgroupState:
        """Return what `load_manager` needs to find the same cgroup again."""

    @property
    def path(self) -> str:
        """The cgroup's directory: v2's, or v1's of devices."""

    @property
    def paths(self) -> dict[str, str]:
        """The directory in each hierarchy, by the hierarchy's name; "" is v2."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
