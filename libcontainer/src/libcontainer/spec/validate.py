"""Rules that the types do not say, judged without looking at the host."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .document import Spec


def validate(spec: Spec) -> None:
    """Raise SpecError with every fault."""
