"""Mounts of a running container: what is refused before anything is mounted, and what is left."""

import errno
import json
import os

import pytest

from libcontainer.errors import SpecError, WrongStatus
from libcontainer.kernel import constants as c
from libcontainer.ops import mounts
from libcontainer.ops.mounts import add_mounts, remove_mounts

WAYS = {"add": add_mounts, "remove": remove_mounts}
DOCUMENT = json.dumps(
    {
        "ociVersion": "1.3.0",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["true"]},
        "linux": {"namespaces": [{"type": "mount"}]},
    }
)
# A place that cannot be made, should it ever come to that: the root of these containers is ours.
ONE = json.dumps([{"destination": "/dev/null/x", "type": "tmpfs"}])


@pytest.fixture
def running(box):
    """A container that is a process of ours, in our own mount namespace whatever it says."""
    made = box().run()
    made.directory.keep_document(DOCUMENT)
    made.save()
    return made


@pytest.mark.parametrize("way", WAYS)
def test_our_own_mount_namespace_is_left_alone(running, root, no_leak, way):
    """
    What counts is in which namespace the container is, not what its document says.
    """
    with pytest.raises(SpecError, match="^unable to mount without a private MNT namespace$"):
        WAYS[way]("box", ONE, root=root)


@pytest.mark.parametrize("way", WAYS)
def test_an_init_that_has_just_ended(running, root, no_leak, monkeypatch, way):
    """
    What was opened may be another's by then: it is closed again.
    """
    monkeypatch.setattr(mounts, "open_pidfd", lambda pid, start_time: None)

    with pytest.raises(WrongStatus, match="^container not running$"):
        WAYS[way]("box", ONE, root=root)


@pytest.mark.parametrize("refused", ["root", "owner"])
def test_a_namespace_that_cannot_be_looked_at(running, root, no_leak, monkeypatch, refused):
    """
    Nothing stays open.
    """

    def refuse(kernel):
        raise PermissionError(errno.EPERM, "refused")

    monkeypatch.setattr(mounts, "is_ours", lambda namespace: False)
    monkeypatch.setattr(mounts.Elsewhere, "root", lambda kernel: os.open("/", c.O_PATH))
    monkeypatch.setattr(mounts.Elsewhere, refused, refuse)

    with pytest.raises(PermissionError, match="refused"):
        add_mounts("box", ONE, root=root)


def test_all_faults_are_told_at_once(running, root):
    """
    With the place of each in the array.
    """
    given = [
        {"destination": "/a", "type": "bind"},
        {"destination": "/", "type": "tmpfs"},
        {"destination": ""},
    ]

    with pytest.raises(SpecError) as e:
        add_mounts("box", json.dumps(given), root=root)

    assert e.value.faults == (
        "$[0].source: a bind mount needs one",
        'mountpoint "/" is on the top of rootfs "rootfs"',
        "$[2].destination: empty",
    )
