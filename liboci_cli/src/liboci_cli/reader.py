"""Read a command line by a table, in runc's dialect.

* One dash or two before any name; `--x=v` or `--x v`, where v may be anything, also `--y`.
* `--flag=false` takes a flag back.  Of an option given twice the last value counts, or all of
  them if the option is a list.
* Global options stand before the command.  A command's options may follow its arguments, unless
  its row says that they stop at the first: what follows the id in `exec` is another program's.
* `--` ends the options.  Where they stop at the first argument, `--` right after it is dropped.
* No clusters (`-fq`), no attached values (`-bDIR`), no abbreviations: with any of them a mistyped
  option would mean another one.

The texts of errors are runc's.  An option that lacks its value is named as it was typed, any
other with one dash.
"""

from __future__ import annotations

from .errors import UsageError
from .table import COUNT, INT, PATH, REQUEST, SWITCH, TEXTS, U16, UINT, WITHOUT_VALUE, help_option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from .table import Argument, Command, Option, Table

# The function that Go names in its error, and the least and largest value.
_NUMBERS = {
    INT: ("ParseInt", -(2**63), 2**63 - 1),
    UINT: ("ParseUint", 0, 2**64 - 1),
    U16: ("ParseUint", 0, 2**16 - 1),
}
_TRUE = ("true", "1", "t", "T", "TRUE", "True")
FALSE = ("false", "0", "f", "F", "FALSE", "False")


def read_globals(words: Sequence[str], table: Table) -> tuple[dict[str, Any], list[str]]:
    """Read the options before the command; return the values given and the words that remain."""
    return _read_options(words, table.options(), stop=True)


def read_command(
    words: Sequence[str], table: Table, program: str = ""
) -> tuple[Command, dict[str, Any]]:
    """Read a command, its options and its arguments; return its row and the values given.

    `program` goes before the texts that runc begins with its own name.
    """
    command = table.command(words[0])
    if command is None:
        raise _no_topic(words[0])
    try:
        values = _read_rest(command, words[1:], program)
        topic = values.get("topic") if command.name == "help" else None
        if topic is not None and topic not in table.commands:
            raise _no_topic(topic)
    except UsageError as e:
        raise UsageError(e.text, e.exit_status, command.name, word=e.word) from None
    return command, values


def _read_rest(command: Command, words: Sequence[str], program: str) -> dict[str, Any]:
    options = (*command.options, help_option())
    values, found = _read_options(words, options, stop=command.options_stop)
    if "help" in values:
        return values
    if command.options_stop and found[1:2] == ["--"]:
        del found[1]
    _check_count(command, len(found), program)
    for at, argument in enumerate(command.arguments):
        if argument.many:
            values[argument.field] = tuple(found[at:])
        elif at < len(found):
            if argument.choices and found[at] not in argument.choices:
                raise UsageError(_no_choice(argument, found[at]))
            values[argument.field] = found[at]
    return values


def _no_choice(argument: Argument, word: str) -> str:
    if argument.refusal is not None:
        return argument.refusal.replace("{}", printable(word))
    return f"{argument.metavar} must be one of {', '.join(argument.choices)}"


def _no_topic(word: str) -> UsageError:
    return UsageError(f"No help topic for '{printable(word)}'", 3, word=word)


def _check_count(command: Command, count: int, program: str) -> None:
    least = len([argument for argument in command.arguments if argument.required])
    most = len(command.arguments)
    many = any([argument.many for argument in command.arguments])
    if count < least:
        wanted = f"a minimum of {least}"
    elif count > most and not many:
        wanted = f"a maximum of {most}"
    else:
        return
    if least == most and not many:
        wanted = f"exactly {least}"
    prefix = f"{program}: " if program else ""
    raise UsageError(f'{prefix}"{command.name}" requires {wanted} argument(s)')


def _read_options(
    words: Sequence[str], options: tuple[Option, ...], *, stop: bool
) -> tuple[dict[str, Any], list[str]]:
    known = {name: option for option in options for name in option.names}
    values: dict[str, Any] = {}
    rest: list[str] = []
    coming = iter(words)
    for word in coming:
        if word == "--":
            rest += coming
        elif word[:1] != "-" or word == "-":
            rest.append(word)
            if stop:
                rest += coming
        else:
            typed, equals, text = word.partition("=")
            option = _find(known, typed)
            _store(values, option, text if equals else _value_after(option, typed, coming), typed)
            if option.kind == REQUEST and option.field in values:
                break  # who asks for help gets it, whatever else is wrong
    return values, rest


def _find(known: dict[str, Option], typed: str) -> Option:
    name = typed[2:] if typed[:2] == "--" else typed[1:]
    if (option := known.get(name)) is None:
        raise UsageError(f"flag provided but not defined: -{printable(name)}", word=name)
    return option


def _value_after(option: Option, typed: str, coming: Iterator[str]) -> str:
    if option.kind in WITHOUT_VALUE:
        return "true"
    if (word := next(coming, None)) is None:
        raise UsageError(f"flag needs an argument: {typed}")
    return word


def _store(values: dict[str, Any], option: Option, text: str, typed: str) -> None:
    """Add what `text` means to the values given; `typed` is the option's spelling."""
    kind, field = option.kind, option.field
    if kind == PATH and not text:
        raise UsageError(f"flag needs an argument: {typed}")
    if option.choices and text not in option.choices:
        raise UsageError(_refusal(option, text, typed))
    if kind in _NUMBERS:
        values[field] = _number(kind, text, typed)
    elif kind == TEXTS:
        values[field] = (*values.get(field, ()), text)
    elif kind not in WITHOUT_VALUE:
        values[field] = text
    elif not _boolean(text, typed):
        values.pop(field, None)
        if kind == SWITCH:
            values[field] = False
    else:
        values[field] = values.get(field, 0) + 1 if kind == COUNT else True


def _refusal(option: Option, text: str, typed: str) -> str:
    if option.refusal is not None:
        return option.refusal.replace("{}", printable(text))
    return _invalid(text, typed, f"must be one of {', '.join(option.choices)}")


def _invalid(text: str, typed: str, reason: str) -> str:
    return f"invalid value {_quoted(text)} for flag -{typed.lstrip('-')}: {reason}"


def _boolean(text: str, typed: str) -> bool:
    if text in _TRUE:
        return True
    if text in FALSE:
        return False
    raise UsageError(
        _invalid(text, typed, f"strconv.ParseBool: parsing {_quoted(text)}: invalid syntax")
    )


def _number(kind: str, text: str, typed: str) -> int:
    """Read a number as Go does: 12, 0x1f, 0b11, 0o17 and 017."""
    function, low, high = _NUMBERS[kind]
    parsing = f"strconv.{function}: parsing {_quoted(text)}: "
    digits = text[1:] if low < 0 and text[:1] in ("+", "-") else text
    # int() alone would take blanks, a second sign and the digits of every script.
    if not (digits.isascii() and digits.replace("_", "").isalnum()):
        raise UsageError(_invalid(text, typed, parsing + "invalid syntax"))
    try:
        value = int(digits, 8 if digits[0] == "0" and digits.isdigit() else 0)
    except ValueError:
        raise UsageError(_invalid(text, typed, parsing + "invalid syntax")) from None
    value = -value if text[0] == "-" else value
    if not low <= value <= high:
        raise UsageError(_invalid(text, typed, parsing + "value out of range"))
    return value


def printable(text: str) -> str:
    """Return the text with escapes for what would break or disguise a line of output."""
    return "".join([c if c.isprintable() else repr(c)[1:-1] for c in text])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'
