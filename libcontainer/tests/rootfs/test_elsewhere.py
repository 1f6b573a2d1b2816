"""Processes that act in a container's namespaces for us: what others there can see of them."""

import os
import subprocess

import pytest

from libcontainer.kernel import constants as c
from libcontainer.rootfs.elsewhere import Elsewhere

PR_GET_DUMPABLE = 3


@pytest.fixture
def neighbour():
    """A process with users and mounts of its own, as a container has them."""
    if os.geteuid() != 0:
        pytest.skip("needs root, to join another's namespaces")
    script = "echo ready; exec sleep 60"
    argv = ["unshare", "-U", "-m", "--map-root-user", "sh", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        try:
            if process.stdout.readline() != b"ready\n":
                pytest.skip("needs user namespaces")
            yield process.pid
        finally:
            process.kill()


@pytest.fixture
def namespaces(neighbour):
    fds = [os.open(f"/proc/{neighbour}/ns/{kind}", os.O_RDONLY) for kind in ("mnt", "user")]
    yield fds
    for fd in fds:
        os.close(fd)


class Watched(Elsewhere):
    """The kernel, which after each change of credentials makes the process as open as it gets."""

    def setns(self, fd, kind, what):
        super().setns(fd, kind, what)
        if kind == c.CLONE_NEWUSER:
            self.prctl(c.PR_SET_DUMPABLE, 1)

    def become(self, uid, gid, groups):
        super().become(uid, gid, groups)
        self.prctl(c.PR_SET_DUMPABLE, 1)


def is_closed(kernel):
    """Return a descriptor if nobody may look into this process."""
    if kernel.prctl(PR_GET_DUMPABLE):
        raise OSError(1, "the process can be looked into")
    return os.open("/", c.O_PATH)


@pytest.mark.root
def test_who_makes_a_mount_point_cannot_be_looked_into(namespaces):
    """
    It has the ids of the container's root, and the host's files as its root: no one there may
    trace it, whatever `fs.suid_dumpable` makes of a process with new ids.
    """
    kernel = Watched(namespaces[0])

    os.close(kernel.made_by_root(lambda: is_closed(kernel), namespaces[1]))


@pytest.mark.root
def test_who_locks_a_mount_cannot_be_looked_into(namespaces, no_leak):
    """
    It is in a copy of the host's mounts, with all capabilities over the container's users.
    """
    kernel = Watched(namespaces[0])
    clone = kernel.open_tree
    kernel.open_tree = lambda *arguments: (os.close(is_closed(kernel)), clone(*arguments))[1]
    tree = clone(c.AT_FDCWD, "/etc", c.OPEN_TREE_CLONE)

    locked = kernel.lock(tree, namespaces[1])

    assert os.fstat(locked).st_ino == os.stat("/etc").st_ino
    os.close(locked)
    os.close(tree)


@pytest.mark.root
def test_the_root_is_that_of_the_namespace(neighbour, namespaces, no_leak):
    """
    Opened there, and owned by whoever owns the mounts.
    """
    kernel = Elsewhere(namespaces[0])

    root, users = kernel.root(), kernel.owner()

    assert os.fstat(root).st_ino == os.stat(f"/proc/{neighbour}/root/").st_ino
    assert os.fstat(users).st_ino == os.fstat(namespaces[1]).st_ino
    os.close(root)
    os.close(users)


@pytest.mark.root
def test_our_own_users_are_nobody_elses(no_leak):
    """
    A mount namespace of our own users needs no locks.
    """
    own = os.open("/proc/self/ns/mnt", os.O_RDONLY)

    assert Elsewhere(own).owner() is None

    os.close(own)
