"""Rules one by one.

What could not be read of a document is not there (see `partly`), and a rule that looks for it says
no more.  The others still speak, so that all that is wrong is told at once.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def apart(*rules: Iterator[str]) -> Iterator[str]:
    """Yield what each of the rules says, as far as it comes."""
    for rule in rules:
        try:
            yield from rule
        except AttributeError as e:
            if not _is_unread(e):
                raise


def _is_unread(error: AttributeError) -> bool:
    # A field that is declared but has no value; of any library's copy of Record.
    return error.name in getattr(type(error.obj), "__match_args__", ())
