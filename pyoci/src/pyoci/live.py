"""The table that `events` keeps up to date on a terminal."""

from __future__ import annotations

import time

from .main import Asked
from .output import write
from .people import amount

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_ROW = "{:<20} {:>8} {:>22} {:>7} {:>7} {:>5}"
_START_OF_LINE, _REST_OF_LINE = "\r", "\x1b[K"


def show(id: str, events: Iterator[dict[str, Any]]) -> int:
    """Write a header, and below it one line that is written anew at each event."""
    header = _ROW.format("ID", "CPU %", "MEMORY / LIMIT", "MEM %", "PIDS", "OOM") + "\n"
    kills = 0
    last: dict[str, Any] = {}
    before, then = 0, time.monotonic()
    used = 0.0
    try:
        for event in events:
            if event["type"] == "oom":
                kills += 1
            else:
                last, now = event["data"], time.monotonic()
                total = _total(last)
                used = (total - before) / 1e7 / (now - then) if before else 0.0
                before, then = total, now
            # Not before there is something to show: it may be an error.
            write(header + _START_OF_LINE + _line(id, last, used, kills) + _REST_OF_LINE)
            header = ""
    except Asked:
        pass
    write("\n")
    return 0


def _total(data: dict[str, Any]) -> int:
    """Return the CPU time used so far, in nanoseconds."""
    return int(data["cpu"].get("usage", {}).get("total", 0))


def _line(id: str, data: dict[str, Any], used: float, kills: int) -> str:
    if not data:
        return _ROW.format(id[:20], "", "", "", "", kills)
    memory = data["memory"].get("usage", {})
    usage, limit = memory.get("usage", 0), memory.get("limit", 0)
    share = f"{100 * usage / limit:.1f}%" if 0 < limit < 1 << 62 else ""
    return _ROW.format(
        id[:20],
        f"{used:.1f}%",
        f"{amount(usage)} / {amount(limit)}",
        share,
        data["pids"].get("current", 0),
        kills,
    )
