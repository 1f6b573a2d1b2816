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
    "digit": "0-9",
    "lower": "a-z",
    "punct": "+_.\\-",  # of those that ids may have
    "space": "\\s",
    "upper": "A-Z",
    "xdigit": "0-9A-Fa-f",
}
_CLASSES = re.compile(rf"\[:({'|'.join(_RANGES)}):\]")


def each(pattern: str, root: str, act: Callable[[str], None]) -> int:
    """Do `act` to each; what fails for one is a warning, and the others follow."""
    try:
        wanted = re.compile(_CLASSES.sub(lambda found: _RANGES[found[1]], pattern))
    except re.error as e:
        raise BadOption(f"invalid regular expression {pattern!r}: {e}") from e
    for id in container_ids(root):
        if wanted.search(id):
            try:
                act(id)
            except failures() as e:
                _log.warning(f"container {id}: {e}")
    return 0
