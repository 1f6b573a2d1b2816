"""A step of a plan: data that says what it does and does it.

Every step is a record with `describe()` and `apply()`.  One loop applies them and, when the kernel
refuses one, says which.  A step's written form is its record with the class name under `step`.
"""

from __future__ import annotations

from ._record import BadDocument, Record
from .errors import StepFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Self

    from .kernel import Kernel
    from .rootfs.root import Rootfs

_CLASSES: dict[str, Any] = {}
# Calls that tell nothing beside the step: it does what they do.  Not those that make a mount, of
# which one step takes several.
_IMPLIED = (
    *("openat2", "write", "mount", "umount2", "mknodat", "fchownat", "fchown", "fstatfs"),
    *("sethostname", "setdomainname", "keyctl", "setns", "unshare", "prctl", "socket"),
)


class Step(Record):
    """One thing that init does, in order, before the last mile."""

    def __init_subclass__(cls) -> None:
        _CLASSES[cls.__name__] = cls

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a step by the class name under `step`."""
        if cls is not Step:
            return super().from_json(data)
        if type(data) is not dict:
            raise BadDocument("step")
        if data.get("step") not in _CLASSES:
            _declare_all()
        if data.get("step") not in _CLASSES:
            raise BadDocument("step")
        found: Self = _CLASSES[data["step"]].from_json(data)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the record with its class name."""
        return {"step": type(self).__name__} | super().to_json()

    def describe(self) -> str:
        """Say what this step does, for people and for errors."""
        raise NotImplementedError

    def load(self) -> None:
        """Import what applying needs and few steps do; in main, before the clone.

        After it nothing can be found any more: the import system is closed in init.
        """

    def prepare(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Open what must be opened before the first step changes anything."""

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Do it.  Raises OSError as the kernel said it."""
        raise NotImplementedError


def _declare_all() -> None:
    """Load what declares steps: reading a plan must not depend on what else was imported."""
    homes = ("steps", "bind", "filesystem", "remount", "devices", "cgroupfs")
    for module in ("attributes", *[f"rootfs.{home}" for home in homes]):
        __import__(f"{__package__}.{module}")


def prepare_all(steps: Iterable[Step], rootfs: Rootfs, kernel: Kernel) -> None:
    """Let each step open what it needs.  Raises StepFailed."""
    for step in steps:
        try:
            step.prepare(rootfs, kernel)
        except OSError as e:
            raise failed(step, e) from e


def apply_all(steps: Iterable[Step], rootfs: Rootfs, kernel: Kernel) -> None:
    """Apply the steps in order.  Raises StepFailed for the first that is refused."""
    for step in steps:
        try:
            step.apply(rootfs, kernel)
        except OSError as e:
            raise failed(step, e) from e


def failed(step: Step, e: OSError) -> StepFailed:
    """Say which step was refused, what the kernel said, and about what."""
    said = reason(e)
    what = e.filename
    if type(what) is str and what and what not in step.describe():
        said += f" ({what})"
    return StepFailed(step.describe(), e.errno, said)


def reason(e: OSError) -> str:
    """Return what the kernel said, for people.

    The kernel's methods name their call first, which is for those who know it.
    """
    text = e.strerror or str(e)
    call, colon, rest = text.partition(": ")
    if not colon:  # from the standard library, which names no call
        return text.lower()
    return rest if call in _IMPLIED else text
