"""What main changes of another process, by its pid.

Some attributes take rights on the host, which a process in its own user namespace has not, and
some would keep the process from its own work (a scheduler that allows no fork, a limit of open
files).  So main sets them, when the stub has reached the middle of its list: all opens and forks
are done, no right has been given up yet.
"""

from __future__ import annotations

import errno
import posix

from . import _log
from ._record import BadDocument, Record, i32, u64
from .errors import InitFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    from .kernel import Kernel

_CLASSES: dict[str, Any] = {}
_ALL_CPUS = b"\xff" * 1024  # more than any kernel has; it keeps those that exist
_MOST = 1 << 16  # bits of a mask; a kernel has at most 8192 CPUs and 1024 memory nodes


class Adjustment(Record):
    """One change of a process.  Written like a step: with its class name, under `adjustment`."""

    def __init_subclass__(cls) -> None:
        _CLASSES[cls.__name__] = cls

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read one by the class name under `adjustment`."""
        if cls is not Adjustment:
            return super().from_json(data)
        if type(data) is not dict or data.get("adjustment") not in _CLASSES:
            raise BadDocument("adjustment")
        found: Self = _CLASSES[data["adjustment"]].from_json(data)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the record with its class name."""
        return {"adjustment": type(self).__name__} | super().to_json()

    def describe(self) -> str:
        """Say what is changed, for people and for errors."""
        raise NotImplementedError

    def apply(self, pid: int, kernel: Kernel) -> None:
        """Do it.  Raises OSError as the kernel said it."""
        raise NotImplementedError

    def directories(self) -> tuple[str, ...]:
        """Return what it makes on the host, to be removed with the container, in order."""
        return ()

    def refusal(self, code: int) -> str:
        """Say that it was refused, in runc's words where it has any."""
        return f"{self.describe()}: {posix.strerror(code).lower()}"


class Rlimit(Adjustment):
    """A resource limit by the kernel's number; 2**64-1 is no limit.  getrlimit(2)."""

    kind: i32
    soft: u64
    hard: u64

    def describe(self) -> str:
        """Name the limit by its number."""
        return f"set rlimit type {self.kind} to {self.soft}, {self.hard}"

    def apply(self, pid: int, kernel: Kernel) -> None:
        """With prlimit(2)."""
        kernel.prlimit(pid, self.kind, self.soft, self.hard)

    def refusal(self, code: int) -> str:
        """As runc says it."""
        return f"error setting rlimit type {self.kind}: {posix.strerror(code).lower()}"


class Affinity(Adjustment):
    """The CPUs that a process may run on, among those of its cgroup.

    The kernel remembers what was once asked for, and comes back to it whenever the cpuset
    changes: a runtime started below taskset would limit the container for ever.  So without a
    list the container gets all, and its cpuset alone decides.
    """

    cpus: str | None = None  # list format, "0-3,7"

    def describe(self) -> str:
        """Name the CPUs."""
        return f"set the CPU affinity to {self.cpus or 'all CPUs'}"

    def apply(self, pid: int, kernel: Kernel) -> None:
        """With sched_setaffinity(2), after the cgroup was joined."""
        if self.cpus is not None:
            kernel.sched_setaffinity(pid, list_mask(self.cpus))
            return
        try:
            kernel.sched_setaffinity(pid, _ALL_CPUS)
        except OSError as e:
            # Best effort: what is lost is that the caller's own affinity ends with the caller.
            if e.errno not in (errno.EINVAL, errno.EPERM):
                raise
            _log.debug(f"{self.describe()}: {e.strerror}")


def list_mask(text: str) -> bytes:
    """Return the bits that a list like `0-3,7` names, in whole words of the kernel.

    Raises OSError(EINVAL) for a number that no kernel has.
    """
    bits = 0
    for part in text.split(","):
        low, _, high = part.partition("-")
        first, last = int(low), int(high or low)
        if last >= _MOST:
            raise OSError(errno.EINVAL, "no such number", text)
        bits |= ((1 << (last - first + 1)) - 1) << first
    return bits.to_bytes((bits.bit_length() + 63) // 64 * 8, "little")


def adjust(adjustments: Iterable[Adjustment], pid: int, kernel: Kernel) -> None:
    """Make the changes in order.  Raises InitFailed for the first that is refused."""
    for adjustment in adjustments:
        try:
            adjustment.apply(pid, kernel)
        except OSError as e:
            raise InitFailed("attributes", e.errno, adjustment.refusal(e.errno or 0)) from e
