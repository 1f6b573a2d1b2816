"""Where this library's messages go.  Copied unchanged into each library, like `_record.py`.

A library never decides that: if the host program has loaded `logging`, messages go to the
logger named after the package; else to `sys.oci_log_sink`, which pyoci sets; else nowhere.  On
`sys`, because the copies of this file have no other home in common that costs no import.
"""

from __future__ import annotations

import sys


def debug(text: str) -> None:
    """Tell a decision that somebody who looks for a fault wants to know."""
    _send("debug", text)


def warning(text: str) -> None:
    """Tell that something asked for was not done, or done in another way."""
    _send("warning", text)


def error(text: str) -> None:
    """Tell of a failure that stops nothing and that nobody raises."""
    _send("error", text)


def _send(level: str, text: str) -> None:
    # Asked at every call, not at import: else the order of the host's imports would decide.
    if (logging := sys.modules.get("logging")) is not None:
        getattr(logging.getLogger((__package__ or "").partition(".")[0]), level)(text)
    elif (sink := getattr(sys, "oci_log_sink", None)) is not None:
        sink(level, text)  # a level's name and a line of text
