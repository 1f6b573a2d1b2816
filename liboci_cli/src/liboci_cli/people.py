"""What people ask for: help, a hint after a mistake, a click group.

All of it comes from the table.  Parsing does not: click's dialect is another one, so click never
decides what a command line means.
"""

from __future__ import annotations

from .commands import OCI

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    import click

    from .errors import UsageError
    from .layout import CompleteId
    from .table import Option, Table


def group(program: str, table: Table = OCI, complete_id: CompleteId | None = None) -> click.Group:
    """Make a click group with a command for each row of the table.

    `complete_id` is given a command's name and the options typed so far, by field, and returns
    the ids the command could act on; it is called when a shell wants to complete an id.
    """
    from .layout import Program  # click, 40 ms

    return Program(table, program, complete_id)


def help_text(topic: str | None, program: str, table: Table = OCI) -> str:
    """Return the help for a command, or for the program if `topic` is None.

    At most 80 columns; the first line is `NAME:`, the second names program and command.
    KeyError for an unknown command.
    """
    import click

    made = group(program, table)
    row = None if topic is None else table.command(topic)
    found = made if topic is None else made.commands[row.name if row else topic]
    settings = found.context_settings
    with click.Context(found, info_name=program, **settings) as context:
        return found.get_help(context) + "\n"


def hint(error: UsageError, program: str, table: Table = OCI) -> str:
    """Return one line that helps after a wrong command line: what was meant, or where to read."""
    if error.word is None or (meant := _meant(error, error.word, table)) is None:
        known = error.command and error.command != "help"
        called = f"{program} {error.command}" if known else program
        return f"see {called} --help"
    return meant


# What people are used to from engines and shells.
_OTHERS_COMMANDS = {
    "inspect": "state",
    "ls": "list",
    "rm": "delete",
    "stats": "events",
    "stop": "kill",
    "top": "ps",
    "unpause": "resume",
}
_OTHERS_OPTIONS = {
    ("exec", "i"): "stdin is handed in without -i",
    ("exec", "it"): "stdin is handed in without -i; -t gives a terminal",
    ("exec", "interactive"): "stdin is handed in without it",
}


def _meant(error: UsageError, word: str, table: Table) -> str | None:
    if error.exit_status == 3:
        names = [row.name for row in table.all()]
        near = _OTHERS_COMMANDS.get(word) or _nearest(word, names)
        return f"did you mean {near}?" if near in names else None
    if error.command == "kill" and (signal := _signal(word)):
        return f"the signal goes after the id: kill ID {signal}"
    if (error.command or "", word) in _OTHERS_OPTIONS:
        return _OTHERS_OPTIONS[error.command or "", word]
    globals, row = table.options(), table.command(error.command or "")
    own = row.options if row else globals
    if row and word in _names(globals):
        return f"{_dashed(word)} goes before the command"
    if not row and any([word in _names(other.options) for other in table.all()]):
        return f"{_dashed(word)} goes after the command"
    near = _nearest(word, _names([option for option in own if not option.hidden]))
    return f"did you mean {_dashed(near)}?" if near else None


def _signal(word: str) -> str | None:
    """Return the signal that an option of kill(1) means, or the word for any."""
    from signal import Signals

    if word in ("s", "signal"):
        return "SIGNAL"
    name = word.upper().removeprefix("SIG")
    known = word.isdigit() or f"SIG{name}" in Signals.__members__
    return word if known else None


def _names(options: Iterable[Option]) -> list[str]:
    return [name for option in options for name in option.names]


def _dashed(name: str) -> str:
    return f"-{name}" if len(name) == 1 else f"--{name}"


def _nearest(word: str, words: list[str]) -> str | None:
    from difflib import get_close_matches

    # 0.7: at the usual 0.6 `restore` would become `create`.
    near = get_close_matches(word, words, 1, 0.7)
    # Else what it is the first half of, or more: `mem` of `memory`, but not `r` of `restore`.
    begun = [w for w in words if w.startswith(word) and 2 * len(word) >= len(w)]
    return next(iter(near or sorted(begun, key=len)), None)
