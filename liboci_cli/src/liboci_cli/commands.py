"""The command line of an OCI runtime: the union of what runc, crun and youki take."""

from __future__ import annotations

from .table import (
    FLAG,
    PATH,
    REQUEST,
    TEXT,
    Argument,
    Command,
    Option,
    Table,
    help_option,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def _later(module: str, name: str) -> Callable[[], Command]:
    """Return what makes a row that is in a module not loaded yet."""

    def make() -> Command:
        home = __import__(f"{__package__}.{module}", None, None, (name,))
        made: Command = getattr(home, name)()
        return made

    return make


def _global_options() -> tuple[Option, ...]:
    return (
        Option(
            ("root", "r"),
            PATH,
            "state directory, best on a tmpfs; by default below $XDG_RUNTIME_DIR for ordinary"
            " users and below /run for root",
            "DIR",
        ),
        Option(
            ("log", "l"),
            PATH,
            "append messages to a file too; also file:PATH, journald:ID, syslog:ID",
            "PATH",
        ),
        Option(
            ("log-format",),
            TEXT,
            "form of the messages in the log",
            "FORMAT",
            default="text",
            choices=("text", "json"),
            refusal="invalid log-format: {}",
        ),
        Option(
            ("log-level",),
            TEXT,
            "least severe messages to log; goes before --debug",
            "LEVEL",
            choices=("error", "warning", "warn", "info", "debug", "trace"),
            refusal="invalid log-level: {}",
        ),
        Option(("debug",), FLAG, "log what was decided and done"),
        Option(
            ("systemd-cgroup", "s"),
            FLAG,
            "let systemd make the cgroup; cgroupsPath is then slice:prefix:name",
        ),
        Option(
            ("cgroup-manager",),
            TEXT,
            "who makes the cgroup, disabled for none; goes before --systemd-cgroup",
            "MANAGER",
            choices=("cgroupfs", "systemd", "disabled"),
            refusal="unknown cgroup manager specified: {}",
        ),
        Option(
            ("rootless",),
            TEXT,
            "tolerate cgroups that may not be written; auto: unless root of the host",
            "WHEN",
            default="auto",
            choices=("true", "false", "auto"),
        ),
        Option(("criu",), PATH, "ignored, criu is found in $PATH", "PATH", hidden=True),
        Option(("systemd-log",), FLAG, "log to the journal too"),
        Option(("version", "v", "V"), REQUEST, "show the version"),
        help_option(),
    )


def id_argument() -> Argument:
    return Argument("id", "ID", "the container's name", offers="containers")


def _start() -> Command:
    return Command(
        "start",
        "start the program of a created container",
        "Lets the waiting process of a created container become its program.",
        ("start web1",),
        arguments=(id_argument(),),
    )


def _state() -> Command:
    return Command(
        "state",
        "show the state of a container",
        "Prints the state as a JSON object: status, pid, bundle and annotations.",
        ("state web1",),
        arguments=(id_argument(),),
    )


def _kill() -> Command:
    return Command(
        "kill",
        "send a signal to a container",
        "Sends a signal, by name or number, to the first process of a container. Options go"
        " before the id.",
        ("kill web1 KILL", "kill --regex '^web' 9"),
        (
            Option(
                ("all", "a"),
                FLAG,
                "signal every process of the container; one that has stopped is no error",
            ),
            Option(
                ("regex", "r"),
                FLAG,
                "ID is a POSIX extended regular expression: signal all containers that match",
            ),
        ),
        (
            id_argument(),
            Argument(
                "signal",
                "SIGNAL",
                "number, or name with or without SIG",
                required=False,
                default="SIGTERM",
                offers="signals",
            ),
        ),
        options_stop=True,
    )


def _delete() -> Command:
    return Command(
        "delete",
        "delete a container",
        "Removes what a stopped container has left: cgroup, state and the rest. A container that"
        " was never started is ended first.",
        ("delete web1", "delete --force web1"),
        (
            Option(
                ("force", "f"),
                FLAG,
                "kill a container that still runs; an unknown one is no error",
            ),
            Option(
                ("regex", "r"),
                FLAG,
                "ID is a POSIX extended regular expression: delete all containers that match",
            ),
        ),
        (id_argument(),),
    )


def _list() -> Command:
    return Command(
        "list",
        "list the containers",
        "Lists the containers below the state directory, by name.",
        ("list --format json", "--root /run/web list --quiet"),
        (
            Option(
                ("format", "f"),
                TEXT,
                "form of the list",
                "FORMAT",
                default="table",
                choices=("table", "json"),
                refusal="invalid format option",
            ),
            Option(("quiet", "q"), FLAG, "ids only, one a line"),
        ),
    )


OCI = Table(
    _global_options,
    {
        "run": _later("making", "run"),
        "create": _later("making", "create"),
        "start": _start,
        "exec": _later("making", "exec"),
        "state": _state,
        "list": _list,
        "ps": _later("running", "ps"),
        "events": _later("running", "events"),
        "update": _later("running", "update"),
        "pause": _later("running", "pause"),
        "resume": _later("running", "resume"),
        "mounts": _later("running", "mounts"),
        "kill": _kill,
        "delete": _delete,
        "checkpoint": _later("checkpointing", "checkpoint"),
        "restore": _later("checkpointing", "restore"),
        "spec": _later("hosting", "spec"),
        "features": _later("hosting", "features"),
        "info": _later("hosting", "info"),
        "setup": _later("hosting", "setup"),
        "completion": _later("hosting", "completion"),
        "version": _later("hosting", "version"),
        "help": _later("hosting", "help"),
        "h": _later("hosting", "help"),
    },
    "Open Container Initiative runtime",
)
