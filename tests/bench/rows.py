"""The rows of the table: what is measured, in what unit, and what is expected of ours."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Expected:
    """What is expected of ours: no more than `floor`, and `aim` is what is wanted.

    `against` names the peer of which these are multiples; None: they are in the row's unit.
    """

    floor: float
    aim: float
    against: str | None = None


@dataclass(frozen=True)
class Row:
    """One line of the table; less is better in all of them."""

    key: str
    title: str
    unit: str  # ms, MB, kB, or x for a ratio
    expected: tuple[Expected, ...] = ()


CYCLE = Row(
    "cycle",
    "create + start + delete of /bin/true",
    "ms",
    (Expected(1.15, 0.9, "runc"), Expected(1.7, 1.35, "crun")),
)
CREATE = Row("create", "of that, create", "ms")
START = Row("start", "of that, start", "ms")
DELETE = Row("delete", "of that, delete", "ms")
RUN = Row("run", "run of /bin/true", "ms", (Expected(0.8, 0.6, "runc"),))
EXEC = Row("exec", "exec of /bin/true", "ms", (Expected(0.9, 0.7, "runc"),))
STATE = Row("state", "state", "ms", (Expected(1.8, 1.4, "runc"),))
KILL = Row("kill", "kill", "ms", (Expected(1.8, 1.4, "runc"),))
LIST = Row("list", "list of ten", "ms", (Expected(1.8, 1.4, "runc"),))
LIBRARY = Row(
    "library",
    "create + start + delete, ours in one process through the library",
    "ms",
    (Expected(0.8, 0.5, "crun"),),
)
LAST_MILE = Row("last_mile", "last mile, Docker's document", "ms", (Expected(2, 1),))
FILTER_FIRST = Row("filter_first", "filter of Docker's size, first time", "ms")
FILTER_CACHED = Row("filter_cached", "filter of Docker's size, cached", "ms", (Expected(1, 0.3),))
MEMORY = Row("memory", "memory of a created container", "MB", (Expected(0.05, 0.02),))
MEMORY_DOCKER = Row("memory_docker", "the same, Docker's document", "MB", (Expected(0.06, 0.04),))
LIMIT = Row(
    "limit", "smallest memory limit under which /bin/true runs", "kB", (Expected(512, 256),)
)
SCALE = Row("scale", "the last create against the first", "x", (Expected(1.2, 1.05),))
SCALE_LIST = Row("scale_list", "list of all of them", "ms", (Expected(1.0, 0.7, "runc"),))


def spelled(value: float, unit: str) -> str:
    """Write a value with its unit, in three digits or so."""
    if unit == "x":
        return f"{value:.2f}"
    digits = 0 if value >= 100 or unit == "kB" else 1 if value >= 1 else 2 if value >= 0.1 else 3
    return f"{value:.{digits}f} {unit}"
