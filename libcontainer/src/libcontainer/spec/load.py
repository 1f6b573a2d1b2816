"""Text of a document to its record, or every fault that keeps it from being one."""

from __future__ import annotations

from .. import codec
from ..errors import SpecError
from .document import Spec
from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeVar

    from .._record import Record

    _R = TypeVar("_R", bound=Record)

_IDS = ("user.uid: missing", "user.gid: missing")
# Others take what is left out for 0, and so for root (CVE-2026-30892).
_WHY = ", and not taken for 0, which is root's: give both uid and gid"


def load_spec(text: str | bytes) -> Spec:
    """Return what a config.json says.  Raises SpecError with all faults of shape."""
    return _load(Spec, text)


def load_process(text: str | bytes) -> Process:
    """Return what the file of `exec --process` says.  Raises SpecError with all faults."""
    return _load(Process, text)


def _load(cls: type[_R], text: str | bytes) -> _R:
    try:
        value = codec.loads(text)
    except codec.BadJSON as e:
        raise SpecError(e.faults) from None
    try:
        return cls.from_json(value)
    except ValueError:
        # ValueError: libcgroups and libseccomp have a BadDocument of their own copy.
        raise SpecError(_all_faults(cls, value)) from None


def _all_faults(cls: type[Record], value: object) -> tuple[str, ...]:
    from .._record import faults  # the slow walks are only for bad documents
    from .partly import rule_faults

    found = [fault + _WHY if fault.endswith(_IDS) else fault for fault in faults(cls, value)]
    return (*found, *rule_faults(cls, value))
