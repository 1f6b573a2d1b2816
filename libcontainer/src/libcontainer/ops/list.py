"""list: every container below a state root."""

from __future__ import annotations

from .. import _log
from ..errors import NoSuchContainer, failures
from ..state import container_ids
from .state import state_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def list_containers(
    *, root: str, unreadable: Callable[[str], None] = _log.warning
) -> tuple[dict[str, Any], ...]:
    """Return the state documents of all containers, by id.

    One that cannot be read is left out; `unreadable` is told which and why.  Raises OSError if
    the root cannot be read.
    """
    found = []
    for id in container_ids(root):
        try:
            found.append(state_document(id, root=root))
        except NoSuchContainer:
            continue  # being made, or removed since we looked
        except failures() as e:
            unreadable(f"load container {id}: {e}")
    return tuple(found)
