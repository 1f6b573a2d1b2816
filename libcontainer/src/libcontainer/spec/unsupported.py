"""What is declared but not acted on yet."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .document import Spec


def unsupported(spec: Spec) -> tuple[str, ...]:
    """Return one line for each field that asks for what we cannot do yet."""
    return ()
