"""`python -m libseccomp`."""

import io
import json

import pytest

from libseccomp import library
from libseccomp.__main__ import main

X86_64 = ["--machine", "x86_64"]


@pytest.fixture
def run(capsys):
    """Run the tool; return exit status, output lines, error text."""

    def tool(*argv):
        status = main([str(arg) for arg in argv])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return tool


@pytest.fixture
def file(tmp_path, docker):
    """Write a profile, Docker's with changes, alone or in a config.json."""

    def write(name, whole=False, **changes):
        document = docker | changes
        if whole:
            document = {"ociVersion": "1.3.0", "linux": {"seccomp": document}}
        (tmp_path / name).write_text(json.dumps(document))
        return tmp_path / name

    return write


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        pytest.param(
            ["openat"], "openat on SCMP_ARCH_X86_64: SCMP_ACT_ALLOW, by .syscalls[0]", id="allowed"
        ),
        pytest.param(
            ["mount"],
            "mount on SCMP_ARCH_X86_64: SCMP_ACT_ERRNO EPERM, "
            "the profile does not name it, so its default action",
            id="not-named",
        ),
        pytest.param(
            ["clone", "0x10000000"],
            "clone(0x10000000) on SCMP_ARCH_X86_64: SCMP_ACT_ERRNO EPERM, "
            ".syscalls[9] wants argument 0 & 0x7e020000 == 0x0; so the default action",
            id="condition-fails",
        ),
        pytest.param(
            ["personality", "0xffffffffffffffff", "--arch", "x86"],
            "personality(0xffffffffffffffff) on SCMP_ARCH_X86: SCMP_ACT_ALLOW, by .syscalls[6]",
            id="32-bit",
        ),
        pytest.param(
            ["clone3"],
            "clone3 on SCMP_ARCH_X86_64: SCMP_ACT_ERRNO ENOSYS, by .syscalls[10]",
            id="errno",
        ),
        pytest.param(
            ["1000"],
            "1000 on SCMP_ARCH_X86_64: SCMP_ACT_ERRNO ENOSYS, "
            "newer than futex_waitv, the newest call that the profile names",
            id="newer",
        ),
        pytest.param(
            ["read", "--arch", "aarch64"],
            "read on SCMP_ARCH_AARCH64: SCMP_ACT_KILL_THREAD, "
            "the filter is not for this architecture",
            id="other-arch",
        ),
    ],
)
def test_explain_says_what_happens_and_why(run, file, asked, line):
    """
    One line: the call, the action, and the rule or the lack of one.
    """
    path = file("config.json", whole=True)

    status, lines, _ = run("explain", *X86_64, path, *asked)

    assert (status, lines) == (0, [line])


def test_show_prints_pseudo_code_and_what_comes_before_it(run, file):
    """
    The pseudo code is libseccomp's; what we put before it is told in comments.
    """
    status, lines, _ = run("show", *X86_64, file("profile.json"))

    assert status == 0
    assert lines[0] == (
        "# SCMP_ARCH_X86_64: calls above futex_waitv (449) fail with ENOSYS before this"
    )
    assert "# pseudo filter code start" in lines


def test_show_tells_the_calls_that_are_decided_before_the_pseudo_code(run, file):
    """
    Calls whose rules overlap are not in libseccomp's filter, and named.
    """

    def rule(value):
        args = [{"index": 0, "value": value, "op": "SCMP_CMP_NE"}]
        return {"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": args}

    path = file("profile.json", syscalls=[rule(1), rule(2)])

    assert "# read: decided before this, its rules overlap" in run("show", *X86_64, path)[1]


def test_show_bpf_prints_the_real_program(run, file):
    """
    With --bpf the instructions are listed, ours included.
    """
    status, lines, _ = run("show", "--bpf", *X86_64, file("profile.json"))

    assert status == 0
    assert lines[0] == "   0  ld arch"
    assert len(lines) > 1000


