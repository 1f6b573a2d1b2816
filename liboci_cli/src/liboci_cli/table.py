"""What a command line consists of, as data: options, arguments, commands, and the table of them.

Everything that knows the command line reads it from here: the reader, the writer, the help, the
completion, the man page.  A row is made when it is asked for, so a start of the runtime pays for
the global options and for one command.
"""

from __future__ import annotations

from ._record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    MakeCommand: TypeAlias = Callable[[], "Command"]
    MakeOptions: TypeAlias = Callable[[], "tuple[Option, ...]"]

# Kinds of option, and what the value of one becomes.
FLAG = "flag"  # bool; `--x` is true, `--x=false` false
SWITCH = "switch"  # the same, and None where it is not given: then something else decides
REQUEST = "request"  # a flag that ends the reading: help, version
COUNT = "count"  # int: how often it was given
TEXT = "text"  # str
PATH = "path"  # str, never empty
INT = "int"  # i64
UINT = "uint"  # u64
U16 = "u16"
TEXTS = "texts"  # tuple[str, ...]: every value counts, a comma is a comma

WITHOUT_VALUE = (FLAG, SWITCH, REQUEST, COUNT)

# Words that completion proposes for an option or an argument, beside its choices.
OFFERS = ("capabilities", "commands", "containers", "files", "signals")


class Option(Record):
    """An option of a command or of the program."""

    names: tuple[str, ...]  # without dashes; the first one is the long name
    kind: str
    help: str
    metavar: str = ""
    default: str | None = None  # as it would be typed; None: not given
    choices: tuple[str, ...] = ()
    refusal: str | None = None  # what to say of a value that is no choice; `{}` is the value
    hidden: bool = False  # works, but is not shown
    offers: str = ""  # what completion proposes, one of OFFERS; other words are taken too

    @property
    def field(self) -> str:
        """The attribute of the arguments' record that holds the value."""
        return self.names[0].replace("-", "_")

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names with their dashes, short ones first, as help shows them."""
        short = [f"-{name}" for name in self.names if len(name) == 1]
        return (*short, *[f"--{name}" for name in self.names if len(name) > 1])

    @property
    def label(self) -> str:
        """The spellings and what they take: `-b, --bundle DIR`."""
        return " ".join([", ".join(self.spellings), self.metavar]).rstrip()

    @property
    def note(self) -> str:
        """What the option does, which words it takes, how often, and what it is by default."""
        words = [", ".join(self.choices)] if self.choices else []
        words += ["may be repeated"] if self.kind in (TEXTS, COUNT) else []
        words += [f"default: {self.default}"] if self.default else []
        return f"{self.help} ({'; '.join(words)})" if words else self.help


class Argument(Record):
    """A word that is known by its position."""

    field: str  # the attribute of the arguments' record
    metavar: str
    help: str
    required: bool = True
    default: str | None = None
    many: bool = False  # takes all that follow; the last argument only
    choices: tuple[str, ...] = ()
    refusal: str | None = None  # what to say of a word that is no choice; `{}` is the word
    offers: str = ""  # what completion proposes, one of OFFERS; other words are taken too

    @property
    def usage(self) -> str:
        """The argument in a line that shows how to call the command."""
        shown = self.metavar + ("..." if self.many else "")
        return shown if self.required else f"[{shown}]"

    @property
    def note(self) -> str:
        """What the argument is, which words it takes and what it is by default."""
        words = [", ".join(self.choices)] if self.choices else []
        words += [f"default: {self.default}"] if self.default else []
        return f"{self.help} ({'; '.join(words)})" if words else self.help


class Command(Record):
    """A command with its options and arguments."""

    name: str
    summary: str  # lower case, no full stop
    description: str
    examples: tuple[str, ...]  # without the program's name
    options: tuple[Option, ...] = ()
    arguments: tuple[Argument, ...] = ()
    options_stop: bool = False  # at the first argument; else options may follow arguments


class Table:
    """The commands of a program by name; two names may have one command.

    `options` and `commands` hold functions, because a start needs few of the rows.
    """

    def __init__(
        self, options: MakeOptions, commands: Mapping[str, MakeCommand], summary: str = ""
    ) -> None:
        self.options = options
        self.commands = commands
        self.summary = summary  # what the program is

    def command(self, name: str) -> Command | None:
        """Make the row of a command; None if there is no such command."""
        make = self.commands.get(name)
        return make() if make else None

    def noted(self, notes: Mapping[str, str]) -> Table:
        """Return the same table, where some commands' summaries and descriptions begin with a note.

        `notes` are by the command's name, lower case and without a full stop.
        """

        def noted(make: MakeCommand, note: str) -> MakeCommand:
            def make_noted() -> Command:
                row = make()
                return row.replace(
                    summary=f"{row.summary} ({note})",
                    description=f"{note[:1].upper()}{note[1:]}. {row.description}",
                )

            return make_noted

        commands = dict(self.commands)
        commands |= {name: noted(commands[name], note) for name, note in notes.items()}
        return Table(self.options, commands, self.summary)

    def all(self) -> tuple[Command, ...]:
        """Make all rows, in order, without those that are other names of one."""
        made = [(name, make()) for name, make in self.commands.items()]
        return tuple([command for name, command in made if command.name == name])


def help_option() -> Option:
    """Make the option that every command has, and the program too."""
    return Option(("help", "h", "?", "usage"), REQUEST, "show this help")
