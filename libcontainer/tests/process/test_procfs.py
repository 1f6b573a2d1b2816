"""A procfs for a pid namespace that is joined, and user namespaces for id-mapped mounts."""

import errno
import os
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from libcontainer.errors import InitFailed
from libcontainer.idmap import IdRange
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.process.procfs import _forked, make_procs
from libcontainer.process.sources import user_namespace
from libcontainer.rootfs.bind import Idmap
from libcontainer.rootfs.filesystem import NewMount

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for namespaces"),
]


class OldKernel(LinuxKernel):
    """Linux before 6.17: a procfs cannot be told its pid namespace."""

    def fsconfig_fd(self, fd, name, value):
        raise OSError(errno.EINVAL, "fsconfig: invalid argument", name)


@pytest.fixture
def neighbour():
    """A pid namespace with one process in it; its handle."""
    outer = subprocess.Popen(["unshare", "-pf", "sleep", "60"])
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    end = time.monotonic() + 10
    while not (text := children.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.01)
    handle = os.open(f"/proc/{text}/ns/pid", os.O_RDONLY)
    yield handle
    os.close(handle)
    os.kill(int(text), 9)
    outer.wait()


def plan(*data):
    proc = NewMount(kind="proc", source="proc", destination="/proc", set=0xE, data=data)
    return SimpleNamespace(build=[proc])


@pytest.mark.parametrize("kernel", [LinuxKernel(), OldKernel()], ids=["told", "made-inside"])
def test_it_shows_the_processes_of_that_namespace(neighbour, kernel, no_leak):
    """
    Told which namespace, or made inside of it: the same processes are seen, and nothing is left.
    """
    try:
        made = make_procs(plan("hidepid=1"), kernel, neighbour)
    except OSError as e:
        pytest.skip(f"needs to mount a procfs: {e}")
    folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=made["/proc"])
    seen = [name for name in os.listdir(folder) if name.isdigit()]
    os.close(folder)
    os.close(made["/proc"])

    assert seen == ["1"]


def test_what_cannot_be_made_inside_is_told(neighbour, no_leak):
    """
    An option that this procfs does not have stops the container; no process stays.
    """
    with pytest.raises(InitFailed, match="mount proc on /proc: cannot be made in the pid names"):
        make_procs(plan("no-such-option=1"), OldKernel(), neighbour)


def test_what_main_may_not_make_is_left_to_init(neighbour, no_leak):
    """
    Without rights over the namespace nothing is made, and nothing is wrong yet.
    """

    class Refusing(LinuxKernel):
        def fsopen(self, name):
            raise PermissionError(errno.EPERM, "fsopen: operation not permitted", name)

    assert make_procs(plan(), Refusing(), neighbour) == {}


def test_a_user_namespace_that_nobody_lives_in(no_leak):
    """
    Its handle keeps it and its maps; the process that made it has ended.
    """
    idmap = Idmap(uids=(IdRange(0, 5000, 10),), gids=(IdRange(0, 6000, 1),))

    fd = user_namespace(idmap, LinuxKernel())

    shown = subprocess.run(
        ["nsenter", f"--user=/proc/{os.getpid()}/fd/{fd}", "cat", "/proc/self/uid_map",
         "/proc/self/gid_map"], capture_output=True, text=True, pass_fds=[fd],
    ).stdout.split()  # fmt: skip
    os.close(fd)
    assert shown == ["0", "5000", "10", "0", "6000", "1"]


@pytest.mark.parametrize(
    ("said", "pid"),
    [
        (b"P\x07\0\0\0\0\0\0\0", 7),
        (b"E\x03\0\0\0\x16\0\0\0P\x07\0\0\0\0\0\0\0", 7),
        (b"E\0\0\0\0\x16\0\0\0", 0),
        (b"", 0),
    ],
    ids=["forked", "failed before it was told of", "not forked", "nothing"],
)
def test_who_makes_the_mount(said, pid):
    """
    A failure may be heard before the pid of who failed; unreaped, it would hold the namespace.
    """
    reader, writer = os.pipe()
    os.write(writer, said)
    os.close(writer)

    assert _forked(reader) == pid
    os.close(reader)
