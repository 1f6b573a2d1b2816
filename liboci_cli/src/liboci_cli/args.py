"""What a command line says, as records; `parse` is the way from the one to the other.

    invocation = parse(sys.argv[1:])
    invocation.globals.root, invocation.command, invocation.args.id

The fields of a record are the options and arguments of its command in the table, dashes written
as underscores; None means "not given" and only that.
"""

from __future__ import annotations

from ._record import Record
from .commands import OCI
from .errors import UsageError
from .reader import read_command, read_globals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    from .table import Table

    Args: TypeAlias = Any  # which record it is depends on the command's name
    _Records: TypeAlias = Mapping[str, type[Any]]
else:
    Args = object  # attrs resolves the name when somebody asks for an invocation's fields
    _Records = object  # the class behind Mapping's own costs 1 ms


class GlobalArgs(Record):
    """The options before the command."""

    root: str | None = None
    log: str | None = None  # as typed: PATH, file:PATH, journald:ID, syslog:ID
    log_format: str = "text"
    log_level: str | None = None  # goes before `debug`
    debug: bool = False
    systemd_cgroup: bool = False
    cgroup_manager: str | None = None  # goes before `systemd_cgroup`
    rootless: str = "auto"  # true, false, auto
    criu: str | None = None  # without effect
    systemd_log: bool = False


class StartArgs(Record):
    """`start`."""

    id: str


class StateArgs(Record):
    """`state`."""

    id: str


class KillArgs(Record):
    """`kill`."""

    id: str  # a regular expression if `regex`
    signal: str = "SIGTERM"  # as typed: a number, or a name with or without SIG
    all: bool = False
    regex: bool = False


class DeleteArgs(Record):
    """`delete`."""

    id: str  # a regular expression if `regex`
    force: bool = False
    regex: bool = False


class ListArgs(Record):
    """`list`."""

    format: str = "table"  # table, json
    quiet: bool = False


class Records(_Records):
    """The record of each command, a mapping.

    What is rare is in modules that are loaded when their record is asked for.
    """

    def __init__(self, here: dict[str, type[Any]], later: dict[str, tuple[str, str]]) -> None:
        self._here, self._later = here, later

    def __getitem__(self, name: str) -> type[Any]:
        if (found := self._here.get(name)) is None:
            module, record = self._later[name]
            found = getattr(__import__(f"{__package__}.{module}", None, None, (record,)), record)
            self._here[name] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.keys())

    def __contains__(self, name: object) -> bool:
        return name in self._here or name in self._later

    def get(self, name: str, default: Any = None) -> Any:
        """Return a record, or `default` where there is no such command."""
        return self[name] if name in self else default

    def keys(self) -> Any:
        """Return the names."""
        return dict.fromkeys([*self._here, *self._later])


# The empty name is the program itself.
RECORDS = Records(
    {
        "": GlobalArgs,
        "start": StartArgs,
        "state": StateArgs,
        "kill": KillArgs,
        "delete": DeleteArgs,
        "list": ListArgs,
    },
    {
        "run": ("making", "RunArgs"),
        "create": ("making", "CreateArgs"),
        "exec": ("making", "ExecArgs"),
        "ps": ("running", "PsArgs"),
        "events": ("running", "EventsArgs"),
        "update": ("running", "UpdateArgs"),
        "pause": ("running", "PauseArgs"),
        "resume": ("running", "ResumeArgs"),
        "mounts": ("running", "MountsArgs"),
        "checkpoint": ("checkpointing", "CheckpointArgs"),
        "restore": ("checkpointing", "RestoreArgs"),
        "spec": ("hosting", "SpecArgs"),
        "features": ("hosting", "FeaturesArgs"),
        "info": ("hosting", "InfoArgs"),
        "setup": ("hosting", "SetupArgs"),
        "completion": ("hosting", "CompletionArgs"),
        "version": ("hosting", "VersionArgs"),
        "help": ("hosting", "HelpArgs"),
    },
)


class Invocation(Record):
    """A command line that was understood.

    `args` is the record of `command`: CreateArgs for create, and so on.
    """

    globals: GlobalArgs
    command: str  # a name of the table; version also for `--version`
    args: Args


def parse(
    argv: Sequence[str],
    *,
    program: str = "",
    table: Table = OCI,
    records: Mapping[str, type[Any]] = RECORDS,
) -> Invocation:
    """Read a command line, without the program's own name.

    `program` goes before the texts that runc begins with its own name.  Other programs pass
    their own `table` and `records`.  Raises UsageError.
    """
    given, words = read_globals(argv, table)
    asked = [given.pop(request, False) for request in ("help", "version")]
    globals = records[""](**given)
    if asked[0] or asked[1] or not words:
        from .hosting import HelpArgs, VersionArgs  # for people

        if asked[1]:
            return Invocation(globals, "version", VersionArgs())
        return Invocation(globals, "help", HelpArgs())
    try:
        command, values = read_command(words, table, program)
    except UsageError as e:
        raise UsageError(e.text, e.exit_status, e.command, globals, e.word) from None
    if "help" in values:
        from .hosting import HelpArgs

        return Invocation(globals, "help", HelpArgs(command.name))
    return Invocation(globals, command.name, records[command.name](**values))
