"""Acting on every container whose id matches a regular expression."""

from __future__ import annotations

import re

from libcontainer import _log
from libcontainer.errors import failures
from libcontainer.state import container_ids

from .output import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The classes of POSIX's bracket expressions, which Python does not have.  re_format(7)
_RANGES = {
    "alnum": "A-Za-z0-9",
    "alpha": "A-Za-z",
    "blank": " \\t",
    "cntrl": "\\x00-\\x1f\\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": "!-/:-@\\[-`{-~",
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
# What is escaped, or a whole bracket expression: its negation, and what it has.
_PART = re.compile(
    r"\\.|\[(\^?)(\]?(?:\[([:.=]).*?\3\]|\\.|\[(?![:.=])|[^\]\\[])*)\]|\[", re.DOTALL
)
# What such an expression has: a class, a collating symbol, or one character.
_ITEM = re.compile(r"\[:(?P<kind>.*?):\]|\[([.=])(?P<symbol>.+?)\2\]|\\.|.", re.DOTALL)


def each(pattern: str, root: str, act: Callable[[str], None]) -> int:
    """Do `act` to each; what fails for one is a warning, and the others follow."""
    wanted = compiled(pattern)
    for id in _ids(root):
        if wanted.search(id):
            try:
                act(id)
            except failures() as e:
                _log.warning(f"container {id}: {e}")
    return 0


def _ids(root: str) -> tuple[str, ...]:
    try:
        return container_ids(root)
    except FileNotFoundError:
        return ()  # nobody has created one yet, and so none matches


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile a POSIX extended regular expression.  Raises BadOption."""
    try:
        return re.compile(_PART.sub(_translated, pattern))
    except re.error as e:
        raise BadOption(f"invalid regular expression {pattern!r}: {e}") from e


def _translated(part: re.Match[str]) -> str:
    if part[0] == "[":
        raise re.error("unterminated bracket expression")
    if part[2] is None:
        return part[0]  # an escape, which the two have in common
    negation, content = part[1], part[2]
    return f"[{negation}{''.join([_item(found) for found in _ITEM.finditer(content)])}]"


def _item(found: re.Match[str]) -> str:
    """Write one part of a bracket expression so that Python reads no more into it."""
    if (kind := found["kind"]) is not None:
        if kind not in _RANGES:
            raise re.error(f"unknown character class [:{kind}:]")
        return _RANGES[kind]
    if (symbol := found["symbol"]) is not None:
        if len(symbol) > 1:
            raise re.error(f"unknown collating symbol {symbol}")
        return re.escape(symbol)
    # Python warns of these: one day it may take them for operations on sets.
    return "\\" + found[0] if found[0] in "[&|~" else found[0]
