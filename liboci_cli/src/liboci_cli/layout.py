"""click commands made from rows of the table, with help laid out like a manual page.

This is the only module that imports click at its top; `people` imports it when asked.
"""

from __future__ import annotations

import click

from .table import (
    COUNT,
    FLAG,
    INT,
    PATH,
    REQUEST,
    SWITCH,
    TEXTS,
    U16,
    UINT,
    WITHOUT_VALUE,
    help_option,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from .table import Argument, Command, Option, Table

    # From a command's name, and the options that were typed, to ids.
    CompleteId: TypeAlias = Callable[[str, Mapping[str, Any]], Iterable[str]]

_WIDTH = 80
_FIXED = "\N{NON-BREAKING HYPHEN}"
_LABEL = 30  # widest label that still has its text beside it
_TYPES: dict[str, click.ParamType[Any] | None] = {
    PATH: click.Path(),
    INT: click.INT,
    UINT: click.IntRange(0, 2**64 - 1),
    U16: click.IntRange(0, 2**16 - 1),
}


def _settings() -> dict[str, Any]:
    return {"terminal_width": _WIDTH, "help_option_names": list(help_option().spellings)}


class Program(click.Group):
    """The whole table."""

    def __init__(self, table: Table, program: str, complete_id: CompleteId | None) -> None:
        super().__init__(
            program,
            commands=[Row(row, program, complete_id) for row in table.all()],
            params=[_option(row) for row in table.options() if row.names[0] != "help"],
            invoke_without_command=True,
            context_settings=_settings(),
            short_help=table.summary,
        )
        self.table, self.program = table, program

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the program's page."""
        summary = f" - {self.table.summary}" if self.table.summary else ""
        _text(formatter, "NAME", f"{self.program}{summary}")
        _text(formatter, "USAGE", f"{self.program} [global options] COMMAND [options] [arguments]")
        rows = [(row.name, row.summary) for row in self.table.all()]
        _list(formatter, "COMMANDS", rows)
        _list(formatter, "GLOBAL OPTIONS", _shown(self.table.options()))
        formatter.write(f"\n{self.program} COMMAND --help says more about a command.\n")
        _unfix(formatter)


class Row(click.Command):
    """One command."""

    def __init__(self, row: Command, program: str, complete_id: CompleteId | None) -> None:
        arguments = [_argument(argument, row.name, complete_id) for argument in row.arguments]
        super().__init__(
            row.name,
            params=[*[_option(option) for option in row.options], *arguments],
            short_help=row.summary,
            context_settings=_settings() | {"allow_interspersed_args": not row.options_stop},
        )
        self.row, self.program = row, program

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's page."""
        row, called = self.row, f"{self.program} {self.row.name}"
        _text(formatter, "NAME", f"{called} - {row.summary}")
        usage = " ".join([called, "[options]", *[a.usage for a in row.arguments]])
        _text(formatter, "USAGE", usage)
        _text(formatter, "DESCRIPTION", row.description)
        _list(formatter, "ARGUMENTS", [(a.metavar, a.note) for a in row.arguments])
        _list(formatter, "OPTIONS", _shown((*row.options, help_option())))
        _text(formatter, "EXAMPLE", *[f"{self.program} {line}" for line in row.examples])
        _unfix(formatter)


def _text(formatter: click.HelpFormatter, heading: str, *lines: str) -> None:
    with formatter.section(heading):
        for line in lines:
            formatter.write_text(line.replace("-", _FIXED))


def _list(formatter: click.HelpFormatter, heading: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(heading):
            fixed = [(label, note.replace("-", _FIXED)) for label, note in rows]
            formatter.write_dl(fixed, col_max=_LABEL)


def _unfix(formatter: click.HelpFormatter) -> None:
    """Write hyphens where none was to end a line: what is to be typed must be found whole."""
    formatter.buffer[:] = [part.replace(_FIXED, "-") for part in formatter.buffer]


def _shown(options: Iterable[Option]) -> list[tuple[str, str]]:
    return [(option.label, option.note) for option in options if not option.hidden]


def _option(row: Option) -> click.Option:
    def complete(ctx: click.Context, param: Any, incomplete: str) -> list[str]:
        return [word for word in _offered(ctx, row.offers) if word.startswith(incomplete)]

    return click.Option(
        [*row.spellings, row.field],
        type=click.Choice(row.choices) if row.choices else _TYPES.get(row.kind),
        is_flag=row.kind in (FLAG, SWITCH, REQUEST) or None,
        count=row.kind == COUNT,
        multiple=row.kind == TEXTS,
        metavar=None if row.kind in WITHOUT_VALUE else row.metavar,
        help=row.help,
        hidden=row.hidden,
        shell_complete=complete if row.offers else None,
    )


def _argument(row: Argument, command: str, complete_id: CompleteId | None) -> click.Argument:
    def complete(ctx: click.Context, param: Any, incomplete: str) -> list[str]:
        if row.offers == "containers" and complete_id is not None:
            typed = {**ctx.find_root().params, **ctx.params}
            found = complete_id(command, typed)
        else:
            found = row.choices or _offered(ctx, row.offers)
        return [word for word in found if word.startswith(incomplete)]

    files = row.offers == "files"
    return click.Argument(
        [row.field],
        metavar=row.metavar,
        required=row.required,
        nargs=-1 if row.many else 1,
        type=click.Path() if files else None,
        shell_complete=None if files else complete,
    )


def _offered(ctx: click.Context, offers: str) -> Iterable[str]:
    """Return the words that completion proposes where any word may stand."""
    if offers == "signals":
        from signal import Signals

        return [signal.name.removeprefix("SIG") for signal in Signals]
    if offers == "capabilities":
        return [f"CAP_{name}" for name in _CAPABILITIES.split()]
    if offers == "commands" and isinstance(made := ctx.find_root().command, click.Group):
        return list(made.commands)
    return ()


# capabilities(7)
_CAPABILITIES = """
AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE
DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE
MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID
SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO
SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM
"""
