"""What a profile leaves open, and what is refused."""

import logging
import subprocess
import sys

import pytest

from libseccomp import Judge, LinuxSeccomp, ProfileError, compile_profile, kernel, library

NATIVE = library.native_arch()
SPEC_ALLOW, LOG, NEW_LISTENER, WAIT_KILLABLE = 4, 2, 8, 32


@pytest.mark.parametrize(
    ("action", "keys", "expected"),
    [
        ("KILL", {}, "SCMP_ACT_KILL_THREAD"),
        ("KILL_THREAD", {}, "SCMP_ACT_KILL_THREAD"),
        ("KILL_PROCESS", {}, "SCMP_ACT_KILL_PROCESS"),
        ("TRAP", {}, "SCMP_ACT_TRAP"),
        ("ERRNO", {}, "SCMP_ACT_ERRNO EPERM"),
        ("ERRNO", {"errnoRet": 0}, "SCMP_ACT_ERRNO 0"),
        ("ERRNO", {"errnoRet": 13}, "SCMP_ACT_ERRNO EACCES"),
        ("TRACE", {}, "SCMP_ACT_TRACE 1"),
        ("TRACE", {"errnoRet": 65535}, "SCMP_ACT_TRACE 65535"),
        ("LOG", {}, "SCMP_ACT_LOG"),
        ("NOTIFY", {}, "SCMP_ACT_NOTIFY"),
    ],
)
def test_every_action_reaches_the_program(make_profile, action, keys, expected):
    """
    Each action of the specification comes out of the program; no errno is EPERM.
    """
    profile = make_profile("ALLOW", ("getppid", action, keys), listenerPath="/run/a.sock")

    judge = Judge(profile)

    assert judge.decide("getppid").result == expected
    assert judge.decide("getpid").result == "SCMP_ACT_ALLOW"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, SPEC_ALLOW, id="absent"),
        pytest.param({"flags": []}, 0, id="empty"),
        pytest.param({"flags": ["SECCOMP_FILTER_FLAG_TSYNC"]}, 0, id="tsync-is-implied"),
        pytest.param({"flags": ["SECCOMP_FILTER_FLAG_LOG"]}, LOG, id="log"),
        pytest.param(
            {"flags": ["SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG"]},
            LOG | SPEC_ALLOW,
            id="two",
        ),
    ],
)
def test_flags(make_profile, given, expected):
    """
    Flags come from the profile; without the key SPEC_ALLOW is set.
    """
    assert compile_profile(make_profile("ALLOW", **given)).flags == expected


def test_notify_asks_for_a_listener(make_profile):
    """
    A rule with NOTIFY makes loading return a listener, which may wait killably.
    """
    flags = ["SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"]
    rule = ("mkdir mkdirat write", "NOTIFY")

    plain = compile_profile(make_profile("ALLOW", rule, listenerPath="/a", flags=[]))
    assert (plain.flags, plain.notifies) == (NEW_LISTENER, True)

    if not kernel.has_flag(WAIT_KILLABLE):
        pytest.skip("the kernel lacks SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (Linux 5.19)")
    waits = compile_profile(make_profile("ALLOW", rule, listenerPath="/a", flags=flags))
    assert waits.flags == NEW_LISTENER | WAIT_KILLABLE


def test_unknown_names_are_left_out_and_told_at_debug(make_profile, caplog):
    """
    A profile may name calls that this libseccomp does not know.
    """
    with caplog.at_level(logging.DEBUG, "libseccomp"):
        judge = Judge(make_profile("ERRNO", ("read nope neither", "ALLOW")))

    assert judge.decide("read").action == "SCMP_ACT_ALLOW"
    assert caplog.messages == ["seccomp: unknown system calls left out: nope, neither"]


def test_unknown_names_are_refused_on_demand(make_profile):
    """
    Whoever wants to know gets all of them with their paths.
    """
    profile = make_profile("ERRNO", ("read nope", "ALLOW"), ("neither", "LOG"))

    with pytest.raises(ProfileError) as e:
        compile_profile(profile, refuse_unknown=True)

    paths = [path for path, _ in e.value.faults]
    assert paths == [".syscalls[0].names[1]", ".syscalls[1].names[0]"]


