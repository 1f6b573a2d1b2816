"""Records as people like to read them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._record import Record


def without_defaults(record: Record) -> dict[str, Any]:
    """Return what `from_json` reads back as the same record, with nothing said needlessly.

    `to_json` writes `"env": []` and `"terminal": false` too; here they are left out.
    """
    return {
        key: _plain(value)
        for name, key, _, default in record._fields
        if (value := getattr(record, name)) is not None and _says_something(value, default)
    }


def _says_something(value: Any, default: Any) -> bool:
    # A whole object is worth showing even if it is the default one: people look for `user`.
    return default is ... or value != default or hasattr(value, "_fields")


def _plain(value: Any) -> Any:
    # By what it can do: records of libcgroups and libseccomp have a base class of their own.
    if hasattr(value, "_fields"):
        return without_defaults(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    return value
