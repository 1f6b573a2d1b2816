"""The texts and exit statuses of wrong command lines."""

import copy
import pickle
import re
import shutil
import subprocess

import pytest

from liboci_cli import GlobalArgs, UsageError, parse

TEXTS = [
    ("--bogus", "flag provided but not defined: -bogus"),
    ("-x", "flag provided but not defined: -x"),
    ("--bogus=1 create x", "flag provided but not defined: -bogus"),
    ("create --bogus x", "flag provided but not defined: -bogus"),
    ("create -bogus x", "flag provided but not defined: -bogus"),
    ("create x --debug", "flag provided but not defined: -debug"),
    ("create -b/b x", "flag provided but not defined: -b/b"),
    ("list -fq", "flag provided but not defined: -fq"),
    ("create --bun /b x", "flag provided but not defined: -bun"),
    ("create ---bundle /b x", "flag provided but not defined: --bundle"),
    ("--root", "flag needs an argument: --root"),
    ("-root", "flag needs an argument: -root"),
    ("--root= list", "flag needs an argument: --root"),
    ("create -b", "flag needs an argument: -b"),
    ("create x --pid-file", "flag needs an argument: --pid-file"),
    ("create --bundle= x", "flag needs an argument: --bundle"),
    ("create -b= x", "flag needs an argument: -b"),
    (
        "create --preserve-fds abc x",
        'invalid value "abc" for flag -preserve-fds:'
        ' strconv.ParseInt: parsing "abc": invalid syntax',
    ),
    (
        "create --preserve-fds= x",
        'invalid value "" for flag -preserve-fds: strconv.ParseInt: parsing "": invalid syntax',
    ),
    (
        "create --preserve-fds 9223372036854775808 x",
        'invalid value "9223372036854775808" for flag -preserve-fds: strconv.ParseInt:'
        ' parsing "9223372036854775808": value out of range',
    ),
    (
        "create --preserve-fds=١ x",
        'invalid value "١" for flag -preserve-fds: strconv.ParseInt: parsing "١": invalid syntax',
    ),
    (
        "create --preserve-fds=1.5 x",
        'invalid value "1.5" for flag -preserve-fds:'
        ' strconv.ParseInt: parsing "1.5": invalid syntax',
    ),
    (
        "create --preserve-fds=089 x",
        'invalid value "089" for flag -preserve-fds:'
        ' strconv.ParseInt: parsing "089": invalid syntax',
    ),
    (
        "create --no-pivot=maybe x",
        'invalid value "maybe" for flag -no-pivot:'
        ' strconv.ParseBool: parsing "maybe": invalid syntax',
    ),
    ("--log-format xml list", "invalid log-format: xml"),
    ("--log-level loud list", "invalid log-level: loud"),
    ("--cgroup-manager x list", "unknown cgroup manager specified: x"),
    (
        "--rootless maybe list",
        'invalid value "maybe" for flag -rootless: must be one of true, false, auto',
    ),
    ("list --format xml", "invalid format option"),
    ("list --format=", "invalid format option"),
    ("create", '"create" requires exactly 1 argument(s)'),
    ("create a b", '"create" requires exactly 1 argument(s)'),
    ("run", '"run" requires exactly 1 argument(s)'),
    ("start", '"start" requires exactly 1 argument(s)'),
    ("state", '"state" requires exactly 1 argument(s)'),
    ("delete --force", '"delete" requires exactly 1 argument(s)'),
    ("kill", '"kill" requires a minimum of 1 argument(s)'),
    ("kill x 9 --all", '"kill" requires a maximum of 2 argument(s)'),
    ("list x", '"list" requires exactly 0 argument(s)'),
    ("spec x", '"spec" requires exactly 0 argument(s)'),
    ("features x", '"features" requires exactly 0 argument(s)'),
    ("help create start", '"help" requires a maximum of 1 argument(s)'),
]


def failure(words, **given):
    with pytest.raises(UsageError) as e:
        parse(words, **given)
    return e.value


