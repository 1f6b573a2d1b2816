"""The manual page, in the man macros of roff."""

from __future__ import annotations

from .commands import OCI
from .table import help_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .table import Command, Option, Table


def man_page(program: str, table: Table = OCI) -> str:
    """Return the program's page for section 8: all commands, all options that are shown."""
    return "\n".join(_page(program, table)) + "\n"


def _page(program: str, table: Table) -> Iterator[str]:
    yield f".TH {_escaped(program.upper())} 8"
    yield ".SH NAME"
    yield _escaped(f"{program} - {table.summary}")
    yield ".SH SYNOPSIS"
    yield rf"\fB{_escaped(program)}\fR [global options] COMMAND [options] [arguments]"
    yield ".SH GLOBAL OPTIONS"
    yield from _options(table.options())
    yield ".SH COMMANDS"
    for command in table.all():
        yield from _command(program, command)
    yield ".SH EXIT STATUS"
    yield "0 on success, 1 on failure, 3 for an unknown command."


def _command(program: str, command: Command) -> Iterator[str]:
    words = [program, command.name, "[options]", *[a.usage for a in command.arguments]]
    yield f".SS {_escaped(' '.join(words))}"
    yield _escaped(command.description)
    for argument in command.arguments:
        yield from _item(argument.metavar, argument.note)
    yield from _options((*command.options, help_option()))
    yield ".PP"
    yield "Example:"
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