def test_a_rule_that_repeats_the_default_is_none(make_profile):
    """
    A rule with the default action, errno included, does not outweigh another one.
    """
    repeated = ("getppid", "ERRNO", {"errnoRet": 1})
    condition = {"args": [{"index": 0, "value": 7, "op": "SCMP_CMP_EQ"}]}

    judge = Judge(make_profile("ERRNO", repeated, ("getppid", "ALLOW", condition)))

    assert judge.decide("getppid", (7,)).action == "SCMP_ACT_ALLOW"
    assert judge.decide("getppid", (8,)).action == "SCMP_ACT_ERRNO"


def test_conditions_on_one_argument_are_alternatives(make_profile):
    """
    Old Docker profiles list values of one argument in one rule; any of them is enough.
    """
    values = [{"index": 0, "value": v, "op": "SCMP_CMP_EQ"} for v in (1, 2)]

    judge = Judge(make_profile("ERRNO", ("personality", "ALLOW", {"args": values})))

    actions = [judge.decide("personality", (v,)).action for v in (1, 2, 3)]
    assert actions == ["SCMP_ACT_ALLOW", "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"]


def test_overlapping_rules_with_inequalities(make_profile):
    """
    Rules that share an inequality all count; libseccomp alone loses the first.
    """

    def args(*conditions):
        return {"args": [{"index": i, "value": v, "op": "SCMP_CMP_NE"} for i, v in conditions]}

    judge = Judge(
        make_profile(
            "KILL",
            ("read", "ALLOW", args((0, 0))),
            ("read", "ALLOW", args((0, 1), (1, 0))),
        )
    )

    assert judge.decide("read", (2, 0)).action == "SCMP_ACT_ALLOW"


def test_of_overlapping_rules_the_strictest_counts(make_profile):
    """
    If several conditions with different actions hold, the kernel's order of actions decides.
    """
    small = {"args": [{"index": 0, "value": 10, "op": "SCMP_CMP_LT"}]}
    even_smaller = {"args": [{"index": 0, "value": 5, "op": "SCMP_CMP_LT"}]}

    judge = Judge(
        make_profile(
            "ERRNO",
            ("read", "ALLOW", small),
            ("read", "KILL_PROCESS", even_smaller),
        )
    )

    results = [judge.decide("read", (v,)).action for v in (4, 5, 10)]
    assert results == ["SCMP_ACT_KILL_PROCESS", "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO"]


@pytest.mark.parametrize(
    ("default", "actions", "expected"),
    [
        pytest.param("ERRNO", ("ALLOW", "ALLOW"), "SCMP_ACT_ERRNO", id="denied-by-default"),
        pytest.param("ALLOW", ("ERRNO", "LOG"), "SCMP_ACT_ERRNO", id="strictest-of-the-rules"),
    ],
)
def test_calls_whose_arguments_cannot_be_seen_get_the_strictest_action(
    make_profile, default, actions, expected
):
    """
    i386 programs also reach socket by socketcall, whose arguments lie in memory.
    """
    rules = [
        ("socket", action, {"args": [{"index": 1, "value": value, "op": f"SCMP_CMP_{op}"}]})
        for action, (value, op) in zip(actions, [(10, "GT"), (5, "LT")])
    ]
    profile = make_profile(default, *rules, architectures=["SCMP_ARCH_X86"])

    judge = Judge(profile, machine="x86_64")

    assert judge.decide("socketcall", (1, 0), "x86").action == expected
    for arch in ("x86", "x86_64"):
        results = [judge.decide("socket", (0, v), arch).action for v in (11, 4, 7)]
        assert results == [f"SCMP_ACT_{a}" for a in (*actions, default)]


@pytest.mark.parametrize("op", ["EQ", "NE"])
def test_a_contradiction_is_refused_with_its_path(make_profile, op):
    """
    The same conditions with two actions: the second rule is named.
    """
    same = {"args": [{"index": 0, "value": 1, "op": f"SCMP_CMP_{op}"}]}

    with pytest.raises(ProfileError) as e:
        compile_profile(make_profile("KILL", ("read", "ALLOW", same), ("read", "LOG", same)))

    text = "read has the same conditions with another action already"
    assert e.value.faults == ((".syscalls[1]", text),)


