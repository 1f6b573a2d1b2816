"""Joining namespaces by path."""

import errno
import os

import pytest

from libcontainer.errors import InitFailed
from libcontainer.kernel import constants as c
from libcontainer.namespaces import Join, enter, open_namespace


def test_a_namespace_is_opened(no_leak):
    """
    Or it is said of which kind it was to be, and where.
    """
    fd = open_namespace(Join("network", "/proc/self/ns/net"))
    assert os.readlink(f"/proc/self/fd/{fd}").startswith("net:[")
    os.close(fd)

    text = "^join the user namespace /nonexistent: no such file or directory$"
    with pytest.raises(InitFailed, match=text) as e:
        open_namespace(Join("user", "/nonexistent"))
    assert e.value.errno == errno.ENOENT


def test_a_namespace_is_entered(kernel):
    """
    As one of its kind, else the kernel refuses.
    """
    enter(kernel, Join("mount", "/x"), 3)
    assert kernel.calls == [("setns", (c.CLONE_NEWNS, "/x"))]

    kernel.fail["setns"] = errno.EINVAL
    with pytest.raises(InitFailed, match="^join the mount namespace /x: invalid argument$"):
        enter(kernel, Join("mount", "/x"), 3)
