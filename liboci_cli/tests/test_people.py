"""Help, hints and the manual page."""

import pytest

from liboci_cli import (
    OCI,
    UsageError,
    help_text,
    hint,
    man_page,
    man_pages,
    parse,
)
from liboci_cli.table import help_option

COMMANDS = OCI.all()
PAGES = [None, *COMMANDS]
PAGE_IDS = ["program", *[c.name for c in COMMANDS]]


@pytest.mark.parametrize("command", PAGES, ids=PAGE_IDS)
def test_help_page(command):
    """
    Help begins with the name, fits 80 columns and has every option that is not hidden.
    """
    options = (*command.options, help_option()) if command else OCI.options()
    text = help_text(command.name if command else None, "oci")
    lines = text.splitlines()

    assert lines[0] == "NAME:"
    assert lines[1].split()[: 2 if command else 1] == ["oci", *([command.name] if command else [])]
    assert max(map(len, lines)) <= 80
    assert text.endswith("\n")
    for option in options:
        shown = [line for line in lines if line.strip().startswith(option.label)]
        assert len(shown) == (not option.hidden)


@pytest.mark.parametrize("command", COMMANDS, ids=PAGE_IDS[1:])
def test_help_shows_examples_unbroken(command):
    """
    An example stands on one line, to be copied.
    """
    lines = help_text(command.name, "oci").splitlines()

    for example in command.examples:
        assert f"  oci {example}" in lines


def test_help_of_the_program_lists_the_commands():
    """
    The program's page has every command with its summary.
    """
    text = help_text(None, "oci")

    for command in COMMANDS:
        assert any(
            [line.split(None, 1) == [command.name, command.summary] for line in text.splitlines()]
        )


def test_help_says_what_may_be_repeated():
    """
    An option of which every value counts says so.
    """
    text = " ".join(help_text("exec", "oci").split())

    assert "--env NAME=VALUE set a variable of the environment (may be repeated)" in text
    assert "--cap CAP add a capability (may be repeated)" in text
    assert "working directory in the container (" not in text


def test_help_by_another_name():
    """
    Another name of a command has its help; no command has none.
    """
    assert help_text("h", "oci") == help_text("help", "oci")
    with pytest.raises(KeyError, match="bogus"):
        help_text("bogus", "oci")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["creat"], "did you mean create?", id="command"),
        pytest.param(["help", "creat"], "did you mean create?", id="topic"),
        pytest.param(["frobnicate"], "see oci --help", id="unlike-any-command"),
        pytest.param(["--rot", "/x"], "did you mean --root?", id="global-option"),
        pytest.param(["create", "--bundel"], "did you mean --bundle?", id="option"),
        pytest.param(["create", "--debug"], "--debug goes before the command", id="too-late"),
        pytest.param(["--bundle"], "--bundle goes after the command", id="too-early"),
        pytest.param(["-b"], "-b goes after the command", id="short-too-early"),
        pytest.param(["create", "--zzz"], "see oci create --help", id="unlike-any-option"),
        pytest.param(["create"], "see oci create --help", id="other-mistake"),
        pytest.param(["--root"], "see oci --help", id="other-global-mistake"),
        pytest.param(["ls"], "did you mean list?", id="an-engines-command"),
        pytest.param(["rm", "x"], "did you mean delete?", id="an-engines-command-with-id"),
        pytest.param(["help", "frobnicate"], "see oci --help", id="topic-unlike-any"),
        pytest.param(
            ["exec", "-it", "x", "ls"],
            "stdin is handed in without -i; -t gives a terminal",
            id="an-engines-option",
        ),
        pytest.param(["inspect", "x"], "did you mean state?", id="an-engines-word-for-state"),
        pytest.param(["feat"], "did you mean features?", id="the-begin-of-a-command"),
        pytest.param(
            ["update", "--mem", "5m", "x"], "did you mean --memory?", id="the-begin-of-an-option"
        ),
        pytest.param(["update", "--cpu", "5", "x"], "see oci update --help", id="of-many"),
        pytest.param(
            ["kill", "-s", "KILL", "x"], "the signal goes after the id: kill ID SIGNAL", id="kill-s"
        ),
        pytest.param(
            ["kill", "-KILL", "x"], "the signal goes after the id: kill ID KILL", id="kill-by-name"
        ),
        pytest.param(["kill", "--bogus", "x"], "see oci kill --help", id="kill-no-signal"),
        pytest.param(["kill", "-9", "x"], "the signal goes after the id: kill ID 9", id="a-shells"),
    ],
)
def test_hint(words, expected):
    """
    After a mistake one line says what was meant, or where to read.
    """
    with pytest.raises(UsageError) as e:
        parse(words)

    assert hint(e.value, "oci") == expected


def test_a_note_on_a_command():
    """
    A program that lacks a command says so in its help, and takes the words all the same.
    """
    noted = OCI.noted({"restore": "not built yet"})

    assert "bring a container back from files (not built yet)" in help_text(None, "oci", noted)
    assert "  Not built yet. Makes a new container" in help_text("restore", "oci", noted)
    assert noted.command("start") == OCI.command("start")
    assert parse(["restore", "x"], table=noted).args.id == "x"


def test_help_breaks_no_line_at_a_hyphen():
    """
    What is to be typed can be found, and copied, in one piece.
    """
    assert "/usr/local/share/zsh/site-functions" in help_text("completion", "oci")


def test_man_page():
    """
    The manual page has all commands and options, with roff's characters escaped.
    """
    page = man_page("oci")

    assert page.startswith(
        ".TH OCI 8\n.nh\n.ad l\n.SH NAME\noci \\- Open Container Initiative runtime\n"
    )
    for command in COMMANDS:
        assert f"\n.SS oci {command.name}" in page
        for option in command.options:
            label = option.label.replace("-", r"\-")
            assert (f"\n\\fB{label}\\fR\n" in page) is not option.hidden


def test_man_pages():
    """
    There is a page for the program and one for each command, which name each other.
    """
    pages = man_pages("oci", more={"FILES": ".hidden is a file."})

    assert list(pages) == ["oci.8", *[f"oci-{c.name}.8" for c in COMMANDS]]
    assert "\n.SH FILES\n\\&.hidden is a file.\n" in pages["oci.8"]
    assert "\n.SH SEE ALSO\noci\\-run(8), oci\\-create(8), " in pages["oci.8"]
    start = pages["oci-start.8"]
    assert ".SH NAME\noci\\-start \\- start the program of a created container\n" in start
    assert ".SH SYNOPSIS\noci start [options] ID\n" in start
    assert "oci\\-create(8)" in start
