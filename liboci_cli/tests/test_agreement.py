"""Table, records, writer and click say the same."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from liboci_cli import OCI, RECORDS, GlobalArgs, Invocation, VersionArgs, group, parse, render
from liboci_cli.reader import read_globals
from liboci_cli.table import (
    COUNT,
    FLAG,
    INT,
    PATH,
    REQUEST,
    SWITCH,
    TEXT,
    TEXTS,
    U16,
    UINT,
    Table,
    help_option,
)

COMMANDS = OCI.all()
TYPES = {FLAG: "bool", COUNT: "i64", TEXT: "str", PATH: "str", INT: "i64", UINT: "u64"} | {
    U16: "u16",
    TEXTS: "tuple[str, ...]",
    SWITCH: "bool",
}


def fields(record):
    """Name, type and default of each field; Ellipsis means that there is none."""
    return {name: (text, default) for name, _, text, default in record._fields}


def option_field(option):
    if option.kind == FLAG:
        return "bool", False
    if option.kind in (COUNT, TEXTS):
        return TYPES[option.kind], {COUNT: 0, TEXTS: ()}[option.kind]
    if option.default is None:
        return f"{TYPES[option.kind]} | None", None
    # What the reader makes of the default, had it been typed.
    table = Table(lambda: (option,), {})
    values, _ = read_globals([f"--{option.names[0]}={option.default}"], table)
    return TYPES[option.kind], values[option.field]


def argument_field(argument):
    if argument.many:
        return "tuple[str, ...]", () if not argument.required else ...
    if argument.required:
        return "str", ...
    return ("str" if argument.default else "str | None"), argument.default


@pytest.mark.parametrize("command", COMMANDS, ids=[c.name for c in COMMANDS])
def test_record_has_the_fields_of_the_row(command):
    """
    A command's record has exactly its options and arguments, with their types and defaults.
    """
    expected = {a.field: argument_field(a) for a in command.arguments}
    expected |= {o.field: option_field(o) for o in command.options}

    assert fields(RECORDS[command.name]) == expected


def test_global_record_has_the_global_options():
    """
    GlobalArgs has the global options; help and version are commands of an invocation.
    """
    options = [o for o in OCI.options() if o.kind != REQUEST]

    assert fields(GlobalArgs) == {o.field: option_field(o) for o in options}


def test_every_command_has_a_record():
    """
    Table and records name the same commands.
    """
    assert {"", *[c.name for c in COMMANDS]} == set(RECORDS)
    assert len(RECORDS) == len(COMMANDS) + 1
    assert [name for name in RECORDS if name not in RECORDS] == []


@pytest.mark.parametrize("command", COMMANDS, ids=[c.name for c in COMMANDS])
def test_names_are_unique(command):
    """
    No two options of a command have a name in common.
    """
    names = [n for o in (*command.options, help_option()) for n in o.names]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("command", COMMANDS, ids=[c.name for c in COMMANDS])
def test_examples_are_understood(command):
    """
    Each command has an example, and each example is a line that calls it.
    """
    import shlex

    assert command.examples
    for example in command.examples:
        assert parse(shlex.split(example)).command == command.name


def spellings(click_command):
    with click.Context(click_command, **click_command.context_settings) as context:
        options = [p for p in click_command.get_params(context) if isinstance(p, click.Option)]
    return sorted([n for o in options for n in (*o.opts, *o.secondary_opts)])


def test_click_knows_the_same_options():
    """
    The click group has the commands of the table, and each the options of its row.
    """
    made = group("oci")

    assert list(made.commands) == [c.name for c in COMMANDS]
    assert spellings(made) == sorted([s for o in OCI.options() for s in o.spellings])
    for command in COMMANDS:
        options = (*command.options, help_option())
        assert spellings(made.commands[command.name]) == sorted(
            [s for o in options for s in o.spellings]
        )


WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=()))
KINDS = {
    FLAG: st.booleans(),
    SWITCH: st.booleans(),
    COUNT: st.integers(0, 3),
    TEXT: WORDS,
    PATH: WORDS.filter(len),
    TEXTS: st.lists(WORDS).map(tuple),
    INT: st.integers(-(2**63), 2**63 - 1),
    UINT: st.integers(0, 2**64 - 1),
    U16: st.integers(0, 2**16 - 1),
}


def values(option):
    given = st.sampled_from(option.choices) if option.choices else KINDS[option.kind]
    optional = option_field(option)[1] is None
    return given | st.none() if optional else given


def records(record, options, arguments=()):
    strategies = {o.field: values(o) for o in options if o.kind != REQUEST}
    for argument in arguments:
        if argument.many:
            strategies[argument.field] = st.lists(WORDS).map(tuple)
            continue
        optional = argument.default is None and not argument.required
        words = st.sampled_from(argument.choices) if argument.choices else WORDS
        strategies[argument.field] = words | st.none() if optional else words
    return st.builds(record, **strategies)


GLOBALS = records(GlobalArgs, OCI.options())


@st.composite
def invocations(draw):
    command = draw(st.sampled_from([*COMMANDS, None]))
    if command is None:
        return Invocation(draw(GLOBALS), "version", VersionArgs())
    args = draw(records(RECORDS[command.name], command.options, command.arguments))
    if command.name == "help":
        topics = st.none() | st.sampled_from([c.name for c in COMMANDS])
        args = args.replace(topic=draw(topics))
    return Invocation(draw(GLOBALS), command.name, args)


@given(invocations())
def test_what_is_written_is_read_back(invocation):
    """
    Any invocation, written as words and read again, is the same invocation.
    """
    assert parse(render(invocation)) == invocation


def test_unknown_command_is_not_written():
    """
    A command that the table does not have has no words.
    """
    with pytest.raises(KeyError, match="bogus"):
        render(Invocation(GlobalArgs(), "bogus", VersionArgs()))


@given(invocations())
def test_invocation_is_an_attrs_value(invocation):
    """
    attrs takes an invocation apart, down to the fields of its records.
    """
    import attrs

    found = attrs.asdict(invocation)

    assert found["command"] == invocation.command
    assert found["globals"] == attrs.asdict(invocation.globals)
    assert RECORDS.get(invocation.command, VersionArgs)(**found["args"]) == invocation.args
