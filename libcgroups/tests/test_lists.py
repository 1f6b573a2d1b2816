import re

import pytest

from libcgroups import CgroupError
from libcgroups.lists import bit_mask, numbers


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("0-2,7\n", (0, 1, 2, 7), id="ranges"),
        pytest.param(" 7, 1 - 2", (7, 1, 2), id="blanks-and-any-order"),
        pytest.param("0,,3,", (0, 3), id="empty-parts"),
        pytest.param("65535", (65535,), id="largest"),
        pytest.param("", (), id="nothing"),
    ],
)
def test_numbers(text, found):
    """
    The kernel's lists are ranges.
    """
    assert numbers(text) == found


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("0-3,7", b"\x8f"),
        ("8", b"\0\1"),
        ("0", b"\1"),
        ("1, 2", b"\6"),
        ("0-2,1", b"\7"),
        ("", b"\0"),
    ],
)
def test_bit_mask(text, mask):
    """
    The lowest CPU is the lowest bit of the first byte.
    """
    assert bit_mask(text) == mask


@pytest.mark.parametrize(
    "text",
    ["x", "-1", "1-", "3-1", "1-2-3", "+1", "1_0", "٣", "0-31:2/8", "65536", "0-9999999999"],
)
def test_what_is_no_list(text):
    """
    The error names the text, also where a number is too large to be counted up to.
    """
    with pytest.raises(CgroupError, match=re.escape(f"memory nodes {text!r}") + "$"):
        bit_mask(text)


def test_a_number_of_thousands_of_digits():
    """
    Python itself would not read it.
    """
    with pytest.raises(CgroupError, match="invalid list of CPUs or memory nodes"):
        numbers("9" * 5000)