def test_diff_lists_what_is_decided_differently(run, file, docker):
    """
    Calls, and arguments that the profiles speak of, are compared by what the programs do.
    """
    other = [dict(rule) for rule in docker["syscalls"]]
    other[2] = other[2] | {"args": [{"index": 0, "value": 1, "op": "SCMP_CMP_EQ"}]}
    other[10] = other[10] | {"errnoRet": 1}
    before, after = file("before.json"), file("after.json", syscalls=other)

    status, lines, _ = run("diff", *X86_64, before, after)

    assert status == 1
    assert [line for line in lines if "X86_64" in line] == [
        "personality(0x0) on SCMP_ARCH_X86_64: SCMP_ACT_ALLOW -> SCMP_ACT_ERRNO EPERM",
        "personality(0x1) on SCMP_ARCH_X86_64: SCMP_ACT_ERRNO EPERM -> SCMP_ACT_ALLOW",
        "clone3 on SCMP_ARCH_X86_64: SCMP_ACT_ERRNO ENOSYS -> SCMP_ACT_ERRNO EPERM",
    ]


def test_diff_of_equal_profiles_is_silent(run, file):
    """
    Nothing differs: no output, exit status 0.
    """
    before, after = file("before.json"), file("after.json", whole=True)

    assert run("diff", before, after) == (0, [], "")


def test_names_by_number_and_by_name(run):
    """
    Calls are listed with their numbers, or those that are asked for.
    """
    status, lines, _ = run("names", "--arch", "aarch64", "openat", "63")
    assert (status, lines) == (0, ["    56 openat", "    63 read"])

    status, lines, _ = run("names")
    number = library.syscall_number("read")
    assert f"{number:6} read" in lines and len(lines) > 250


def test_standard_input(run, monkeypatch):
    """
    A profile comes from standard input as `-`.
    """
    monkeypatch.setattr("sys.stdin", io.StringIO('{"defaultAction": "SCMP_ACT_ALLOW"}'))

    status, lines, _ = run("explain", "-", "getppid")

    assert status == 0 and "SCMP_ACT_ALLOW, the profile does not name it" in lines[0]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        pytest.param("{}", "neither a profile nor a config.json", id="empty"),
        pytest.param("[]", "$: expected object, got []", id="list"),
        pytest.param("{", "Expecting property name", id="not-json"),
        pytest.param(
            '{"linux": {}}',
            "$.linux.seccomp: the container has no profile, nothing is filtered",
            id="no-profile",
        ),
        pytest.param(
            '{"linux": {"seccomp": {"defaultAction": 1, "syscalls": [{"names": "x"}]}}}',
            "$.linux.seccomp.defaultAction: expected str, got 1; $.linux.seccomp.syscalls[0].names:"
            ' expected list, got "x"; $.linux.seccomp.syscalls[0].action: missing',
            id="shape",
        ),
        pytest.param('{"defaultAction": "X"}', '.defaultAction: string "X" is not', id="value"),
    ],
)
def test_a_bad_file_is_one_line_and_status_2(run, tmp_path, text, error):
    """
    What is wrong with the file is said in one line, with every path.
    """
    (tmp_path / "x.json").write_text(text)

    status, lines, err = run("explain", tmp_path / "x.json", "read")

    assert (status, lines) == (2, [])
    assert err.startswith("libseccomp: ") and error in err and err.count("\n") == 1


@pytest.mark.parametrize("command", ["show", "explain"])
def test_a_missing_file_is_named(run, command):
    """
    The path is in the error.
    """
    status, _, err = run(command, "/no/such.json", *(["read"] if command == "explain" else []))

    assert status == 2 and "/no/such.json" in err


def test_an_unknown_call_is_named(run, file):
    """
    A mistyped call is an error, not a decision.
    """
    status, _, err = run("explain", *X86_64, file("p.json"), "opena")

    assert status == 2
    assert err == "libseccomp: no system call opena of SCMP_ARCH_X86_64 is known to libseccomp\n"
