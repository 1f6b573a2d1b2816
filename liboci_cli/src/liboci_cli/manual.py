"""The manual page, in the man macros of roff."""

from __future__ import annotations

from .commands import OCI
from .table import help_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .table import Command, Option, Table


def man_page(program: str, table: Table = OCI, more: Mapping[str, str] = {}) -> str:
    """Return the program's page for section 8: all commands, all options that are shown.

    `more` has sections that only the program knows, such as ENVIRONMENT: name and text.
    """
    return "\n".join(_page(program, table, more)) + "\n"


def man_pages(program: str, table: Table = OCI, more: Mapping[str, str] = {}) -> dict[str, str]:
    """Return the program's page and one for each command, by file name."""
    pages = {f"{program}.8": man_page(program, table, more)}
    for command in table.all():
        lines = _command_page(program, command, table)
        pages[f"{program}-{command.name}.8"] = "\n".join(lines) + "\n"
    return pages


def _page(program: str, table: Table, more: Mapping[str, str]) -> Iterator[str]:
    yield from _title(program)
    yield ".SH NAME"
    yield _escaped(f"{program} - {table.summary}")
    yield ".SH SYNOPSIS"
    yield rf"\fB{_escaped(program)}\fR [global options] COMMAND [options] [arguments]"
    yield ".SH GLOBAL OPTIONS"
    yield from _options(table.options())
    yield ".SH COMMANDS"
    for command in table.all():
        yield from _command(program, command)
    for heading, text in more.items():
        yield f".SH {_escaped(heading)}"
        yield from [_escaped(line) for line in text.splitlines()]
    yield ".SH EXIT STATUS"
    yield "0 on success, 1 on failure, 3 for an unknown command."
    yield "run and exec end with the program's status, 128 + N after signal N; what fails before"
    yield "there is a program is 1 of run, and 255 of exec. A command that signal N interrupts"
    yield "ends with 128 + N, having undone what it had half made."
    yield ".SH SEE ALSO"
    yield _escaped(", ".join([f"{program}-{command.name}(8)" for command in table.all()]))


def _title(name: str) -> Iterator[str]:
    yield f".TH {_escaped(name.upper())} 8"
    # No hyphens and no stretched lines: what is to be typed must be found as it is.
    yield from (".nh", ".ad l")


def _command_page(program: str, command: Command, table: Table) -> Iterator[str]:
    yield from _title(f"{program}-{command.name}")
    yield ".SH NAME"
    yield _escaped(f"{program}-{command.name} - {command.summary}")
    yield ".SH SYNOPSIS"
    yield _escaped(" ".join(_usage(program, command)))
    yield ".SH DESCRIPTION"
    yield _escaped(command.description)
    if command.arguments:
        yield ".SH ARGUMENTS"
        for argument in command.arguments:
            yield from _item(argument.metavar, argument.note)
    yield ".SH OPTIONS"
    yield from _options((*command.options, help_option()))
    yield ".SH EXAMPLES"
    yield from _examples(program, command)
    yield ".SH SEE ALSO"
    others = [f"{program}(8)"]
    others += [f"{program}-{o.name}(8)" for o in table.all() if o.name != command.name]
    yield _escaped(", ".join(others))


def _command(program: str, command: Command) -> Iterator[str]:
    yield f".SS {_escaped(' '.join(_usage(program, command)))}"
    yield _escaped(command.description)
    for argument in command.arguments:
        yield from _item(argument.metavar, argument.note)
    yield from _options((*command.options, help_option()))
    yield ".PP"
    yield "Example:"
    yield from _examples(program, command)


def _usage(program: str, command: Command) -> list[str]:
    return [program, command.name, "[options]", *[a.usage for a in command.arguments]]


def _examples(program: str, command: Command) -> Iterator[str]:
    yield ".nf"
    yield from [_escaped(f"    {program} {line}") for line in command.examples]
    yield ".fi"


def _options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        if not option.hidden:
            yield from _item(option.label, option.note)


def _item(label: str, text: str) -> Iterator[str]:
    yield ".TP"
    yield rf"\fB{_escaped(label)}\fR"
    yield _escaped(text)


def _escaped(text: str) -> str:
    """Keep roff from reading text as its own: backslashes, hyphens, a leading dot or quote."""
    text = text.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{text}" if text[:1] in (".", "'") else text
