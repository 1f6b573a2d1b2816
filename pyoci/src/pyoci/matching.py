"""Acting on every container whose id matches a regular expression."""

from __future__ import annotations

import re

from libcontainer import _log
from libcontainer.errors import ContainerError
from libcontainer.state import container_ids

from .output import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def each(pattern: str, root: str, act: Callable[[str], None]) -> int:
    """Do `act` to each; what fails for one is a warning, and the others follow."""
    try:
        wanted = re.compile(pattern)
    except re.error as e:
        raise BadOption(f"invalid regular expression {pattern!r}: {e}") from e
    for id in container_ids(root):
        if wanted.search(id):
            try:
                act(id)
            except ContainerError as e:
                _log.warning(f"container {id}: {e}")
    return 0
