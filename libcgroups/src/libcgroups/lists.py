"""The kernel's lists of CPUs and memory nodes: "0-3,7".

Kernel: lib/bitmap.c, bitmap_parselist; its group syntax ("0-31:2/8") is not taken.
"""

from __future__ import annotations

from .errors import CgroupError

# No kernel has as many: NR_CPUS ends at 8192, MAX_NUMNODES at 1024.
_LIMIT = 65536


def ranges(text: str) -> list[range]:
    """Return the ranges of a list, in its order; blanks and empty parts say nothing.

    Raises CgroupError, also for a number that no kernel has: nobody who counts goes on for ever.
    """
    found = []
    for part in text.split(","):
        if part := part.strip():
            low, dash, high = part.partition("-")
            first = _number(low.strip())
            last = _number(high.strip()) if dash else first
            if not 0 <= first <= last:
                raise CgroupError(f"invalid list of CPUs or memory nodes {text!r}")
            found.append(range(first, last + 1))
    return found


def _number(text: str) -> int:
    """Return the number, -1 if it is none or too large."""
    # The length first: Python takes no text of thousands of digits for a number.
    if not (len(text) < 10 and text.isascii() and text.isdecimal()):
        return -1
    number = int(text)
    return number if number < _LIMIT else -1


def numbers(text: str) -> tuple[int, ...]:
    """Return the numbers of a list.  Raises CgroupError."""
    return tuple([number for part in ranges(text) for number in part])


def bit_mask(text: str) -> bytes:
    """Turn a list into a bit mask, lowest byte first.  Raises CgroupError."""
    mask = 0
    for part in ranges(text):
        mask |= ((1 << len(part)) - 1) << part.start
    return mask.to_bytes((mask.bit_length() + 7) // 8 or 1, "little")
