"""Sizes, numbers and durations as people type them, read as runc does."""

from __future__ import annotations

from .output import BadOption

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}
_LARGEST = (1 << 63) - 1  # bytes; the kernel would cut more down
# `ms` stands before `m`, which it begins with.
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def size(option: str, text: str | None) -> int | None:
    """Return bytes: digits with b, k, m, g, t or p (powers of 1024), or -1.

    None is None, empty text too.
    """
    if not text or text == "-1":
        return -1 if text else None
    number = text.lower().removesuffix("b").removesuffix("i").rstrip()
    unit = number[-1:] if number[-1:] in _UNITS else ""
    digits = number.removesuffix(unit).rstrip()
    if not _is_decimal(digits):
        raise BadOption(f"invalid value for {option}: invalid size: '{text}'")
    found = int(float(digits) * _UNITS[unit]) if "." in digits else int(digits) * _UNITS[unit]
    if found > _LARGEST:
        raise BadOption(f"invalid value for {option}: value out of range: '{text}'")
    return found


def number(option: str, text: str | None, *, signed: bool = False) -> int | None:
    """Return a decimal number of 64 bits.  None is None, empty text too."""
    if not text:
        return None
    digits = text[1:] if signed and text[0] in "+-" else text
    low, high = (-(1 << 63), (1 << 63) - 1) if signed else (0, (1 << 64) - 1)
    if digits.isascii() and digits.isdigit() and low <= int(text) <= high:
        return int(text)
    raise BadOption(f"invalid value for {option}: {text}")


def duration(option: str, text: str) -> float:
    """Return seconds: `500ms`, `1m30s`, or digits alone.  Never 0 or less."""
    total = float(text) if _is_decimal(text) else _sum(text)
    if total is None:
        raise BadOption(
            f'invalid value "{text}" for flag -{option}: time: invalid duration "{text}"'
        )
    if total <= 0:
        raise BadOption(f"duration {option} must be greater than 0")
    return total


def _sum(text: str) -> float | None:
    """Add up the parts, each a number and a unit; None if that is not what it is."""
    sign = -1.0 if text[:1] == "-" else 1.0
    rest = text[1:] if text[:1] in ("+", "-") else text
    total = 0.0 if rest else None
    while rest and total is not None:
        after = rest.lstrip("0123456789.")
        digits = rest[: len(rest) - len(after)]
        unit = next((unit for unit in _SECONDS if after.startswith(unit)), None)
        if unit is None or not _is_decimal(digits):
            return None
        total += float(digits) * _SECONDS[unit]
        rest = after.removeprefix(unit)
    return None if total is None else sign * total


def _is_decimal(text: str) -> bool:
    return text.isascii() and text.replace(".", "", 1).isdigit()
