"""What the stub tells its reader: nine bytes in one write.

The same pipe carries the single bytes that the list itself writes (`R`, `S`); a reader looks at
the first byte and then reads the rest of a report.
"""

from __future__ import annotations

from struct import unpack

SIZE = 9  # bytes, the kind included
FAILED = b"E"
FORKED = b"P"


def read_failure(report: bytes) -> tuple[int, int | None]:
    """Return the index of the call that failed and its errno, None if `want` was not met.

    Raises ValueError if `report` is not a whole report of a failure.
    """
    index, code = _numbers(report, FAILED)
    return index, code or None


def read_pid(report: bytes) -> int:
    """Return the pid that a call with `fork` gave, in the pid namespace of the process that forked.

    Raises ValueError if `report` is not a whole report of a fork.
    """
    return _numbers(report, FORKED)[0]


def _numbers(report: bytes, kind: bytes) -> tuple[int, int]:
    if len(report) != SIZE or report[:1] != kind:
        raise ValueError(f"read the stub's report: {report[:16]!r}")
    first, second = unpack("<II", report[1:])
    return first, second
