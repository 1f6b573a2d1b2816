"""Rows and records of the commands that make a process: create, run and exec."""

from __future__ import annotations

from ._record import Record, i64
from .commands import id_argument
from .table import FLAG, INT, PATH, SWITCH, TEXT, TEXTS, Argument, Command, Option


class CreateArgs(Record):
    """`create`."""

    id: str
    bundle: str | None = None  # None: the current directory
    config: str = "config.json"  # seen from the bundle
    console_socket: str | None = None
    pidfd_socket: str | None = None
    pid_file: str | None = None
    no_pivot: bool = False
    no_new_keyring: bool = False
    preserve_fds: i64 = 0  # descriptors from 3 on, beside those of $LISTEN_FDS
    no_subreaper: bool = False


class RunArgs(CreateArgs):
    """`run`."""

    detach: bool = False
    keep: bool = False


class ExecArgs(Record):
    """`exec`."""

    id: str
    command: tuple[str, ...] = ()  # the program and its arguments
    process: str | None = None  # a file; goes before all that describes the process
    cwd: str | None = None
    env: tuple[str, ...] = ()  # NAME=VALUE
    tty: bool = False
    user: str | None = None  # as typed: UID[:GID]
    additional_gids: tuple[str, ...] = ()  # as typed
    cap: tuple[str, ...] = ()
    no_new_privs: bool | None = None  # None: as the container's
    apparmor: str | None = None
    process_label: str | None = None
    console_socket: str | None = None
    pidfd_socket: str | None = None
    detach: bool = False
    pid_file: str | None = None
    preserve_fds: i64 = 0
    cgroup: tuple[str, ...] = ()  # as typed: [CONTROLLER,...:]PATH
    ignore_paused: bool = False


def _new_id() -> Argument:
    return Argument("id", "ID", "the container's name, unique below the state directory")


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


def create() -> Command:
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


def run() -> Command:
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


def exec() -> Command:
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
            id_argument(),
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
        Option(
            ("no-new-privs",),
            SWITCH,
            "let the process gain no privileges; =false: let it, whatever the configuration says",
        ),
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
