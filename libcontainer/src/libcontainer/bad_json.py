"""What is wrong with a JSON text, and where: the slow reading of what `codec` has refused."""

from __future__ import annotations

import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


class BadJSON(ValueError):
    """The text is not JSON that we take; `faults` has one line each, with position or path."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "; ".join(self.faults)


class _Refused(str):
    """Stands, in the slow reading, for a number that the text should not have."""


class _Repeated(dict):  # type: ignore[type-arg]
    """Stands, in the slow reading, for an object with a key given twice."""

    keys_twice: tuple[str, ...]


def explain(text: str, *, finite: Callable[[str], float], deepest: int) -> Any:
    """Return the value after all, if there is nothing wrong with it.  Raises BadJSON.

    `finite` reads a number, or raises ValueError; `deepest` is the most levels that are taken.
    """

    def tell_infinite(number: str) -> Any:
        try:
            return finite(number)
        except ValueError:
            return _Refused(number)

    try:
        value = json.loads(
            text,
            object_pairs_hook=_tell_repeated,
            parse_float=tell_infinite,
            parse_int=_tell_huge,
            parse_constant=_Refused,
        )
    except json.JSONDecodeError as e:
        where = f"line {e.lineno}, column {e.colno}"
        raise BadJSON((f"invalid JSON at {where}: {_plainly(e.msg)}",)) from None
    except RecursionError:
        raise BadJSON(("invalid JSON: nested too deeply",)) from None
    if _too_deep(value, deepest):
        raise BadJSON((f"invalid JSON: nested deeper than {deepest} levels",))
    if found := tuple(_faults(value, "$")):
        raise BadJSON(found)
    return value


def _plainly(message: str) -> str:
    """Put `json`'s message into our form: no capital, and no "at" that waits for a position."""
    return message[:1].lower() + message[1:].removesuffix(" at")


def _tell_repeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    repeated = _Repeated(found)
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for name, _ in pairs:
        if name in seen:
            twice[name] = None
        seen.add(name)
    repeated.keys_twice = tuple(twice)
    return repeated


def _tell_huge(text: str) -> Any:
    try:
        return int(text)
    except ValueError:  # more digits than int() takes; no field of ours is wider than 64 bits
        return _Refused(text)


def _too_deep(value: Any, deepest: int) -> bool:
    level = [value]
    for _ in range(deepest):
        level = [
            item
            for holder in level
            if isinstance(holder, dict | list)
            for item in (holder.values() if isinstance(holder, dict) else holder)
        ]
        if not level:
            return False
    return any([isinstance(item, dict | list) for item in level])


def _faults(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name in getattr(value, "keys_twice", ()):
            yield f"{_below(path, name)}: given twice"
        for name, item in value.items():
            if reason := _bad_string(name):
                yield f"{_below(path, name)}: {reason} in a key"
            yield from _faults(item, _below(path, name))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _faults(item, f"{path}[{i}]")
    elif isinstance(value, _Refused):
        shown = value if len(value) <= 20 else value[:17] + "..."
        yield f"{path}: {shown} is not a number that can be used"
    elif isinstance(value, str) and (reason := _bad_string(value)):
        yield f"{path}: {reason} in a string"


def _bad_string(text: str) -> str:
    if "\0" in text:
        return "NUL"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "half of a surrogate pair"
    return ""


def _below(path: str, name: str) -> str:
    if name.isascii() and name.isidentifier():
        return f"{path}.{name}"
    return f"{path}[{json.dumps(name)}]"
