"""Write a command line: the way back from records to words.

For programs that call a runtime, and for the test that reading and writing agree.
"""

from __future__ import annotations

from .commands import OCI
from .table import COUNT, FLAG, SWITCH, TEXTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from .args import Invocation
    from .table import Command, Option, Table


def render(invocation: Invocation, table: Table = OCI) -> list[str]:
    """Return the words that `parse` reads as `invocation`; KeyError for an unknown command.

    What has its default is left out.  An empty path has no words: None is "not given".
    """
    words = list(_options(table.options(), invocation.globals))
    if invocation.command == "version":
        return [*words, "--version"]
    if (command := table.command(invocation.command)) is None:
        raise KeyError(invocation.command)
    words.append(command.name)
    words += _options(command.options, invocation.args)
    return words + _arguments(command, invocation.args)


def _options(options: Iterable[Option], args: Any) -> Iterator[str]:
    for option in options:
        long = f"--{option.names[0]}"
        value: Any = getattr(args, option.field, None)  # help and version are no fields
        if option.kind == FLAG:
            yield from [long] * bool(value)
        elif option.kind == SWITCH:
            yield from [] if value is None else [long] if value else [f"{long}=false"]
        elif option.kind == COUNT:
            yield from [long] * value
        elif option.kind == TEXTS:
            yield from [f"{long}={text}" for text in value]
        elif value is not None and str(value) != option.default:
            yield f"{long}={value}"


def _arguments(command: Command, args: Any) -> list[str]:
    found: list[str] = []
    for argument in command.arguments:
        value = getattr(args, argument.field)
        found += value if argument.many else () if value is None else (value,)
    # The reader drops a `--` after the first of these, so one that is meant needs another.
    if command.options_stop and found[1:2] == ["--"]:
        found.insert(1, "--")
    looked_at = found[:1] if command.options_stop else found
    dashed = any([word[:1] == "-" and word != "-" for word in looked_at])
    return ["--", *found] if dashed else found
