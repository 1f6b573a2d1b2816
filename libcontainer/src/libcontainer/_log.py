"""Where this library's messages go.  Copied unchanged into each library, like `_record.py`.

A library never decides that: if the host program has loaded `logging`, messages go to the
logger named after the package; else to `sink`, which pyoci sets; else nowhere.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

sink: Callable[[str, str], None] | None = None  # called with a level and a line of text


def debug(text: str) -> None:
    """Tell a decision that somebody who looks for a fault wants to know."""
    _send("debug", text)


def warning(text: str) -> None:
    """Tell that something asked for was not done, or done in another way."""
    _send("warning", text)


def _send(level: str, text: str) -> None:
    # Asked at every call, not at import: else the order of the host's imports would decide.
    if (logging := sys.modules.get("logging")) is not None:
        getattr(logging.getLogger((__package__ or "").partition(".")[0]), level)(text)
    elif sink is not None:
        sink(level, text)
