"""The table that `events` keeps up to date on a terminal."""

from __future__ import annotations

import _signal
import time

from .main import Asked, be_asked
from .output import write
from .people import amount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_ROW = "{:<20} {:>8} {:>22} {:>7} {:>7} {:>5}"


def show(id: str, events: Iterator[dict[str, Any]]) -> int:
    """Write a header, and below it one line that is written anew at each event."""
    header = _ROW.format("ID", "CPU %", "MEMORY / LIMIT", "MEM %", "PIDS", "OOM") + "\n"
    kills = 0
    last: dict[str, Any] = {}
    before, then = 0, time.monotonic()
    used: float | None = None  # percent of one CPU; not known before the second measurement
    width = 0
    be_asked(_signal.SIGTERM)  # Ctrl-C asks as it is; both leave the cursor below the table
    status = 0
    try:
        for event in events:
            if event["type"] == "oom":
                kills += 1
            else:
                last, now = event["data"], time.monotonic()
                total = _total(last)
                if before:
                    used = (total - before) / 1e7 / (now - then)
                before, then = total, now
            # Not before there is something to show: it may be an error.
            line = _line(id, last, used, kills)
            # Blanks over what is longer there: not every terminal knows how to clear a line.
            write(header + "\r" + line.ljust(width))
            header, width = "", len(line)
    except Asked as e:
        status = 0 if e.number == _signal.SIGINT else 128 + e.number
    write("\n")
    return status


def _total(data: dict[str, Any]) -> int:
    """Return the CPU time used so far, in nanoseconds."""
    return int(data["cpu"].get("usage", {}).get("total", 0))


def _line(id: str, data: dict[str, Any], used: float | None, kills: int) -> str:
    if not data:
        return _ROW.format(id[:20], "", "", "", "", kills)
    memory = data["memory"].get("usage", {})
    usage, limit = memory.get("usage", 0), memory.get("limit", 0)
    share = f"{100 * usage / limit:.1f}%" if 0 < limit < 1 << 62 else ""
    return _ROW.format(
        id[:20],
        "-" if used is None else f"{used:.1f}%",
        f"{amount(usage)} / {amount(limit)}",
        share,
        data["pids"].get("current", 0),
        kills,
    )
