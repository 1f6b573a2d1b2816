"""Mount options: from words to bits."""

import pytest

from libcontainer.kernel import constants as c
from libcontainer.rootfs.options import (
    MountOptions,
    attribute_words,
    known_options,
    parse,
    propagation_flag,
)

RO, NOSUID, NODEV, NOEXEC = 0x1, 0x2, 0x4, 0x8
ATIME = c.MOUNT_ATTR__ATIME


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param("", {}, id="none"),
        pytest.param("ro", {"set": RO}, id="ro"),
        pytest.param("rw", {"clear": RO}, id="rw"),
        pytest.param("ro,rw", {"clear": RO}, id="the-later-wins-rw"),
        pytest.param("rw,ro", {"set": RO}, id="the-later-wins-ro"),
        pytest.param("nosuid,nodev,noexec", {"set": NOSUID | NODEV | NOEXEC}, id="three"),
        pytest.param("nosuid,suid,dev,exec", {"clear": NOSUID | NODEV | NOEXEC}, id="opposites"),
        pytest.param("noatime", {"set": 0x10, "clear": ATIME}, id="noatime-clears-the-field"),
        pytest.param("noatime,strictatime", {"set": 0x20, "clear": ATIME}, id="strict-wins"),
        pytest.param("strictatime,relatime", {"clear": ATIME}, id="relatime-is-zero"),
        pytest.param("noatime,atime", {"clear": ATIME}, id="atime-is-the-default"),
        pytest.param("nodiratime,diratime", {"clear": 0x80}, id="diratime"),
        pytest.param("nosymfollow", {"set": c.MOUNT_ATTR_NOSYMFOLLOW}, id="nosymfollow"),
        pytest.param("rro,rnosuid", {"recursive_set": RO | NOSUID}, id="recursive"),
        pytest.param("rrw", {"recursive_clear": RO}, id="recursive-clear"),
        pytest.param("ro,rrw", {"set": RO, "recursive_clear": RO}, id="own-and-recursive"),
        pytest.param("rprivate,slave", {"propagation": ("rprivate", "slave")}, id="propagation"),
        pytest.param("sync,dirsync,async", {"superblock": ("dirsync", "async")}, id="superblock"),
        pytest.param(
            "bind,ridmap=uids=0-1-2", {"words": ("bind",), "idmap": "ridmap=uids=0-1-2"}, id="idmap"
        ),
        pytest.param("defaults,silent,norelatime,rnorelatime", {}, id="ignored"),
        pytest.param("bind,rbind,tmpcopyup", {"words": ("bind", "rbind", "tmpcopyup")}, id="words"),
        pytest.param("size=1k,mode=755,x", {"data": ("size=1k", "mode=755", "x")}, id="data"),
        pytest.param("remount,RO", {"words": ("remount",), "data": ("RO",)}, id="case-matters"),
    ],
)
def test_options_are_sorted_by_who_acts_on_them(options, expected):
    """
    Each word goes to who acts on it; what nobody knows is for the file system.
    """
    assert parse(tuple(filter(None, options.split(",")))) == MountOptions(**expected)


def test_no_known_word_is_taken_as_data():
    """
    Every word that the features document lists is acted on, or known to have no effect.
    """
    assert [word for word in known_options() if parse((word,)).data] == []
    assert {"idmap", "ridmap", "ro", "rro", "rshared", "tmpcopyup"} <= set(known_options())


def test_every_attribute_has_a_recursive_form():
    """
    `ro` is `rro` for the whole tree, and so for each of them.
    """
    for word in known_options():
        own, tree = parse((word,)), parse(("r" + word,))
        if own.touches_attributes:
            assert (tree.recursive_set, tree.recursive_clear) == (own.set, own.clear), word


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("private", (c.MS_PRIVATE, False)),
        ("rprivate", (c.MS_PRIVATE, True)),
        ("rshared", (c.MS_SHARED, True)),
        ("slave", (c.MS_SLAVE, False)),
        ("runbindable", (c.MS_UNBINDABLE, True)),
    ],
)
def test_propagation_words(word, expected):
    """
    The leading r is for the whole tree.
    """
    assert propagation_flag(word) == expected


@pytest.mark.parametrize(
    ("options", "touched"),
    [("ro", True), ("rw", True), ("relatime", True), ("rro", False), ("rbind,size=1", False)],
)
def test_what_touches_attributes(options, touched):
    """
    A bind inherits its source's attributes unless one is given.
    """
    assert parse(tuple(options.split(","))).touches_attributes is touched


def test_bits_are_spelled_for_people():
    """
    Bits are shown as the words that set them.
    """
    assert attribute_words(RO | NODEV, 0) == "ro,nodev"
    assert attribute_words(0, RO) == "rw"
    assert attribute_words(0, NOSUID) == ""
