"""state: one container as others see it."""

from __future__ import annotations

from ..state import open_directory
from ..status import document, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def state_document(id: str, *, root: str) -> dict[str, Any]:
    """Return the state document of a container.  Raises NoSuchContainer."""
    with open_directory(root, id) as directory:
        saved = directory.load()
        return document(saved, status_of(saved, directory))
