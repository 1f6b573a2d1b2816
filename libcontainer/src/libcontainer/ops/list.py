"""list: every container below a state root."""

from __future__ import annotations

from .. import _log
from ..errors import ContainerError, NoSuchContainer
from ..state import container_ids
from .state import state_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def list_containers(*, root: str) -> tuple[dict[str, Any], ...]:
    """Return the state documents of all containers, by id.

    One that cannot be read is told and left out.  Raises OSError if the root cannot be read.
    """
    found = []
    for id in container_ids(root):
        try:
            found.append(state_document(id, root=root))
        except NoSuchContainer:
            continue  # being made, or removed since we looked
        except ContainerError as e:
            _log.warning(f"load container {id}: {e}")
    return tuple(found)
