"""Faults of a profile, and its records."""

import pickle

import attrs
import pytest

from libseccomp import LinuxSeccomp, LinuxSeccompArg, LinuxSyscall, check
from libseccomp.profile import is_absent


def profile(**changes):
    """Return a profile without faults but for `changes`."""
    rule = LinuxSyscall(names=("read",), action="SCMP_ACT_ALLOW")
    start = LinuxSeccomp(default_action="SCMP_ACT_ERRNO", syscalls=(rule,))
    return start.replace(**changes)


def rule(**changes):
    """Return a profile whose one rule has `changes`."""
    return profile(syscalls=(profile().syscalls[0].replace(**changes),))


def condition(**changes):
    """Return a profile with one condition that has `changes`."""
    arg = LinuxSeccompArg(index=0, value=1, op="SCMP_CMP_EQ").replace(**changes)
    return rule(args=(arg,))


@pytest.mark.parametrize(
    ("given", "path", "text"),
    [
        pytest.param(
            profile(default_action="SCMP_ACT_X"),
            ".defaultAction",
            'string "SCMP_ACT_X" is not a valid action for seccomp',
            id="unknown-default",
        ),
        pytest.param(
            profile(default_action="SCMP_ACT_NOTIFY", listener_path="/a"),
            ".defaultAction",
            "SCMP_ACT_NOTIFY cannot be used as default action",
            id="notify-by-default",
        ),
        pytest.param(
            profile(default_action="SCMP_ACT_ALLOW", default_errno_ret=2),
            ".defaultErrnoRet",
            "errno value specified for action SCMP_ACT_ALLOW",
            id="errno-of-allow",
        ),
        pytest.param(
            profile(default_errno_ret=4095),
            ".defaultErrnoRet",
            "4095 is more than SCMP_ACT_ERRNO can carry, 4094",
            id="errno-too-large",
        ),
        pytest.param(
            profile(architectures=("SCMP_ARCH_X86", "x86_64")),
            ".architectures[1]",
            'string "x86_64" is not a valid arch for seccomp',
            id="unknown-arch",
        ),
        pytest.param(
            profile(flags=("SECCOMP_FILTER_FLAG_X",)),
            ".flags[0]",
            'seccomp flag "SECCOMP_FILTER_FLAG_X" is not known',
            id="unknown-flag",
        ),
        pytest.param(
            profile(flags=("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",)),
            ".flags[0]",
            "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV needs a rule with SCMP_ACT_NOTIFY",
            id="wait-killable-without-notify",
        ),
        pytest.param(
            rule(action="SCMP_ACT_NOTIFY"),
            ".listenerPath",
            "seccomp listenerPath is not set",
            id="notify-without-listener",
        ),
        pytest.param(
            profile(listener_metadata="x"),
            ".listenerMetadata",
            "seccomp listenerMetadata is set, listenerPath is not",
            id="metadata-without-listener",
        ),
        pytest.param(rule(names=()), ".syscalls[0].names", "no system call is named", id="no-name"),
        pytest.param(
            rule(action="SCMP_ACT_X"),
            ".syscalls[0].action",
            'string "SCMP_ACT_X" is not a valid action for seccomp',
            id="unknown-action",
        ),
        pytest.param(
            rule(action="SCMP_ACT_KILL", errno_ret=0),
            ".syscalls[0].errnoRet",
            "errno value specified for action SCMP_ACT_KILL",
            id="errno-of-kill",
        ),
        pytest.param(
            rule(action="SCMP_ACT_TRACE", errno_ret=65536),
            ".syscalls[0].errnoRet",
            "65536 is more than SCMP_ACT_TRACE can carry, 65535",
            id="message-too-large",
        ),
        pytest.param(
            condition(index=6),
            ".syscalls[0].args[0].index",
            "a system call has arguments 0 to 5, not 6",
            id="index",
        ),
        pytest.param(
            condition(op="=="),
            ".syscalls[0].args[0].op",
            'string "==" is not a valid operator for seccomp',
            id="operator",
        ),
    ],
)
def test_a_fault_is_reported_with_its_path(given, path, text):
    """
    A wrong value is named by its path below `linux.seccomp`.
    """
    assert check(given) == [(path, text)]


def test_all_faults_are_reported_at_once():
    """
    A profile with several faults is not reported one fault at a time.
    """
    wrong = condition(op="x", index=9).replace(default_action="y", flags=("z",))

    paths = [path for path, _ in check(wrong)]

    args = ".syscalls[0].args[0]"
    assert paths == [".defaultAction", ".flags[0]", f"{args}.index", f"{args}.op"]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(profile(), id="plain"),
        pytest.param(profile(flags=()), id="no-flags"),
        pytest.param(profile(listener_path="/run/a.sock"), id="listener-unused"),
        pytest.param(rule(action="SCMP_ACT_NOTIFY").replace(listener_path="/a"), id="notify"),
        pytest.param(LinuxSeccomp(default_action=""), id="absent"),
    ],
)
def test_a_good_profile_has_no_faults(given):
    """
    What the specification allows is not reported.
    """
    assert check(given) == []


def test_an_empty_object_stands_for_no_filter():
    """
    No action and no rules is how some engines write "no profile".
    """
    assert is_absent(LinuxSeccomp(default_action=""))
    assert not is_absent(profile())


def test_flags_tell_absent_from_empty():
    """
    Without the key the kernel's SPEC_ALLOW is used; an empty list means no flag at all.
    """
    plain = {"defaultAction": "SCMP_ACT_ALLOW"}

    assert LinuxSeccomp.from_json(plain).flags is None
    assert LinuxSeccomp.from_json(plain | {"flags": []}).flags == ()


def test_a_profile_survives_json_pickle_and_attrs(docker):
    """
    Records go to JSON and back, through pickle, and are known to attrs.
    """
    given = LinuxSeccomp.from_json(docker)

    assert LinuxSeccomp.from_json(given.to_json()) == given
    assert pickle.loads(pickle.dumps(given)) == given
    assert [a.metadata["key"] for a in attrs.fields(LinuxSeccompArg)] == [
        "index",
        "value",
        "op",
        "valueTwo",
    ]
