"""The results as a table for the terminal, and as Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rows import spelled
from runtimes import machine_words

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS = {"aim": "aim reached", "floor": "acceptable", "missed": "MISSED", "unknown": "not known"}


def plain(results: dict[str, Any]) -> str:
    """Return the table for the terminal, with what was expected."""
    names = [runtime["name"] for runtime in results["runtimes"]]
    lines = [["", *names, *[f"/ {name}" for name in names[1:]], "expected"]]
    for row in results["rows"]:
        expected = [_expectation(e, row["unit"]) for e in row["expected"]]
        lines.append([*_cells(row, names), expected[0] if expected else ""])
        lines += [[""] * (2 * len(names)) + [text] for text in expected[1:]]
    widths = [max(map(len, column)) for column in zip(*lines)]
    text = [
        "  ".join(
            cell.ljust(width) if n in (0, len(widths) - 1) else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    ]
    return "\n".join([*text, "", *_notes(results)])


def markdown(results: dict[str, Any]) -> str:
    """Return the table as Markdown, with the machine."""
    names = [runtime["name"] for runtime in results["runtimes"]]
    head = ["", *names, *[f"/ {name}" for name in names[1:]]]
    lines = [head, ["---", *["---:"] * (len(head) - 1)]]
    lines += [_cells(row, names) for row in results["rows"]]
    table = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([*table, "", " ".join(_notes(results, sentence=True))])


def _cells(row: dict[str, Any], names: list[str]) -> list[str]:
    found = [row["results"].get(name, {}).get("median") for name in names]
    values = ["-" if value is None else spelled(value, row["unit"]) for value in found]
    ratios = [row["ratios"].get(name) for name in names[1:]]
    return [row["title"], *values, *["-" if r is None else _ratio(r) for r in ratios]]


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"


def _expectation(expected: dict[str, Any], unit: str) -> str:
    against = expected["against"]
    if against is None:
        numbers = [spelled(expected[key], unit) for key in ("aim", "floor")]
    else:
        numbers = [f"{expected[key]:g}" for key in ("aim", "floor")]
    what = f" of {against}" if against else ""
    return f"{numbers[0]}, at most {numbers[1]}{what}: {_MARKS[expected['verdict']]}"


def _notes(results: dict[str, Any], *, sentence: bool = False) -> Iterator[str]:
    stop = "." if sentence else ""
    rounds = f"medians of up to {results['rounds']} rounds, order shuffled"
    taken = f"{rounds}, {results['rest_ms']:g} ms rest"
    yield f"{taken[0].upper() if sentence else taken[0]}{taken[1:]}{stop}"
    versions = [runtime["version"].split(",")[0] for runtime in results["runtimes"]]
    if sentence:
        yield f"{', '.join(versions)}."
    else:
        yield from [f"{r['name']}: {r['version']}" for r in results["runtimes"]]
    yield machine_words(results["machine"]) + stop
    yield from [f"Doubtful: {why}{stop}" for why in results["doubts"]]
    if sentence:
        return
    for row in results["rows"]:
        for name, found in row["results"].items():
            if "failure" in found:
                yield f"{name} failed {found['failures']} times in {row['key']}: {found['failure']}"
