"""Labels of security modules: which are written, and how."""

import pytest

from libcontainer.errors import SpecError
from libcontainer.lsm import Label, Lsm, labels, probe
from libcontainer.plan.labels import write_labels
from libcontainer.spec.process import Process

APPARMOR = "apparmor failed to apply profile"
SELINUX = "unable to set the selinux label"


def process(**given):
    return Process.from_json({"cwd": "/", "args": ["x"], **given})


@pytest.mark.parametrize(
    ("lsm", "no_new_privileges", "text"),
    [
        pytest.param(Lsm("apparmor/exec"), True, "exec box", id="free"),
        pytest.param(Lsm("apparmor/exec", confined=True), False, "exec box", id="confined"),
        pytest.param(Lsm("apparmor/exec", confined=True), True, "stack box", id="stacked"),
    ],
)
def test_apparmor(lsm, no_new_privileges, text):
    """
    Under no_new_privs a confined runtime can only stack.
    """
    asked = process(apparmorProfile="box", noNewPrivileges=no_new_privileges)

    assert labels(asked, lsm) == (Label("apparmor/exec", text, APPARMOR),)


def test_selinux():
    """
    The label is written as it is.
    """
    assert labels(process(selinuxLabel="a:b:c"), Lsm(selinux=True)) == (
        Label("exec", "a:b:c", SELINUX),
    )


def test_labels_without_an_exec():
    """
    A workload that is no program changes its label itself.
    """
    asked = process(apparmorProfile="box", selinuxLabel="a:b:c")

    assert labels(asked, Lsm("apparmor/exec", selinux=True), at_exec=False) == (
        Label("apparmor/current", "changeprofile box", APPARMOR),
        Label("current", "a:b:c", SELINUX),
    )


def test_what_this_host_has_not_is_refused():
    """
    Both at once.
    """
    with pytest.raises(SpecError) as e:
        labels(process(apparmorProfile="x", selinuxLabel="y"), Lsm())

    assert [fault.split()[0] for fault in e.value.faults] == ["apparmor", "selinux"]


def test_calls_of_the_list():
    """
    Opened by the list itself, no mount and no magic link on the way; the handle is closed.
    """
    entries = write_labels([Label("apparmor/exec", "exec ä", APPARMOR)], handle="attr")

    assert [(e.call, e.args[0]) for e in entries] == [
        ("openat2", "fd:attr"),
        ("write", "result:-1"),
        ("close", "result:-2"),
        ("close", "fd:attr"),
    ]
    assert entries[1].args[2] == entries[1].want == len("exec ä".encode())


def test_below_a_whole_procfs():
    """
    After a fork the process is found by the procfs.
    """
    entries = write_labels([Label("exec", "x", SELINUX)], handle="proc", folder="self/attr/")

    assert entries[0].args[:2] == ("fd:proc", "text:self/attr/exec")


def test_probe_says_something():
    """
    Looking is harmless on any host.
    """
    assert isinstance(probe(), Lsm)
