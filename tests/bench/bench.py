"""Compare our runtime with its peers, side by side on this machine.

Absolute figures drift by a factor of two from hour to hour, so what counts are the ratios of one
run: every round takes each runtime once, in shuffled order.  Run by `just bench`, as root.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import chart
import report
import runtimes
import spawn
from bundles import Unusable
from lab import Lab
from measurements import all_measurements
from runner import measure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from measurements import Measurement
    from runtimes import Runtime


def options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--rounds", type=int, default=40, metavar="N", help="samples of each (default: 40)")
    add("--rest", type=float, default=30, metavar="MS", help="before each sample (default: 30)")
    add("--rows", default="*", metavar="PATTERNS", help="only these, as 'cycle,memory*'")
    add("--runtimes", default="", metavar="NAMES", help="only these peers, as 'runc,crun'")
    add("--ours", default=str(runtimes.LAUNCHER), metavar="PATH", help="our runtime")
    add("--more", action="append", default=[], metavar="NAME=PATH", help="one more build")
    add("--scale", type=int, nargs="?", const=500, default=0, metavar="N", help="also N alive")
    add("--json", metavar="FILE", help="write the results")
    add("--svg", metavar="FILE", help="draw the chart, as docs/bench.svg")
    add("--markdown", action="store_true", help="print the table as Markdown")
    add("--from", dest="source", metavar="FILE", help="report on a file of --json again")
    add("--profile", action="store_true", help="show where the time of our commands goes")
    return parser.parse_args(arguments)


def chosen(patterns: str, scale: int) -> list[Measurement]:
    """Return the measurements with a row that matches.  Raises Unusable if there is none."""
    wanted = patterns.split(",")
    found = [
        measurement
        for measurement in all_measurements(scale)
        if any(fnmatch.fnmatch(row.key, p) for row in measurement.rows for p in wanted)
    ]
    if not found:
        keys = [row.key for measurement in all_measurements(1) for row in measurement.rows]
        raise Unusable(f"no such rows: {patterns}; there are {' '.join(keys)}")
    return found


def doubts(before: float, after: float) -> list[str]:
    """Say why figures may be wrong.  `after` has our own load in it, of about one."""
    cores = os.cpu_count() or 1
    found = []
    if before > 0.25 * cores:
        found.append(f"the load average was {before:.1f} on {cores} cores before the first round")
    if after > 1 + 0.25 * cores:
        found.append(f"the load average was {after:.1f} on {cores} cores after the last round")
    return found


def take(lab: Lab, found: list[Runtime], wanted: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that is wanted."""
    before = os.getloadavg()[0]
    for why in doubts(before, 0):
        print(f"bench: doubtful: {why}", file=sys.stderr)
    taken: list[dict[str, Any]] = []
    for measurement in chosen(wanted.rows, wanted.scale):
        taken += measure(measurement, lab, found, wanted.rounds)
    after = os.getloadavg()[0]
    return {
        "machine": runtimes.describe_machine(found[0]),
        "runtimes": [{"name": r.name, "version": r.version} for r in found],
        "rounds": wanted.rounds,
        "rest_ms": wanted.rest,
        "scale": wanted.scale,
        "load": {"before": round(before, 2), "after": round(after, 2)},
        "doubts": doubts(before, after),
        "rows": taken,
    }


def work(wanted: argparse.Namespace) -> dict[str, Any] | None:
    """Do what needs containers; return the results if there are any."""
    if os.geteuid() != 0:
        raise Unusable("needs root: its containers have no user namespace")
    if not os.access(wanted.ours, os.X_OK):
        raise Unusable(f"there is no runtime at {wanted.ours}: run ./just setup")
    chosen(wanted.rows, wanted.scale)  # a bad pattern is told before anything is made
    found = runtimes.find(
        wanted.ours, wanted.runtimes.split(",") * bool(wanted.runtimes), wanted.more
    )
    spawn.become_subreaper()
    with Lab(rest=wanted.rest / 1000) as lab:
        # runc's own default document where there is one: that is what runc's time is for.
        runc = next((r for r in found if r.name == "runc"), found[0])
        lab.open_bundles(runc.path)
        if wanted.profile:
            import profiling

            for line in profiling.profile(lab, found[0]):
                print(line, flush=True)
            return None
        return take(lab, found, wanted)


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def main(arguments: Sequence[str]) -> int:
    wanted = options(arguments)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        if wanted.source:
            results = json.loads(Path(wanted.source).read_text())
        else:
            results = work(wanted)
    except (Unusable, spawn.CommandFailed, OSError) as e:
        print(f"bench: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if results is None:
        return 0
    if wanted.json:
        Path(wanted.json).write_text(json.dumps(results, indent=1) + "\n")
    if wanted.svg:
        Path(wanted.svg).write_text(chart.draw(results))
    print(report.markdown(results) if wanted.markdown else report.plain(results))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
