"""The command line of an OCI runtime: the union of what runc, crun and youki take."""

from __future__ import annotations

from .table import (
    FLAG,
    INT,
    PATH,
    REQUEST,
    TEXT,
    TEXTS,
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


def _new_id() -> Argument:
    return Argument("id", "ID", "the container's name, unique below the state directory")


def _id() -> Argument:
    return Argument("id", "ID", "the container's name", offers="containers")


def _create_options() -> tuple[Option, ...]:
    return (
        Option(("bundle", "b"), PATH, "directory of the bundle; by default the current one", "DIR"),
        Option(
            ("config", "f"),
            PATH,
            "configuration to use, seen from the bundle",
            "FILE",
            default="config.json",
        ),
        Option(
            ("console-socket", "c"),
            PATH,
            "unix socket that is sent the master side of the container's terminal",
            "PATH",
        ),
        Option(
            ("pidfd-socket",),
            PATH,
            "unix socket that is sent a pidfd of the container's first process",
            "PATH",
        ),
        Option(("pid-file", "p"), PATH, "write the pid of that process to a file", "PATH"),
        Option(
            ("no-pivot",),
            FLAG,
            "move the root instead of pivot_root, for a rootfs on the initial ramfs",
        ),
        Option(("no-new-keyring",), FLAG, "keep the caller's session keyring"),
        Option(
            ("preserve-fds",),
            INT,
            "pass N descriptors from 3 on to the container, beside those of $LISTEN_FDS",
            "N",
            default="0",
        ),
    )


def _create() -> Command:
    return Command(
        "create",
        "create a container",
        "Makes the container that the bundle's configuration describes, up to the point where"
        " only its program is missing: that one waits for the start command.",
        ("create --bundle /srv/web web1",),
        _create_options()
        + (Option(("no-subreaper",), FLAG, "accepted for run's sake, without effect"),),
        (_new_id(),),
    )


def _run() -> Command:
    return Command(
        "run",
        "create and start a container",
        "Does what create and start do, waits for the container's end and deletes it. The exit"
        " status is the container's; 128 and the signal's number if a signal ended it.",
        ("run --bundle /srv/web web1", "run --detach --pid-file /run/web1.pid web1"),
        _create_options()
        + (
            Option(("detach", "d"), FLAG, "return when the container runs"),
            Option(("keep",), FLAG, "do not delete the container when it has ended"),
            Option(("no-subreaper",), FLAG, "do not adopt what the container's processes leave"),
        ),
        (_new_id(),),
    )


def _start() -> Command:
    return Command(
        "start",
        "start the program of a created container",
        "Lets the waiting process of a created container become its program.",
        ("start web1",),
        arguments=(_id(),),
    )


def _exec() -> Command:
    return Command(
        "exec",
        "run one more program in a container",
        "Runs a program beside the container's own, with all that the container's configuration"
        " says of its process, as far as the options do not change it. What follows the id is the"
        " program and its arguments. The exit status is the program's; 128 and the signal's number"
        " if a signal ended it; 255 if it could not be run.",
        (
            "exec web1 ls -l /srv",
            "exec --tty --env TERM=xterm --user 1000:1000 web1 sh",
            "exec --process job.json --detach --pid-file /run/job.pid web1",
        ),
        _exec_process_options() + _exec_options(),
        (
            _id(),
            Argument(
                "command",
                "COMMAND",
                "the program and its arguments; none with --process",
                required=False,
                many=True,
            ),
        ),
        options_stop=True,
    )


def _exec_process_options() -> tuple[Option, ...]:
    """Options that say what the process is; `--process` goes before all the others."""
    return (
        Option(
            ("process", "p"),
            PATH,
            "take the whole process from a file, a JSON object as in the configuration",
            "FILE",
        ),
        Option(("cwd",), PATH, "working directory in the container", "DIR"),
        Option(("env", "e"), TEXTS, "set a variable of the environment", "NAME=VALUE"),
        Option(("tty", "t"), FLAG, "give the process a terminal"),
        Option(("user", "u"), TEXT, "numbers of user and, if it differs, group", "UID[:GID]"),
        Option(("additional-gids", "g"), TEXTS, "add a supplementary group", "GID"),
        Option(("cap", "c"), TEXTS, "add a capability", "CAP", offers="capabilities"),
        Option(("no-new-privs",), FLAG, "let the process gain no privileges"),
        Option(("apparmor",), TEXT, "AppArmor profile of the process", "PROFILE"),
        Option(("process-label",), TEXT, "SELinux label of the process", "LABEL"),
    )


def _exec_options() -> tuple[Option, ...]:
    """Options that say what happens around the process."""
    return (
        Option(
            ("console-socket",),
            PATH,
            "unix socket that is sent the master side of the process's terminal",
            "PATH",
        ),
        Option(("pidfd-socket",), PATH, "unix socket that is sent a pidfd of the process", "PATH"),
        Option(("detach", "d"), FLAG, "return when the process runs"),
        Option(("pid-file",), PATH, "write the pid of the process to a file", "PATH"),
        Option(
            ("preserve-fds",), INT, "pass N descriptors from 3 on to the process", "N", default="0"
        ),
        Option(
            ("cgroup",),
            TEXTS,
            "run the process in a cgroup below the container's; v1 takes one for each controller",
            "[CONTROLLER,...:]PATH",
        ),
        Option(
            ("ignore-paused",),
            FLAG,
            "allow a paused container: the process begins when it is resumed",
        ),
    )


def _state() -> Command:
    return Command(
        "state",
        "show the state of a container",
        "Prints the state as a JSON object: status, pid, bundle and annotations.",
        ("state web1",),
        arguments=(_id(),),
    )


def _kill() -> Command:
    return Command(
        "kill",
        "send a signal to a container",
        "Sends a signal, by name or number, to the first process of a container. Options go"
        " before the id.",
        ("kill web1 KILL", "kill --regex '^web' 9"),
        (
            Option(("all", "a"), FLAG, "signal every process of the container", hidden=True),
            Option(
                ("regex", "r"),
                FLAG,
                "ID is a POSIX extended regular expression: signal all containers that match",
            ),
        ),
        (
            _id(),
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
        (_id(),),
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


def _help() -> Command:
    return Command(
        "help",
        "show help for the program or a command",
        "Shows what --help shows.",
        ("help create",),
        arguments=(
            Argument("topic", "COMMAND", "what to explain", required=False, offers="commands"),
        ),
    )


OCI = Table(
    _global_options,
    {
        "run": _run,
        "create": _create,
        "start": _start,
        "exec": _exec,
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
        "help": _help,
        "h": _help,
    },
    "Open Container Initiative runtime",
)
