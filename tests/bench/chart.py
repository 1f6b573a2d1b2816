"""The bar chart for the README: an SVG that follows the reader's light or dark theme."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape

from rows import spelled
from runtimes import machine_words

if TYPE_CHECKING:
    from collections.abc import Iterator

# The rows that are drawn, with the words for a chart, in panels of one unit each.
PANELS = (
    (
        "Time, milliseconds",
        1.0,
        {
            "cycle": "create + start + delete",
            "run": "run",
            "exec": "exec",
            "state": "state",
            "kill": "kill",
            "list": "list of ten",
        },
    ),
    (
        "Memory, megabytes",
        1e-3,  # of a row in kB; one in MB is as it is
        {
            "memory": "created container",
            "memory_docker": "created container, Docker's",
            "limit": "smallest limit that works",
        },
    ),
)
WIDTH, LEFT, RIGHT = 760, 220, 90
BAR, GAP = 13, 12

STYLE = """\
text { font: 13px system-ui, sans-serif; fill: #24292f }
.title { font-weight: 600; font-size: 15px }
.small { font-size: 11px; fill: #57606a }
.axis { stroke: #8c959f }
.b0 { fill: #2f6fb5 } .b1 { fill: #9aa4af } .b2 { fill: #c9a24a }
.b3 { fill: #6b9e78 } .b4 { fill: #a67bb0 }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 }
.small { fill: #9198a1 }
.axis { stroke: #656c76 }
.b0 { fill: #58a6ff } .b1 { fill: #7d8590 }
}"""
KINDS = 5


def draw(results: dict[str, Any]) -> str:
    """Return the chart as the text of an SVG file."""
    names = [runtime["name"] for runtime in results["runtimes"]]
    parts = [*_legend(results["runtimes"])]
    top = 60.0
    found = {row["key"]: row for row in results["rows"]}
    for title, factor, keys in PANELS:
        panel = {words: found[key] for key, words in keys.items() if key in found}
        if panel:
            drawn, top = _panel(title, factor, panel, names, top)
            parts += drawn
    notes = [f"Medians of up to {results['rounds']} rounds; shorter is better."]
    notes += [machine_words(results["machine"]), *[f"Doubtful: {why}" for why in results["doubts"]]]
    for line in [line for note in notes for line in textwrap.wrap(note, 110)]:
        parts.append(_text(0, top, line, kind="small"))
        top += 16
    heading = f"{names[0]} beside {', '.join(names[1:])}" if names[1:] else names[0]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{top:.0f}" '
        f'viewBox="0 0 {WIDTH} {top:.0f}" role="img">\n'
        f"<title>{escape(heading)}</title>\n<style>\n{STYLE}\n</style>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _legend(runtimes: list[dict[str, Any]]) -> Iterator[str]:
    left = 0.0
    for n, runtime in enumerate(runtimes):
        words = f"{runtime['name']} {_number(runtime['version'])}".strip()
        yield f'<rect class="b{n % KINDS}" x="{left:g}" y="14" width="13" height="13" rx="2"/>'
        yield _text(left + 19, 25, words)
        left += 45 + 7.5 * len(words)


def _number(version: str) -> str:
    """Return the number in `runc version 1.1.5+ds1, commit ...`."""
    words = version.split(",")[0].split()
    return next((word for word in words if word[:1].isdigit()), "")


def _panel(
    title: str, factor: float, panel: dict[str, dict[str, Any]], names: list[str], top: float
) -> tuple[list[str], float]:
    """Draw rows in one scale; return the parts and where the next panel begins."""
    values = {
        (words, name): found["median"] * (factor if row["unit"] == "kB" else 1)
        for words, row in panel.items()
        for name, found in row["results"].items()
        if "median" in found
    }
    scale = (WIDTH - LEFT - RIGHT) / max(values.values(), default=1)
    parts = [_text(0, top, title, kind="title")]
    top += 14
    for words, row in panel.items():
        begin = top
        for n, name in enumerate(names):
            if (words, name) not in values:
                continue
            width = max(1.0, values[words, name] * scale)
            label = spelled(row["results"][name]["median"], row["unit"])
            parts.append(
                f'<rect class="b{n % KINDS}" x="{LEFT}" y="{top:g}" width="{width:.1f}" '
                f'height="{BAR - 2}" rx="2"/>'
            )
            parts.append(_text(LEFT + width + 6, top + 9, label, kind="small"))
            top += BAR
        middle = (begin + top) / 2 + 3
        parts.append(_text(LEFT - 10, middle, words, end=True))
        parts.append(
            f'<line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{begin - 2:g}" y2="{top:g}"/>'
        )
        top += GAP
    return parts, top + 22


def _text(x: float, y: float, words: str, *, kind: str = "", end: bool = False) -> str:
    extra = (f' class="{kind}"' if kind else "") + (' text-anchor="end"' if end else "")
    return f'<text x="{x:.1f}" y="{y:.1f}"{extra}>{escape(words)}</text>'
