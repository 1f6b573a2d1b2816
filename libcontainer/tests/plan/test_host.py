"""What is looked at on this host."""

import errno
import os

import pytest

from libcontainer.errors import InitFailed
from libcontainer.plan.host import probe
from libcontainer.spec.document import Spec


def spec(*namespaces):
    return Spec.from_json({"ociVersion": "1.3.0", "linux": {"namespaces": list(namespaces)}})


def identity(path):
    found = os.stat(path)
    return f"{found.st_dev}:{found.st_ino}"


def test_this_host():
    """
    Ids, capabilities and cgroups are those of the process.
    """
    found = probe(spec({"type": "mount"}), cgroups={"": "/x"}, unified=True)

    with open("/proc/self/status") as file:
        bounding = next(int(line.split()[1], 16) for line in file if line.startswith("CapBnd"))
    assert (found.euid, found.egid) == (os.geteuid(), os.getegid())
    assert found.bounding == bounding
    assert found.last_capability == bounding.bit_length() - 1
    assert (found.cgroups, found.unified) == ({"": "/x"}, True)
    assert (found.namespaces, found.joined) == ({}, {})


def test_a_new_user_namespace_has_the_kernels_capabilities():
    """
    The highest capability is then the kernel's, not the highest of ours.
    """
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())

    assert probe(spec({"type": "user"}), cgroups={}, unified=False).last_capability == last


def test_joined_namespaces_are_identified():
    """
    A path is compared with the runtime's own namespace of that kind.
    """
    given = spec({"type": "network", "path": "/proc/self/ns/net"}, {"type": "pid"})

    found = probe(given, cgroups={}, unified=False)

    own = identity("/proc/self/ns/net")
    assert found.joined == {"/proc/self/ns/net": own}
    assert found.namespaces == {"network": own}


def test_a_namespace_that_is_not_there_is_an_error():
    """
    The path is named.
    """
    with pytest.raises(InitFailed, match="^join the ipc namespace /nowhere: no such file") as e:
        probe(spec({"type": "ipc", "path": "/nowhere"}), cgroups={}, unified=False)

    assert e.value.errno == errno.ENOENT
