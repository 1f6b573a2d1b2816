"""What can go wrong, as types.

    ContainerError
    ├─ SpecError         the document; every fault with its path
    ├─ BadId             the id is not a container id
    ├─ NoSuchContainer
    ├─ ContainerExists
    ├─ WrongStatus       has, and what was asked
    ├─ StepFailed        one step of the plan was refused: step, errno
    ├─ HookFailed        hook kind, index, how it ended
    └─ InitFailed        what the container's process reported before it became the payload

The texts are runc's where engines match them (lower case, no full stop).  Every error keeps its
arguments, so it can be pickled and copied; `errno` is an attribute on all of them, None if the
kernel was not involved.
"""

from __future__ import annotations

import sys

_SHOWN = 50  # faults in one line of text; `faults` has them all


class ContainerError(Exception):
    """Something about a container could not be done."""

    errno: int | None = None


def failures() -> tuple[type[Exception], ...]:
    """Return the roots of all that an operation may raise: ours, the kernel's, our libraries'."""
    found: list[type[Exception]] = [ContainerError, OSError]
    for name, root in (("libcgroups", "CgroupError"), ("libseccomp", "SeccompError")):
        # Only what is loaded can have raised.
        if (module := sys.modules.get(f"{name}.errors")) is not None:
            found.append(getattr(module, root))
    return tuple(found)


class SpecError(ContainerError):
    """The document is wrong; `faults` has one line for each fault."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        more = len(self.faults) - _SHOWN
        return "; ".join(self.faults[:_SHOWN]) + (f"; and {more} more" if more > 0 else "")


class BadId(ContainerError):
    """The container id is empty or has characters that an id may not have."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        return "invalid container ID format" if self.id else "container id cannot be empty"


class NoSuchContainer(ContainerError):
    """No container of that id below the state root."""

    def __init__(self, id: str, root: str) -> None:
        super().__init__(id, root)
        self.id, self.root = id, root

    def __str__(self) -> str:
        return "container does not exist"


class ContainerExists(ContainerError):
    """The id is in use below the state root."""

    def __init__(self, id: str) -> None:
        super().__init__(id)
        self.id = id

    def __str__(self) -> str:
        return "container with given ID already exists"


class WrongStatus(ContainerError):
    """The operation is not for a container in this status; `text` is what engines match."""

    def __init__(self, id: str, has: str, text: str) -> None:
        super().__init__(id, has, text)
        self.id, self.has, self.text = id, has, text

    def __str__(self) -> str:
        return self.text


class StepFailed(ContainerError):
    """The kernel refused one step of the plan; `errno` is what it said."""

    def __init__(self, step: str, errno: int | None, reason: str) -> None:
        super().__init__(step, errno, reason)
        self.step, self.errno, self.reason = step, errno, reason

    def __str__(self) -> str:
        return f"{self.step}: {self.reason}"


class HookFailed(ContainerError):
    """A hook could not be run, failed or took too long."""

    def __init__(self, kind: str, index: int, reason: str) -> None:
        super().__init__(kind, index, reason)
        self.kind, self.index, self.reason = kind, index, reason

    def __str__(self) -> str:
        return f"error running {self.kind} hook #{self.index}: {self.reason}"


class InitFailed(ContainerError):
    """The container's process failed before it became the payload.

    `stage` names where (empty when the text says it all), `errno` is the kernel's word.
    """

    def __init__(self, stage: str, errno: int | None, text: str) -> None:
        super().__init__(stage, errno, text)
        self.stage, self.errno, self.text = stage, errno, text

    def __str__(self) -> str:
        return self.text
