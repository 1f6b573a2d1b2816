"""A process is its pid and when it started."""

import os
import subprocess

import pytest

from libcontainer.identity import is_alive, open_pidfd, parent, start_time
from libcontainer.testing import NOBODY


@pytest.fixture
def child():
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


def test_a_running_process(child, no_leak):
    """
    Its start time is that of the kernel, and it is alive.
    """
    started = start_time(child.pid)

    with open(f"/proc/{child.pid}/stat") as file:
        assert started == int(file.read().rpartition(")")[2].split()[19])
    assert is_alive(child.pid, started)


@pytest.mark.parametrize("name", ["a b", "x) R 1 2 3", ") Z (", "\n)"])
def test_a_name_cannot_forge_it(name):
    """
    A process may call itself anything; the fields after the name are found.
    """
    rename = 'printf %s "$1" > /proc/$$/comm; echo done; read _'
    pipe = subprocess.PIPE
    with subprocess.Popen(["/bin/sh", "-c", rename, "sh", name], stdin=pipe, stdout=pipe) as sh:
        before = start_time(sh.pid)
        sh.stdout.readline()
        with open(f"/proc/{sh.pid}/comm") as file:
            assert file.read() == name + "\n"
        assert start_time(sh.pid) == before is not None
        sh.communicate(b"\n")


def test_a_reused_pid_is_somebody_else(child, no_leak):
    """
    The same pid with another start time is not the process.
    """
    started = start_time(child.pid)

    assert not is_alive(child.pid, started - 1)
    assert not is_alive(child.pid, 0)
    assert open_pidfd(child.pid, started - 1) is None


def test_a_zombie_is_gone(child):
    """
    A process that has died but is not reaped does not run.
    """
    started = start_time(child.pid)
    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert start_time(child.pid) is None
    assert not is_alive(child.pid, started)
    assert open_pidfd(child.pid, started) is None


@pytest.mark.parametrize("pid", [NOBODY, 0, -1])
def test_nobody(no_leak, pid):
    """
    A pid that nobody has is not alive, and none is ever opened.
    """
    assert not is_alive(pid, 1)
    assert open_pidfd(pid, 1) is None


def test_a_pidfd_is_of_the_process(child, no_leak):
    """
    The caller closes it.
    """
    fd = open_pidfd(child.pid, start_time(child.pid))
    try:
        with open(f"/proc/self/fdinfo/{fd}") as file:
            assert f"Pid:\t{child.pid}\n" in file.read()
        assert not os.get_inheritable(fd)
    finally:
        os.close(fd)


def test_the_parent_of_a_process(child):
    """
    It is known until the process is reaped, and then there is none.
    """
    assert parent(child.pid) == os.getpid()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert parent(child.pid) == os.getpid()
    child.wait()

    assert parent(child.pid) is None
    assert parent(1) == 0
