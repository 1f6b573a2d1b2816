import fcntl
import os
import resource

import pytest

from libcgroups import Events
from libcgroups.files import Directory


@pytest.fixture
def high():
    """An eventfd whose number is beyond what select(2) takes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard <= 1024:
        pytest.skip("needs more than 1024 descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    low = os.eventfd(0)
    found = fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 1024)
    os.close(low)
    yield found
    os.close(found)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_watch_of_a_program_with_many_descriptors(v2, high):
    """
    The number of the watch's descriptor does not matter.
    """
    v2.make("/a")
    v2.write("/a", "cgroup.events", "populated 1\n")
    directory = Directory(f"{v2.root}/a")
    events = Events(high, directory, directory.path)
    assert events.wait(0.01) == ()

    v2.write("/a", "memory.events", "oom_kill 2\n")
    os.eventfd_write(high, 1)

    assert events.wait(10) == ("oom", "oom")
    assert events.wait(0.01) == ()
