"""Rounds: in each, every runtime once, in another order than in the last."""

from __future__ import annotations

import random
import statistics
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import spawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab import Lab
    from measurements import Measurement
    from rows import Row
    from runtimes import Runtime

PATIENCE = 3  # failed samples after which a runtime leaves a measurement


def measure(
    measurement: Measurement, lab: Lab, runtimes: Sequence[Runtime], rounds: int
) -> list[dict[str, Any]]:
    """Take a measurement and return its rows, each with what was found for each runtime."""
    taking = [r for r in runtimes if r.own or not measurement.own_only]
    rounds = min(rounds, measurement.most or rounds)
    samples: dict[str, list[dict[str, float]]] = {r.name: [] for r in taking}
    failures: dict[str, list[str]] = {r.name: [] for r in taking}
    print(f"bench: {measurement.rows[0].title}", file=sys.stderr, flush=True)
    with ExitStack() as stack:
        ready: dict[str, Any] = {}
        for runtime in list(taking):
            try:
                ready[runtime.name] = stack.enter_context(measurement.prepare(lab, runtime))
                if rounds > 5:
                    measurement.sample(lab, runtime, ready[runtime.name])  # caches warm
            except spawn.CommandFailed as e:
                failures[runtime.name].append(str(e))
                taking.remove(runtime)
        for _ in range(rounds):
            random.shuffle(taking)
            for runtime in list(taking):
                lab.rest()
                try:
                    sample = measurement.sample(lab, runtime, ready[runtime.name])
                    samples[runtime.name].append(sample)
                except spawn.CommandFailed as e:
                    failures[runtime.name].append(str(e))
                    if len(failures[runtime.name]) >= PATIENCE:
                        taking.remove(runtime)
    return [_row(row, samples, failures) for row in measurement.rows]


def _row(
    row: Row, samples: dict[str, list[dict[str, float]]], failures: dict[str, list[str]]
) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for name, taken in samples.items():
        if taken:
            results[name] = summary([sample[row.key] for sample in taken])
        if failures[name]:
            results.setdefault(name, {})["failures"] = len(failures[name])
            results[name]["failure"] = failures[name][-1]
    own, *_ = results
    median = results[own].get("median")
    ratios = {
        name: median / found["median"]
        for name, found in results.items()
        if name != own and median is not None and found.get("median") and row.unit != "x"
    }
    return {
        "key": row.key,
        "title": row.title,
        "unit": row.unit,
        "results": results,
        "ratios": ratios,
        "expected": [_verdict(e, median, ratios) for e in row.expected],
    }


def _verdict(expected: Any, median: float | None, ratios: dict[str, float]) -> dict[str, Any]:
    found = median if expected.against is None else ratios.get(expected.against)
    if found is None:
        verdict = "unknown"
    else:
        reached = "aim" if found <= expected.aim else "floor"
        verdict = reached if found <= expected.floor else "missed"
    return {
        "against": expected.against,
        "floor": expected.floor,
        "aim": expected.aim,
        "found": found,
        "verdict": verdict,
    }


def summary(values: list[float]) -> dict[str, float]:
    """Return the median and the quartiles."""
    low = high = values[0]
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return {
        "median": statistics.median(values),
        "low": low,
        "high": high,
        "samples": len(values),
    }
