"""Bind sources that main opens: what is left of it when the kernel refuses."""

import errno
from types import SimpleNamespace

import pytest

from libcontainer.errors import InitFailed
from libcontainer.idmap import IdRange
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.process.sources import Sources
from libcontainer.rootfs.bind import BindMount, Idmap

RANGE = (IdRange(inside=0, outside=5000, size=1),)
PLAN = SimpleNamespace(
    namespaces=SimpleNamespace(own=lambda kind: False),
    mapping=None,
    build=(BindMount(source="/", destination="/x", idmap=Idmap(uids=RANGE, gids=RANGE)),),
)


class Refusing(LinuxKernel):
    """A kernel without room for one more process, or user namespace."""

    def __init__(self, call):
        super().__init__()
        self.call = call

    def fork(self, body):
        if self.call == "fork":
            raise OSError(errno.EAGAIN, "fork: refused")
        return super().fork(body)

    def unshare(self, flags):
        raise OSError(errno.ENOSPC, "unshare: refused")


@pytest.mark.parametrize(
    ("call", "error"), [("fork", OSError), ("unshare", InitFailed)], ids=["fork", "unshare"]
)
def test_a_refused_user_namespace_leaves_nothing(no_leak, call, error, capfd):
    """
    No descriptor and no process: the caller may be a program that lives on.
    """
    with pytest.raises(error):
        Sources(PLAN, Refusing(call))
