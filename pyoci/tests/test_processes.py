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


def used(pid):
    """Seconds of CPU, and seconds of life."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    ticks = os.sysconf("SC_CLK_TCK")
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / ticks
    return (int(fields[11]) + int(fields[12])) / ticks, age


def test_a_busy_process():
    """What it has used and how long it lives are known to a hundredth of a second."""
    if not (pid := os.fork()):
        while True:
            pass
    try:
        time.sleep(1.6)
        least, begin = used(pid)
        line = table([pid]).splitlines()[1]
        most, end = used(pid)
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)

    assert int(100 * least / end) <= int(line.split()[3]) <= int(100 * most / begin)
