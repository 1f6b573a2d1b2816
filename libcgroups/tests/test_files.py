import errno
import os

import pytest

from libcgroups import ControlFileError
from libcgroups.files import Directory, remove_tree, signal


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self):
        self.now = 0.0

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("time.monotonic", lambda: clock.now)
    monkeypatch.setattr("time.sleep", clock.sleep)
    return clock


@pytest.fixture
def leaves(monkeypatch, clock):
    """Say how many seconds after its kill a cgroup's process leaves; return the folders gone."""
    gone = []

    def rmdir(path):
        if clock.now < gone_at[0]:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
        gone.append(path)

    def after(seconds):
        gone_at[0] = seconds
        return gone

    gone_at = [0.0]
    monkeypatch.setattr("libcgroups.files.posix.rmdir", rmdir)
    return after


def test_a_large_process_is_waited_for(tmp_path, leaves):
    """
    A killed process may need seconds to give its memory back.
    """
    gone, killed = leaves(5), []

    remove_tree(str(tmp_path), killed.append)

    assert gone == [str(tmp_path)]
    assert set(killed) == {str(tmp_path)}


@pytest.mark.parametrize("below", ["", "a/b"])
def test_a_process_that_never_leaves(tmp_path, clock, leaves, below):
    """
    The wait ends, and once for the cgroup and all below it.
    """
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    leaves(1000)

    with pytest.raises(ControlFileError, match=f"^rmdir {tmp_path}.*: device or resource busy$"):
        remove_tree(str(tmp_path), lambda path: None)

    assert 5 < clock.now < 15


def test_a_process_of_another_pid_namespace_is_not_our_group(monkeypatch):
    """
    v2 lists it as 0, which kill(2) takes for the caller's process group.
    """
    killed = []
    monkeypatch.setattr("libcgroups.files.posix.kill", lambda *given: killed.append(given))

    signal((0, 17), 15)

    assert killed == [(17, 15)]


@pytest.mark.parametrize("fixture", ["v2", "hybrid"])
def test_cgroup_that_goes_while_it_is_killed(request, monkeypatch, fixture):
    """
    systemd removes a scope as soon as its last process has ended.
    """
    manager = request.getfixturevalue(fixture).open("/a")
    write = Directory.write

    def gone(directory, file, value):
        if file == "cgroup.kill":
            os.unlink(f"{directory.path}/{file}")
        write(directory, file, value)

    monkeypatch.setattr(Directory, "write", gone)

    manager.kill(9)

    assert not os.path.exists(f"{manager.paths['']}/cgroup.kill")
