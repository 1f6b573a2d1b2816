"""When is measured."""

import pytest

from libcontainer.ops.events import _following


@pytest.mark.parametrize(
    ("now", "expected"), [(10.0, 12.0), (11.9, 12.0), (12.0, 14.0), (99.5, 100.0)]
)
def test_what_was_missed_is_not_made_up_for(now, expected):
    """
    After a stop the measurements go on with the next one, on the old beat.
    """
    assert _following(10.0, 2.0, now) == expected
