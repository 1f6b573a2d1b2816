"""The id mapping of a mount, and the mounts of the host that go without a pivot."""

import pytest

from libcontainer.errors import SpecError
from libcontainer.idmap import IdRange
from libcontainer.plan.idmapped import idmap_of
from libcontainer.plan.nopivot import is_below, parse
from libcontainer.rootfs.bind import Idmap
from libcontainer.spec.idmapping import LinuxIDMapping
from libcontainer.spec.linux import Linux
from libcontainer.spec.mounts import Mount

OWN = (LinuxIDMapping(0, 100000, 10), LinuxIDMapping(10, 500, 5))
LINUX = Linux(uid_mappings=OWN, gid_mappings=OWN)
FIELD = (LinuxIDMapping(0, 7, 2),)


@pytest.mark.parametrize(
    ("option", "fields", "expected"),
    [
        ("idmap", {}, Idmap()),
        ("ridmap", {}, Idmap(recursive=True)),
        (None, {"uid_mappings": FIELD, "gid_mappings": FIELD},
         Idmap(uids=(IdRange(0, 7, 2),), gids=(IdRange(0, 7, 2),))),
        ("ridmap=uids=0-1-2#5-6-7;gids=3-4-5", {},
         Idmap(uids=(IdRange(0, 1, 2), IdRange(5, 6, 7)), gids=(IdRange(3, 4, 5),),
               recursive=True)),
        ("idmap=uids=@3-2-4;gids=@0-11-2", {},
         Idmap(uids=(IdRange(3, 100002, 4),), gids=(IdRange(0, 501, 2),))),
    ],
)  # fmt: skip
def test_where_a_mapping_comes_from(option, fields, expected):
    """
    From the container, from the mount's fields, or from the option itself.
    """
    assert idmap_of(Mount("/a", **fields), option, LINUX) == expected


@pytest.mark.parametrize(
    "text",
    ["x", "uids=0-1-1", "uids=0-1-1;gids=", "uids=0-1-1;gids=0-1", "uids=0-1-1;gids=a-1-1",
     "uids=0-1-1;gids=0--1-1", "uids=0-1-1;gids=0-1-0", "uids=@0-8-4;gids=0-1-1",
     "uids=0-4294967295-2;gids=0-1-1", "uids=\u0661-1-1;gids=0-1-1"],
)  # fmt: skip
def test_what_is_no_mapping(text):
    """
    Nothing is guessed; the error names mount and option.
    """
    with pytest.raises(SpecError, match="mount /a: idmap="):
        idmap_of(Mount("/a"), f"idmap={text}", LINUX)


MOUNTINFO = """\
20 25 0:21 / /proc rw,relatime shared:5 - proc proc rw
21 25 0:22 / /sys ro - sysfs sysfs rw
22 20 0:21 /sys /proc/sys ro - proc proc rw
23 25 254:0 / / rw - ext4 /dev/vda rw
24 25 0:50 / /a\\040b\\134c/proc rw - proc none rw
"""


def test_the_hosts_proc_and_sys():
    """
    Whole ones alone, innermost first, with what mountinfo escapes.
    """
    assert parse(MOUNTINFO) == ("/a b\\c/proc", "/sys", "/proc")


@pytest.mark.parametrize(
    ("path", "folder", "below"),
    [("/a/b", "/a", True), ("/a", "/a", True), ("/ab", "/a", False), ("/a", "/", True)],
)
def test_what_is_below(path, folder, below):
    """
    By components, not by letters.
    """
    assert is_below(path, folder) is below
