"""Capabilities: names to bits."""

import logging

import pytest

from libcontainer.capabilities import NAMES, SYS_ADMIN, CapabilitySets, sets
from libcontainer.spec.process import LinuxCapabilities

ALL = 2**64 - 1


def test_numbers_are_the_kernels():
    """
    The order of the names is their numbering in the kernel's header.
    """
    numbers = {name: number for number, name in enumerate(NAMES)}

    assert len(NAMES) == 41
    assert (numbers["CHOWN"], numbers["SETPCAP"], numbers["SYS_ADMIN"]) == (0, 8, 21)
    assert (numbers["MKNOD"], numbers["SETFCAP"], numbers["AUDIT_READ"]) == (27, 31, 37)
    assert (numbers["PERFMON"], numbers["BPF"], numbers["CHECKPOINT_RESTORE"]) == (38, 39, 40)
    assert SYS_ADMIN == 1 << 21


@pytest.mark.parametrize(
    ("wanted", "available", "expected", "refused"),
    [
        pytest.param(None, ALL, {}, (), id="no-object"),
        pytest.param({}, ALL, {}, (), id="empty"),
        pytest.param(
            {"bounding": ("CAP_CHOWN", "CAP_KILL"), "effective": ("CAP_KILL",)}, ALL,
            {"bounding": 0x21, "effective": 0x20}, (), id="each-set-by-itself",
        ),
        pytest.param(
            {"bounding": ("CAP_CHOWN", "CAP_KILL"), "permitted": ("CAP_KILL",)}, 0x01,
            {"bounding": 0x01}, ("CAP_KILL",), id="not-available-told-once",
        ),
        pytest.param(
            {"permitted": ("CAP_X", "chown", "CHOWN", "CAP_chown", "CAP_CHOWN")}, ALL,
            {"permitted": 0x01}, ("CAP_X", "chown", "CHOWN", "CAP_chown"), id="names-are-exact",
        ),
        pytest.param(
            {"ambient": ("CAP_CHOWN", "CAP_KILL"), "permitted": ("CAP_CHOWN", "CAP_KILL"),
             "inheritable": ("CAP_KILL",)}, ALL,
            {"ambient": 0x20, "permitted": 0x21, "inheritable": 0x20}, (),
            id="ambient-is-what-is-both",
        ),
        pytest.param({"ambient": ("CAP_CHOWN",)}, ALL, {}, (), id="ambient-alone-is-nothing"),
        pytest.param(
            {"bounding": ("CAP_CHECKPOINT_RESTORE",)}, ALL, {"bounding": 1 << 40}, (), id="the-last"
        ),
    ],
)  # fmt: skip
def test_sets(wanted, available, expected, refused):
    """
    What can be had of what is wanted, and the names that cannot.
    """
    given = None if wanted is None else LinuxCapabilities(**wanted)

    assert sets(given, available) == (CapabilitySets(**expected), refused)


def test_what_cannot_be_ambient_is_told(caplog):
    """
    Each one that is not both permitted and inheritable, in runc's words.
    """
    wanted = LinuxCapabilities(
        ambient=("CAP_KILL", "CAP_CHOWN", "CAP_BPF"),
        permitted=("CAP_KILL", "CAP_CHOWN"),
        inheritable=("CAP_CHOWN", "CAP_BPF"),
    )

    with caplog.at_level(logging.WARNING, "libcontainer"):
        found, refused = sets(wanted, ALL)

    assert (found.ambient, refused) == (0x1, ())
    assert [record.message for record in caplog.records] == [
        "can't raise ambient capability CAP_KILL: operation not permitted",
        "can't raise ambient capability CAP_BPF: operation not permitted",
    ]
