import ctypes
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libcgroups import CgroupError, LinuxDeviceCgroup
from libcgroups.bpf import assemble
from libcgroups.devices import (
    ANY,
    DEFAULT_RULES,
    MKNOD,
    READ,
    WRITE,
    DeviceAccess,
    parse_access,
    parse_list,
    resolve,
    transition,
)
from libcgroups.testing import run_device_program


def allow(text):
    return rule(True, text)


def deny(text):
    return rule(False, text)


def rule(allow, text):
    kind, numbers, access = text.split()
    major, minor = [None if n == "*" else int(n) for n in numbers.split(":")]
    return LinuxDeviceCgroup(allow, kind, major, minor, access)


DENY_ALL = LinuxDeviceCgroup(False, access="rwm")
ALLOW_ALL = LinuxDeviceCgroup(True, access="rwm")


def access_of(*rules):
    found = DeviceAccess()
    for r in rules:
        found.add(r)
    return found


@pytest.mark.parametrize(
    ("rules", "allow_all", "exceptions"),
    [
        pytest.param([], False, {}, id="deny-is-the-default"),
        pytest.param([ALLOW_ALL], True, {}, id="allow-all"),
        pytest.param([allow("c 1:3 rw")], False, {("c", 1, 3): READ | WRITE}, id="one"),
        pytest.param(
            [allow("c 1:3 r"), allow("c 1:3 w")],
            False,
            {("c", 1, 3): READ | WRITE},
            id="letters-add",
        ),
        pytest.param(
            [allow("c 1:3 rwm"), deny("c 1:3 m")],
            False,
            {("c", 1, 3): READ | WRITE},
            id="letters-are-taken-away",
        ),
        pytest.param([allow("c 1:3 r"), deny("c 1:3 rwm")], False, {}, id="taken-away-whole"),
        pytest.param([allow("c 1:3 r"), deny("c 1:* r")], False, {}, id="wider-rule-covers"),
        pytest.param([allow("c 1:3 r"), DENY_ALL], False, {}, id="all-forgets"),
        pytest.param(
            [ALLOW_ALL, deny("b 8:* w")], True, {("b", 8, ANY): WRITE}, id="exception-from-allow"
        ),
        pytest.param([allow("c 1:3 r"), deny("b 1:3 r")], False, {("c", 1, 3): READ}, id="kinds"),
    ],
)
def test_rules(rules, allow_all, exceptions):
    """
    Rules come to a default and exceptions from it, later ones over earlier ones.
    """
    assert access_of(*rules) == DeviceAccess(allow_all, exceptions)


def test_hole_in_a_wildcard():
    """
    v1 cannot express a hole in a wider exception, so it is refused everywhere.
    """
    with pytest.raises(CgroupError, match="cannot punch hole in existing wildcard rule: c 1:3 m"):
        access_of(allow("c *:* m"), deny("c 1:3 m"))


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (LinuxDeviceCgroup(True, "c", 1, 3), "device access at 4 field cannot be empty"),
        (LinuxDeviceCgroup(True, "c", 1, 3, "x"), "invalid device access 'x'"),
        (LinuxDeviceCgroup(True, "p", 1, 3, "r"), "invalid cgroup device type 'p'"),
        (LinuxDeviceCgroup(True, "c", -7, 3, "r"), "invalid device number -7"),
    ],
)
def test_rules_that_cannot_be_meant(rule, text):
    """
    A rule that means nothing is an error with its place in the list.
    """
    with pytest.raises(CgroupError, match=text):
        DeviceAccess().add(rule, 4)


def test_default_devices_cannot_be_denied():
    """
    What every container needs comes after the caller's rules.
    """
    access = resolve([DENY_ALL])

    assert access.exceptions[("c", 1, 3)] == READ | WRITE | MKNOD
    assert access.exceptions[("c", 136, ANY)] == READ | WRITE | MKNOD
    assert access.exceptions[("b", ANY, ANY)] == MKNOD
    assert len(access.exceptions) == len(DEFAULT_RULES)


def test_everything():
    """
    Allow-all stays allow-all.
    """
    assert resolve([ALLOW_ALL]).allows_everything()
    assert not resolve([]).allows_everything()


