"""Sizes, numbers and durations."""

import pytest

from pyoci.output import BadOption
from pyoci.quantities import duration, number, size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        ("-1", -1),
        ("123", 123),
        ("5b", 5),
        ("2k", 2048),
        ("2KB", 2048),
        ("2KiB", 2048),
        ("1.5m", 3 << 19),
        ("1 g", 1 << 30),
        ("1T", 1 << 40),
        ("1p", 1 << 50),
    ],
)
def test_size(text, expected):
    """A size has a unit of 1024; -1 is no limit."""
    assert size("memory", text) == expected


@pytest.mark.parametrize("text", ["abc", "-2", "1x", "k", "1kk", "1.2.3", "١"])
def test_no_size(text):
    """Anything else is refused by the option's name."""
    with pytest.raises(BadOption) as e:
        size("memory", text)

    assert str(e.value) == f"invalid value for memory: invalid size: '{text}'"


@pytest.mark.parametrize(
    ("text", "signed", "expected"),
    [(None, False, None), ("", False, None), ("7", False, 7), ("-7", True, -7), ("+7", True, 7)],
)
def test_number(text, signed, expected):
    """A number is decimal; nothing is not given."""
    assert number("cpu-quota", text, signed=signed) == expected


@pytest.mark.parametrize(
    ("text", "signed"),
    [("-7", False), ("7.5", True), ("0x7", True), (str(2**64), False), (str(2**63), True)],
)
def test_no_number(text, signed):
    """What does not fit 64 bits, or is no number, is refused."""
    with pytest.raises(BadOption, match=r"^invalid value for cpu-quota: "):
        number("cpu-quota", text, signed=signed)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("500ms", 0.5),
        ("1m30s", 90),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("2us", 2e-6),
    ],
)
def test_duration(text, seconds):
    """A duration has units, or is in seconds."""
    assert duration("interval", text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "x", "5x", "s", "1m 2s", "1m2"])
def test_no_duration(text):
    """Anything else is refused in Go's words."""
    with pytest.raises(BadOption) as e:
        duration("interval", text)

    said = f'invalid value "{text}" for flag -interval: time: invalid duration "{text}"'
    assert str(e.value) == said


@pytest.mark.parametrize("text", ["0", "0s", "-5s"])
def test_duration_is_above_zero(text):
    """No time, or less, cannot be waited for."""
    with pytest.raises(BadOption, match="duration interval must be greater than 0"):
        duration("interval", text)
