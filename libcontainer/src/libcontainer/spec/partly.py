"""The parts of a bad document that can be read, and what the rules say of those.

Only for documents that `from_json` has refused: here nobody is in a hurry.
"""

from __future__ import annotations

from .._record import _REQUIRED, _may_be_absent, _names, _reader
from .linux import Linux
from .process import Process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeVar

    from .._record import Record

    _R = TypeVar("_R", bound=Record)


def rule_faults(cls: type[Record], value: object) -> Iterator[str]:
    """Yield the faults by rule of a value that is not of the shape of `cls`."""
    from .document import Spec
    from .rules import process as process_rules
    from .validate import faults

    if cls is Spec:
        yield from faults(read_partly(Spec, value))
    elif cls is Process:
        yield from process_rules.faults(read_partly(Process, value), Linux(), "$")


def read_partly(cls: type[_R], value: object) -> _R:
    """Return a record in which the fields that are not of their type have no value at all.

    To ask for one of those raises AttributeError.
    """
    record = cls.__new__(cls)
    for name, json_key, text, default in cls._fields if type(value) is dict else ():
        put, item = getattr(cls, name).__set__, value.get(json_key)  # type: ignore[attr-defined]
        if item is not None:
            try:
                put(record, _part(text.removesuffix(" | None"), _names(cls, name), item))
            except ValueError:
                pass
        elif default is not _REQUIRED or _may_be_absent(text, default):
            put(record, None if default is _REQUIRED else default)
    return record


def _part(text: str, names: Any, value: Any) -> Any:
    """Read one value of the declared type `text`.  Raises ValueError."""
    if text[:6] == "tuple[" and type(value) is list:
        return tuple([_part(text[6:-6], names, item) for item in value])
    if text[:5] == "dict[" and type(value) is dict:
        return {name: _part(text[10:-1], names, item) for name, item in value.items()}
    if hasattr(names.get(text), "_fields"):
        return read_partly(names[text], value)
    return _reader(text, names)(value)
