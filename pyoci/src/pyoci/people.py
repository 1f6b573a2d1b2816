"""What only people see, on a terminal: colours, sizes and times that read at a glance."""

from __future__ import annotations

import time

from .log import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_COLOURS = {"created": "33", "creating": "33", "running": "32", "paused": "36", "stopped": "2"}
_SPANS = ((60, "second"), (60, "minute"), (24, "hour"), (7, "day"), (1 << 30, "week"))


def coloured(text: str, status: str) -> str:
    """Return the text in the colour of a status, plain where NO_COLOR or the terminal says so."""
    code = _COLOURS.get(status)
    if code is None or environment("NO_COLOR") or environment("TERM") in ("", "dumb"):
        return text
    return f"\x1b[{code}m{text}\x1b[0m"


def ago(stamp: str) -> str:
    """Return how long ago an RFC 3339 time in UTC was: `5 minutes ago`."""
    then = _epoch(stamp)
    left = max(0, int(time.time()) - then)
    for size, unit in _SPANS:
        if left < size:
            return f"{left} {unit}{'' if left == 1 else 's'} ago"
        left //= size
    return stamp


def listed(found: Sequence[Mapping[str, Any]]) -> str:
    """Return the table of `list`: aligned, states coloured, times relative."""
    rows = [("ID", "STATUS", "PID", "CREATED", "OWNER", "BUNDLE")]
    for c in found:
        pid = str(c["pid"] or "-")
        rows.append((c["id"], c["status"], pid, ago(c["created"]), c["owner"], c["bundle"]))
    widths = [max([len(row[i]) for row in rows]) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths)]
        cells[1] = coloured(cells[1], row[1])
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _epoch(stamp: str) -> int:
    from calendar import timegm

    return timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))


def amount(count: int) -> str:
    """Return bytes with a unit of 1024: `1.5MiB`; none for a number that stands for no limit."""
    if count >= 1 << 62:
        return "none"
    value, units = float(count), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value, units = value / 1024, units[1:]
    return f"{value:.4g}{units[0]}"