@pytest.mark.parametrize(("line", "text"), TEXTS, ids=[line for line, _ in TEXTS])
def test_text(line, text):
    """
    A wrong command line is refused in runc's words, with exit status 1.
    """
    error = failure(line.split(" "))

    assert str(error) == error.text == text
    assert error.exit_status == 1


# Where all versions of runc agree; ours adds no name and keeps the dashes that were typed.
RUNC = [
    "--bogus",
    "create",
    "create a b",
    "create -b",
    "create --bogus x",
    "delete",
    "features x",
    "kill",
    "kill a 9 b",
    "list --format xml",
    "list x",
    "--log-format xml list",
    "run",
    "spec x",
    "start",
    "state a b",
    "unknown",
]


@pytest.mark.skipif(not shutil.which("runc"), reason="runc is not installed")
@pytest.mark.parametrize("line", RUNC)
def test_same_words_as_runc(line):
    """
    runc refuses the same line with the same words and exit status.
    """
    runc = subprocess.run(["runc", *line.split()], capture_output=True, text=True, check=False)
    message = re.search(r'msg="(.*)"$', runc.stderr, re.MULTILINE)
    error = failure(line.split(), program="runc")

    said = message[1].replace('\\"', '"').removesuffix("\\n")
    assert (error.text, error.exit_status) == (said, runc.returncode)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["x"], "No help topic for 'x'", id="unknown"),
        pytest.param(["x", "--help"], "No help topic for 'x'", id="help-of-unknown"),
        pytest.param(["help", "x"], "No help topic for 'x'", id="help-unknown"),
        pytest.param([""], "No help topic for ''", id="empty"),
        pytest.param(["a\nb\x1b"], r"No help topic for 'a\nb\x1b'", id="control-characters"),
        pytest.param(["\udcff"], r"No help topic for '\udcff'", id="not-utf-8"),
    ],
)
def test_unknown_command(words, text):
    """
    An unknown command has exit status 3.
    """
    error = failure(words)

    assert (error.text, error.exit_status) == (text, 3)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(
            ["create", "--a\nb"], r"flag provided but not defined: -a\nb", id="newline-in-name"
        ),
        pytest.param(["--log-format", "a\tb"], r"invalid log-format: a\tb", id="tab-in-value"),
        pytest.param(
            ["--rootless", 'a"\\\n'],
            r'invalid value "a\"\\\n" for flag -rootless: must be one of true, false, auto',
            id="quotes-in-value",
        ),
    ],
)
def test_error_is_one_line(words, text):
    """
    Nothing that was typed can break the line of the error.
    """
    assert str(failure(words)) == text


def test_program_goes_before_wrong_counts():
    """
    runc begins some texts with its own name; a program gives its own.
    """
    assert str(failure(["create"], program="oci")) == 'oci: "create" requires exactly 1 argument(s)'
    assert str(failure(["--x"], program="oci")) == "flag provided but not defined: -x"


def test_error_names_the_command():
    """
    The error says in which part of the line it is.
    """
    assert failure(["--bogus"]).command is None
    assert failure(["bogus"]).command is None
    assert failure(["create", "--bogus"]).command == "create"
    assert failure(["h", "bogus"]).command == "help"


def test_error_keeps_the_globals():
    """
    A log that was named before a wrong command gets the error too.
    """
    assert failure(["--log", "/l", "create"]).globals == GlobalArgs(log="/l")
    assert failure(["--log", "/l", "bogus"]).globals == GlobalArgs(log="/l")
    assert failure(["--log", "/l", "--bogus"]).globals is None


@pytest.mark.parametrize("again", [copy.copy, lambda e: pickle.loads(pickle.dumps(e))])
def test_error_travels(again):
    """
    An error can be copied and pickled.
    """
    error = failure(["--log", "/l", "create", "--bogus"])
    other = again(error)

    assert vars(other) == vars(error)
    assert str(other) == str(error)
    assert other.errno is None
