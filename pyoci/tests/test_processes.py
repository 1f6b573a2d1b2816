"""The table of processes."""

import os
import time

import pytest

from pyoci.processes import _share, table


@pytest.mark.parametrize(
    ("used", "age", "text"),
    [(0.0, 5.0, "0"), (1.4, 1.42, "98"), (1.99, 4.0, "49"), (9.0, 3.0, "99"), (0.5, 0.0, "50")],
)
def test_share_of_the_cpu(used, age, text):
    """Parts of a second count, as ps -ef counts them."""
    assert _share(used, age) == text


def test_a_busy_process():
    """One that does nothing else has nearly all of a CPU."""
    if not (pid := os.fork()):
        while True:
            pass
    try:
        time.sleep(1.6)
        line = table([pid]).splitlines()[1]
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)

    assert int(line.split()[3]) > 70  # whole seconds alone would give 62