def test_a_rule_without_conditions_outweighs_those_with(make_profile):
    """
    The first rule without conditions decides, wherever it stands; contradictions do not matter.
    """
    same = {"args": [{"index": 0, "value": 1, "op": "SCMP_CMP_NE"}]}
    rules = [("read", "ALLOW"), ("read", "LOG", same), ("read", "KILL", same), ("read", "TRAP")]

    judge = Judge(make_profile("ERRNO", *rules))

    assert {judge.decide("read", (v,)).action for v in (0, 1)} == {"SCMP_ACT_ALLOW"}


def test_an_architecture_of_the_other_byte_order_is_refused(make_profile):
    """
    One filter has one byte order.
    """
    profile = make_profile("ALLOW", architectures=["SCMP_ARCH_AARCH64", "SCMP_ARCH_S390X"])

    with pytest.raises(ProfileError, match=r"\.architectures\[1\]: SCMP_ARCH_S390X cannot stand"):
        compile_profile(profile, arch="x86_64")


def test_an_architecture_that_libseccomp_lacks_is_refused_by_name(make_profile):
    """
    Nothing is dropped silently: a filter without an architecture is another filter.
    """
    name = "SCMP_ARCH_LOONGARCH64"
    if library.open_library().seccomp_arch_resolve_name(b"loongarch64"):
        pytest.skip("this libseccomp knows all architectures of the specification")

    with pytest.raises(ProfileError, match=rf"\.architectures\[0\]: {name} is not known"):
        compile_profile(make_profile("ALLOW", architectures=[name]))


@pytest.mark.parametrize("default", ["", "SCMP_ACT_X"], ids=["empty", "unknown"])
def test_a_profile_with_faults_is_not_compiled(default):
    """
    Compiling checks first, and refuses what stands for no filter.
    """
    with pytest.raises(ProfileError) as e:
        compile_profile(LinuxSeccomp(default_action=default))

    assert [path for path, _ in e.value.faults] == [".defaultAction"]


def test_a_program_too_long_for_the_kernel_is_refused(make_profile):
    """
    The kernel takes 4096 instructions.
    """
    rules = [
        ("read", "ALLOW", {"args": [{"index": 0, "value": v << 32 | v, "op": "SCMP_CMP_EQ"}]})
        for v in range(1, 1500)
    ]

    with pytest.raises(ProfileError, match=r"\.syscalls: \d+ instructions, the kernel takes 4096"):
        compile_profile(make_profile("ERRNO", *rules))


@pytest.mark.parametrize(
    ("level", "change", "text"),
    [
        (2, "('read', 'LOG')", ".syscalls[0].action: SCMP_ACT_LOG needs API level 3 (Linux 4.14)"),
        (
            4,
            "('read', 'NOTIFY')",
            ".syscalls[0].action: SCMP_ACT_NOTIFY needs API level 6 (libseccomp 2.5 and Linux 5.7)",
        ),
    ],
    ids=["log", "notify"],
)
def test_what_this_host_lacks_is_named_by_its_field(level, change, text):
    """
    A profile that needs a newer libseccomp or kernel says which field needs it.
    """
    script = (
        "from libseccomp import *; from libseccomp import library\n"
        f"library.set_api_level({level}); name, action = {change}\n"
        "rule = LinuxSyscall(names=(name,), action='SCMP_ACT_' + action)\n"
        "profile = LinuxSeccomp('SCMP_ACT_ALLOW', syscalls=(rule,), listener_path='/a')\n"
        "try: compile_profile(profile)\n"
        "except ProfileError as e: print(e)\n"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.stdout == f"{text}, this host has {level}\n", done.stderr


def test_the_same_profile_compiles_to_the_same_program(docker):
    """
    Compiling is a function of its arguments.
    """
    profile = LinuxSeccomp.from_json(docker)

    assert compile_profile(profile) == compile_profile(profile)
    assert len(compile_profile(profile).program) % 8 == 0


def test_tokens_of_the_tables_are_the_librarys():
    """
    The architecture table agrees with the library, wherever that knows the name.
    """
    from libseccomp.constants import ARCHITECTURES

    found = {}
    for name in ARCHITECTURES:
        plain = name.removeprefix("SCMP_ARCH_").lower().encode()
        found[name] = library.open_library().seccomp_arch_resolve_name(plain)
    known = {name: token for name, token in found.items() if token}

    assert known.items() <= ARCHITECTURES.items()
    assert len(known) >= 18
    assert NATIVE in known