@pytest.mark.parametrize(
    ("current", "target", "lines"),
    [
        pytest.param(
            None, access_of(allow("c 1:3 r")), [(False, ["a"]), (True, ["c 1:3 r"])], id="unknown"
        ),
        pytest.param(
            access_of(ALLOW_ALL),
            access_of(),
            [(False, ["a"])],
            id="from-allow-all-nothing-is-known",
        ),
        pytest.param(
            access_of(allow("c 1:3 rw"), allow("c 1:5 r")),
            access_of(allow("c 1:3 rm"), allow("c 1:7 r")),
            [(False, ["c 1:3 w", "c 1:5 r"]), (True, ["c 1:3 m", "c 1:7 r"])],
            id="only-what-differs",
        ),
        pytest.param(access_of(), access_of(), [], id="nothing-to-do"),
        pytest.param(
            access_of(),
            access_of(ALLOW_ALL, deny("b *:* w")),
            [(True, ["a"]), (False, ["b *:* w"])],
            id="to-allow-all",
        ),
    ],
)
def test_transition(current, target, lines):
    """
    Only the difference is written: a running program loses nothing that it keeps.
    """
    assert list(transition(current, target)) == lines


def test_list_of_the_kernel():
    """
    A device list reads back as what was written.
    """
    text = "c 1:3 rw\nb *:* m\nc 136:* rwm\n"
    assert parse_list(text) == access_of(allow("c 1:3 rw"), allow("b *:* m"), allow("c 136:* rwm"))
    assert parse_list("a *:* rwm").allows_everything()


numbers = st.sampled_from([ANY, 0, 1, 2])
letters = st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm"])
rules = st.builds(
    LinuxDeviceCgroup,
    st.booleans(),
    st.sampled_from(["a", "b", "c", "c", "b"]),
    numbers,
    numbers,
    letters,
)


@given(
    st.lists(rules, max_size=8),
    st.sampled_from("bc"),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(1, 7),
)
def test_program_decides_as_the_rules_say(rule_list, kind, major, minor, wanted):
    """
    The BPF program and the table of exceptions agree on every request.
    """
    try:
        access = access_of(*rule_list)
    except CgroupError:
        return

    assert run_device_program(assemble(access), kind, major, minor, wanted) == decide(
        access, kind, major, minor, wanted
    )


def decide(access, kind, major, minor, wanted):
    """What the kernel's v1 controller answers."""
    matching = [
        letters
        for (k, ma, mi), letters in access.exceptions.items()
        if k == kind and ma in (ANY, major) and mi in (ANY, minor)
    ]
    if access.allow:
        return not any(letters & wanted for letters in matching)
    return any(letters & wanted == wanted for letters in matching)


@given(st.lists(rules, max_size=6), st.lists(rules, max_size=6))
def test_transition_leads_to_the_target(first, second):
    """
    The lines that are written turn the one list into the other.
    """
    try:
        current, target = access_of(*first), access_of(*second)
    except CgroupError:
        return
    known = None if current.allow else current

    for allows, lines in transition(known, target):
        for line in lines:
            write_as_kernel(current, allows, "a *:* rwm" if line == "a" else line)

    assert current == target


def write_as_kernel(current, allows, text):
    """One line to devices.allow or devices.deny: exceptions go by exact match, others stay."""
    kind, numbers, letters = text.split(" ")
    key = (kind, *[ANY if n == "*" else int(n) for n in numbers.split(":")])
    if kind != "a" and allows == current.allow and key in current.exceptions:
        left = current.exceptions.pop(key) & ~parse_access(letters, 0)
        current.exceptions |= {key: left} if left else {}
    else:
        current.add(rule(allows, text))


def test_program_of_docker_fits():
    """
    The default program is short.
    """
    assert len(assemble(resolve([DENY_ALL]))) // 8 == 99


def test_a_32_bit_personality_has_the_same_calls():
    """
    bpf(2) is called by the number of the interpreter's own machine, whatever uname says.
    """
    script = "from libcgroups.bpf import Bpf; print(Bpf()._number)"

    def number(domain):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            preexec_fn=lambda: ctypes.CDLL(None).personality(domain),
        )
        return done.stdout + done.stderr

    assert number(0x8) == number(0x0)  # PER_LINUX32, PER_LINUX
