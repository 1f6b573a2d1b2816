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
    from typing import Any

    from .bad_json import BadJSON as BadJSON
else:

    def __getattr__(name):
        if name != "BadJSON":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from .bad_json import BadJSON  # with `json`, for who has met one

        return BadJSON


MAX_DEPTH = 512  # levels of lists and objects; a config.json has 7
_BLANKS = " \t\n\r"


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


def _explain(text: str) -> Any:
    from .bad_json import explain  # a bad document may cost what it likes

    return explain(text, finite=_finite, deepest=MAX_DEPTH)


def _decode(text: bytes) -> str:
    try:
        return text.decode()
    except UnicodeDecodeError as e:
        from .bad_json import BadJSON

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
