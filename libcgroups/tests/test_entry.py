"""Descriptors of a cgroup for a process to come."""

import os
import posix

import pytest

from libcgroups.entry import open_entry


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_close_that_is_interrupted_can_be_repeated(tmp_path, monkeypatch, at):
    """
    What a signal's handler raises after a close leaves no number behind that is closed twice.
    """
    for name in ("tasks1", "tasks2"):
        (tmp_path / name).touch()
    entry = open_entry(str(tmp_path), [f"{tmp_path}/tasks1", f"{tmp_path}/tasks2"])
    fds = {entry.directory, *entry.tasks}
    closed = []

    def close(fd):
        closed.append(fd)
        os.closerange(fd, fd + 1)
        if len(closed) == at:
            raise KeyboardInterrupt

    monkeypatch.setattr(posix, "close", close)
    with pytest.raises(KeyboardInterrupt):
        entry.close()
    entry.close()

    assert len(closed) == 3 and set(closed) == fds
