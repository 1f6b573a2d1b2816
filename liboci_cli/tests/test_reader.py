"""The dialect: how words become values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from liboci_cli import (
    RECORDS,
    CreateArgs,
    GlobalArgs,
    HelpArgs,
    Invocation,
    KillArgs,
    Record,
    Table,
    UsageError,
    VersionArgs,
    parse,
    render,
)
from liboci_cli._record import i64, u16, u64
from liboci_cli.commands import OCI
from liboci_cli.table import (
    COUNT,
    FLAG,
    INT,
    SWITCH,
    TEXT,
    TEXTS,
    U16,
    UINT,
    Argument,
    Command,
    Option,
)


class ExecArgs(Record):  # what a row with every kind of option needs
    id: str
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    tty: bool = False
    lock: bool | None = None
    verbose: i64 = 0
    weight: u16 | None = None
    shares: u64 | None = None
    nice: i64 | None = None
    cwd: str | None = None


def _exec():
    return Command(
        "exec",
        "run another program",
        "",
        (),
        (
            Option(("env", "e"), TEXTS, "a variable", "K=V"),
            Option(("tty", "t"), FLAG, "a terminal"),
            Option(("lock",), SWITCH, "a lock"),
            Option(("verbose", "v"), COUNT, "more"),
            Option(("weight",), U16, "a small number", "N"),
            Option(("shares",), UINT, "a number", "N"),
            Option(("nice",), INT, "a number with a sign", "N"),
            Option(("cwd",), TEXT, "a directory", "DIR"),
        ),
        (
            Argument("id", "ID", "the container"),
            Argument("command", "COMMAND", "its words", required=False, many=True),
        ),
        options_stop=True,
    )


TABLE = Table(OCI.options, {**OCI.commands, "exec": _exec})


def read(*words):
    return parse(words, table=TABLE, records={**RECORDS, "exec": ExecArgs})


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--bundle", "/b", "x"], id="two-words"),
        pytest.param(["--bundle=/b", "x"], id="one-word"),
        pytest.param(["-bundle", "/b", "x"], id="one-dash"),
        pytest.param(["-bundle=/b", "x"], id="one-dash-one-word"),
        pytest.param(["-b", "/b", "x"], id="short"),
        pytest.param(["-b=/b", "x"], id="short-one-word"),
        pytest.param(["--b", "/b", "x"], id="short-two-dashes"),
        pytest.param(["x", "--bundle", "/b"], id="after-the-id"),
        pytest.param(["-b", "/a", "x", "--bundle", "/b"], id="last-wins"),
        pytest.param(["--bundle", "/b", "--", "x"], id="options-ended"),
    ],
)
def test_spellings_of_an_option(words):
    """
    An option may be spelled with one dash or two, its value may follow or be attached by `=`.
    """
    assert read("create", *words).args == CreateArgs("x", bundle="/b")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        pytest.param("--no-pivot", True, id="bare"),
        pytest.param("-no-pivot", True, id="one-dash"),
        pytest.param("--no-pivot=true", True, id="true"),
        pytest.param("--no-pivot=T", True, id="letter"),
        pytest.param("--no-pivot=1", True, id="one"),
        pytest.param("--no-pivot=false", False, id="false"),
        pytest.param("--no-pivot=0", False, id="zero"),
    ],
)
def test_flags(word, expected):
    """
    A flag is true when given, and takes a boolean after `=`.
    """
    assert read("create", word, "x").args.no_pivot is expected


def test_flag_taken_back():
    """
    Of a flag given twice the last one counts.
    """
    assert read("create", "--no-pivot", "--no-pivot=false", "x").args.no_pivot is False
    assert read("create", "--no-pivot=false", "--no-pivot", "x").args.no_pivot is True


def test_flag_does_not_take_the_next_word():
    """
    A flag's value is never the next word, even if that looks like one.
    """
    assert read("create", "--no-pivot", "false").args == CreateArgs("false", no_pivot=True)


def test_value_may_look_like_an_option():
    """
    Whatever follows an option that takes a value is its value.
    """
    assert read("create", "--bundle", "--pid-file", "x").args == CreateArgs(
        "x", bundle="--pid-file"
    )
    assert read("create", "--bundle", "--", "x").args == CreateArgs("x", bundle="--")


def test_value_may_contain_equals_signs():
    """
    Only the first `=` separates.
    """
    assert read("exec", "--env=A=b=c", "-e", "D=e", "x").args.env == ("A=b=c", "D=e")


def test_repeated_option_keeps_all_values():
    """
    A list keeps its values in order; a comma is part of a value.
    """
    assert read("exec", "-e", "A=1,2", "--env", "B=", "x").args.env == ("A=1,2", "B=")


def test_count():
    """
    A counted option says how often it was given.
    """
    assert read("exec", "-v", "--verbose", "x").args.verbose == 2
    assert read("exec", "-v", "-v=false", "-v", "x").args.verbose == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("12", 12, id="decimal"),
        pytest.param("+12", 12, id="plus"),
        pytest.param("-12", -12, id="minus"),
        pytest.param("0x1F", 31, id="hexadecimal"),
        pytest.param("0b11", 3, id="binary"),
        pytest.param("0o17", 15, id="octal"),
        pytest.param("017", 15, id="old-octal"),
        pytest.param("00", 0, id="zeros"),
        pytest.param("1_000", 1000, id="underscore"),
        pytest.param("9223372036854775807", 2**63 - 1, id="largest"),
        pytest.param("-9223372036854775808", -(2**63), id="least"),
    ],
)
def test_numbers(text, expected):
    """
    Numbers are written as in Go's source.
    """
    assert read("exec", "--nice", text, "x").args.nice == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(
            ["--weight", "65536"],
            'invalid value "65536" for flag -weight:'
            ' strconv.ParseUint: parsing "65536": value out of range',
            id="too-large-for-16-bits",
        ),
        pytest.param(
            ["--shares=-1"],
            'invalid value "-1" for flag -shares: strconv.ParseUint: parsing "-1": invalid syntax',
            id="no-sign-without-one",
        ),
        pytest.param(
            ["--nice= 1"],
            'invalid value " 1" for flag -nice: strconv.ParseInt: parsing " 1": invalid syntax',
            id="blank",
        ),
        pytest.param(
            ["--nice=--1"],
            'invalid value "--1" for flag -nice: strconv.ParseInt: parsing "--1": invalid syntax',
            id="two-signs",
        ),
        pytest.param(["--env"], "flag needs an argument: --env", id="nothing-for-a-list"),
        pytest.param([], '"exec" requires a minimum of 1 argument(s)', id="no-id"),
    ],
)
def test_refused_values(words, text):
    """
    A value outside of its option's kind is refused in the words of runc.
    """
    with pytest.raises(UsageError) as e:
        read("exec", *words)

    assert str(e.value) == text


@pytest.mark.parametrize(
    ("words", "command"),
    [
        pytest.param(["x", "ls", "-l", "--tty"], ("ls", "-l", "--tty"), id="all-of-it"),
        pytest.param(["x", "--", "ls", "-l"], ("ls", "-l"), id="dashes-dropped"),
        pytest.param(["x", "ls", "--", "-l"], ("ls", "--", "-l"), id="later-dashes-kept"),
        pytest.param(["x", "--", "--", "ls"], ("--", "ls"), id="dropped-once"),
        pytest.param(["--", "x", "ls", "-l"], ("ls", "-l"), id="options-ended-first"),
        pytest.param(["x", "ls", "--help"], ("ls", "--help"), id="its-own-help"),
        pytest.param(["x"], (), id="nothing"),
    ],
)
def test_options_stop_at_the_first_argument(words, command):
    """
    What follows the id in a command like exec is not looked at.
    """
    assert read("exec", *words).args == ExecArgs("x", command)


def test_kill_takes_no_options_after_the_id():
    """
    After the id of kill comes a signal, also a negative number.
    """
    assert read("kill", "-a", "x", "9").args == KillArgs("x", "9", all=True)
    assert read("kill", "x", "-9").args == KillArgs("x", "-9")
    assert read("kill", "x").args == KillArgs("x", "SIGTERM")


def test_lone_dash_is_an_argument():
    """
    `-` is a word like others.
    """
    assert read("start", "-").args.id == "-"


def test_id_with_a_leading_dash():
    """
    After `--` a word with a dash is an argument.
    """
    assert read("start", "--", "-x").args.id == "-x"


def test_globals_stand_before_the_command():
    """
    The same name may mean one thing before the command and another after it.
    """
    found = read("-r", "/s", "--debug", "delete", "-r", "x")

    assert found.globals == GlobalArgs(root="/s", debug=True)
    assert found.args.regex is True


def test_podmans_create():
    """
    What conmon passes is understood whole.
    """
    found = read(
        *"--systemd-cgroup --log-format=json --log /l/oci-log --cgroup-manager disabled".split(),
        *"create --bundle /b --pid-file /p --no-pivot --no-new-keyring --preserve-fds 2".split(),
        *"--console-socket /s c1".split(),
    )

    assert found.globals == GlobalArgs(
        log="/l/oci-log", log_format="json", systemd_cgroup=True, cgroup_manager="disabled"
    )
    assert found.command == "create"
    assert found.args == CreateArgs(
        "c1",
        bundle="/b",
        console_socket="/s",
        pid_file="/p",
        no_pivot=True,
        no_new_keyring=True,
        preserve_fds=2,
    )


@pytest.mark.parametrize(
    ("words", "topic"),
    [
        pytest.param([], None, id="nothing"),
        pytest.param(["--debug"], None, id="no-command"),
        pytest.param(["--help"], None, id="long"),
        pytest.param(["-h"], None, id="short"),
        pytest.param(["-?"], None, id="question"),
        pytest.param(["--usage"], None, id="usage"),
        pytest.param(["help"], None, id="command"),
        pytest.param(["h"], None, id="short-command"),
        pytest.param(["help", "create"], "create", id="topic"),
        pytest.param(["h", "create"], "create", id="short-command-topic"),
        pytest.param(["create", "--help"], "create", id="option-of-command"),
        pytest.param(["create", "x", "-h"], "create", id="after-the-id"),
        pytest.param(["create", "--help", "--bogus"], "create", id="before-a-mistake"),
        pytest.param(["kill", "--help"], "kill", id="where-options-stop"),
        pytest.param(["help", "--help"], "help", id="of-help"),
    ],
)
def test_help(words, topic):
    """
    Help can be asked for in every usual way.
    """
    found = read(*words)

    assert (found.command, found.args) == ("help", HelpArgs(topic))


@pytest.mark.parametrize("word", ["--version", "-version", "-v", "-V"])
def test_version(word):
    """
    The version is asked for by an option before the command, and nothing after it matters.
    """
    found = read("--debug", word, "--bogus")

    assert (found.command, found.args) == ("version", VersionArgs())
    assert found.globals.debug is True


def test_help_taken_back():
    """
    Help is a flag like others.
    """
    assert read("create", "--help=false", "x").command == "create"


WORDS = st.sampled_from(["--", "-", "", "--tty", "-e", "x", "--help", "-1"]) | st.text()


@given(
    st.builds(
        ExecArgs,
        id=WORDS,
        command=st.lists(WORDS, max_size=4).map(tuple),
        env=st.lists(WORDS, max_size=3).map(tuple),
        tty=st.booleans(),
        verbose=st.integers(0, 3),
        weight=st.none() | st.integers(0, 2**16 - 1),
        cwd=st.none() | WORDS,
    )
)
def test_another_programs_words_survive(args):
    """
    Words that look like options or end them reach the other program as they were.
    """
    words = render(Invocation(GlobalArgs(), "exec", args), TABLE)

    assert read(*words).args == args


@pytest.mark.parametrize(
    ("words", "expected"),
    [([], None), (["--lock"], True), (["--lock=false"], False), (["--lock", "--lock=0"], False)],
)
def test_a_switch_has_three_positions(words, expected):
    """
    On, off, and not given: who asks for it to be off may contradict something else.
    """
    assert read("exec", *words, "x").args.lock is expected
