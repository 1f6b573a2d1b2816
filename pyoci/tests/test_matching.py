"""Regular expressions over ids."""

import warnings

import pytest

from pyoci.matching import compiled, each
from pyoci.output import BadOption

IDS = ("web1", "web-2", "Web.3", "db_4", "x+y")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", IDS),
        ("^web", ("web1", "web-2")),
        ("^(web|db)", ("web1", "web-2", "db_4")),
        ("^web[[:digit:]]$", ("web1",)),
        ("^[[:upper:]]", ("Web.3",)),
        ("^[[:alpha:]]+[[:punct:]]", ("web-2", "Web.3", "db_4", "x+y")),
        ("[^[:alnum:]][0-9]", ("web-2", "Web.3", "db_4")),
        ("[[.+.]]", ("x+y",)),
        ("[[=b=]_]", ("web1", "web-2", "Web.3", "db_4")),
        ("[]+]", ("x+y",)),
        (r"\.", ("Web.3",)),
        ("[[w]eb1", ("web1",)),
        ("[|~&+]", ("x+y",)),
    ],
)
def test_posix_patterns(pattern, expected):
    """Brackets mean what POSIX says, and nothing is said about what Python may make of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = compiled(pattern)

    assert tuple(id for id in IDS if found.search(id)) == expected


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[[:foo:]]", "unknown character class [:foo:]"),
        ("[[:Digit:]]", "unknown character class [:Digit:]"),
        ("[[.space.]]", "unknown collating symbol space"),
        ("[[", "unterminated bracket expression"),
        ("[[:alpha:]", "unterminated bracket expression"),
        ("(", "missing ), unterminated subpattern at position 0"),
    ],
)
def test_what_is_no_pattern(pattern, why):
    """What POSIX does not have is an error that names it."""
    with pytest.raises(BadOption) as e:
        compiled(pattern)

    assert str(e.value) == f"invalid regular expression '{pattern}': {why}"


def test_a_root_that_is_not_there_has_no_ids():
    """Nothing matches where nobody has created a container yet."""
    acted = []

    assert each("", "/nowhere", acted.append) == 0

    assert acted == []
