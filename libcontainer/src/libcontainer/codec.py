"""JSON text to values and back.  Knows no document.

`json` costs 11 ms to import, so good text goes straight through the C scanner and encoder that
`json` itself wraps.  Whatever the scanner refuses, or what might hide something that we refuse, is
read a second time by `json`, slowly, to say what is wrong and where.

Stricter than `json`, since a runtime hands these strings to the kernel:

* a key given twice is an error; which of the two a reader takes is how a check is fooled;
* no NUL and no half of a surrogate pair in a string: the one would cut a path short, the other
  cannot be written as UTF-8;
* no NaN, no Infinity, no number beyond a float's range;
* at most MAX_DEPTH levels.
"""

from __future__ import annotations

import _json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

MAX_DEPTH = 512  # levels of lists and objects; a config.json has 7
_BLANKS = " \t\n\r"


class BadJSON(ValueError):
    """The text is not JSON that we take; `faults` has one line each, with position or path."""

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__(faults)
        self.faults = faults

    def __str__(self) -> str:
        return "; ".join(self.faults)


def loads(text: str | bytes) -> Any:
    """Return the value that the text stands for.  Raises BadJSON."""
    if isinstance(text, bytes):
        text = _decode(text)
    try:
        value, end = _scan(text, len(text) - len(text.lstrip(_BLANKS)))
        if not text[end:].strip(_BLANKS) and not _suspicious(text):
            return value
    except Exception:
        # Any: the scanner of 3.11 raises SystemError for most bad text, StopIteration for none.
        pass
    return _explain(text)


def dumps(value: Any, *, indent: str | None = None) -> str:
    """Return the value as ASCII text: compact, or in lines indented by `indent`.

    Raises ValueError for NaN and Infinity, TypeError for what JSON does not have.
    """
    if indent is not None:
        return _in_lines(value, indent, "\n")
    return "".join(_encode(value, 0))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _finite(text: str) -> float:
    if (number := float(text)) - number != 0:  # infinite: 1e999
        raise ValueError
    return number


class _Options:
    """What `json.JSONDecoder` offers its scanner; `array_hook` is read by newer versions."""

    strict, parse_float, parse_int = True, staticmethod(_finite), int
    memo: dict[str, str] = {}
    object_pairs_hook = staticmethod(_unique)
    object_hook = array_hook = parse_constant = None  # None is not callable: NaN is refused


# Any: typeshed knows the classes of `json`, not what the C code takes.
_c: Any = _json
_scan = _c.make_scanner(_Options())
# markers, default, encoder, indent, separators, sort_keys, skipkeys, allow_nan
_encode = _c.make_encoder(
    None, None, _json.encode_basestring_ascii, None, ":", ",", False, False, False
)


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as e:
        line, column = text.count(b"\n", 0, e.start) + 1, e.start - text.rfind(b"\n", 0, e.start)
        raise BadJSON((f"invalid JSON at line {line}, byte {column}: not UTF-8",)) from None


def _suspicious(text: str) -> bool:
    """Whether the text may hold what only the slow way can judge.  True is no verdict yet."""
    return (
        ("\\u" in text and ("\\u0000" in text or "\\ud" in text or "\\uD" in text))
        or text.count("{") + text.count("[") > MAX_DEPTH
        # A str made with surrogateescape has halves without any backslash.
        or not (text.isascii() or text.encode("utf-8", "ignore").decode() == text)
    )


def _in_lines(value: Any, indent: str, line: str) -> str:
    deeper = line + indent
    if type(value) is dict and value:
        items = [f"{_encode_key(k)}: {_in_lines(v, indent, deeper)}" for k, v in value.items()]
        return "{" + deeper + ("," + deeper).join(items) + line + "}"
    if type(value) in (list, tuple) and value:
        items = [_in_lines(v, indent, deeper) for v in value]
        return "[" + deeper + ("," + deeper).join(items) + line + "]"
    return "".join(_encode(value, 0))


def _encode_key(key: Any) -> str:
    if type(key) is not str:
        raise TypeError(f"a key must be str, not {type(key).__name__}")
    return _json.encode_basestring_ascii(key)


class _Refused(str):
    """Stands, in the slow reading, for a number that the text should not have."""


class _Repeated(dict):  # type: ignore[type-arg]
    """Stands, in the slow reading, for an object with a key given twice."""

    keys_twice: tuple[str, ...]


def _explain(text: str) -> Any:
    import json  # a bad document may cost what it likes

    try:
        value = json.loads(
            text,
            object_pairs_hook=_tell_repeated,
            parse_float=_tell_infinite,
            parse_int=_tell_huge,
            parse_constant=_Refused,
        )
    except json.JSONDecodeError as e:
        where = f"line {e.lineno}, column {e.colno}"
        raise BadJSON((f"invalid JSON at {where}: {_plainly(e.msg)}",)) from None
    except RecursionError:
        raise BadJSON(("invalid JSON: nested too deeply",)) from None
    if _too_deep(value):
        raise BadJSON((f"invalid JSON: nested deeper than {MAX_DEPTH} levels",))
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


def _tell_infinite(text: str) -> Any:
    try:
        return _finite(text)
    except ValueError:
        return _Refused(text)


def _tell_huge(text: str) -> Any:
    try:
        return int(text)
    except ValueError:  # more digits than int() takes; no field of ours is wider than 64 bits
        return _Refused(text)


def _too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
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
    return f"{path}[{''.join(_encode(name, 0))}]"
