"""Rows and records of checkpoint and restore.  Loaded when one of them is asked for."""

from __future__ import annotations

from ._record import Record, i64
from .running import container
from .table import FLAG, INT, PATH, TEXT, TEXTS, Argument, Command, Option


class CheckpointArgs(Record):
    """`checkpoint`."""

    id: str
    image_path: str | None = None  # None: `checkpoint` in the current directory
    work_path: str | None = None  # None: the image path
    parent_path: str | None = None  # seen from the image path
    leave_running: bool = False
    pre_dump: bool = False
    tcp_established: bool = False
    tcp_skip_in_flight: bool = False
    link_remap: bool = False
    ext_unix_sk: bool = False
    shell_job: bool = False
    file_locks: bool = False
    lazy_pages: bool = False
    status_fd: i64 | None = None
    page_server: str | None = None  # as typed: ADDRESS:PORT
    manage_cgroups_mode: str | None = None  # None: soft
    empty_ns: tuple[str, ...] = ()
    auto_dedup: bool = False
    network_lock: str | None = None  # None: what CRIU does by itself


class RestoreArgs(Record):
    """`restore`."""

    id: str
    bundle: str | None = None  # None: the current directory
    image_path: str | None = None
    work_path: str | None = None
    parent_path: str | None = None
    console_socket: str | None = None
    pid_file: str | None = None
    detach: bool = False
    no_subreaper: bool = False
    no_pivot: bool = False
    no_new_keyring: bool = False
    tcp_established: bool = False
    tcp_close: bool = False
    ext_unix_sk: bool = False
    shell_job: bool = False
    file_locks: bool = False
    lazy_pages: bool = False
    lsm_profile: str | None = None  # as typed: TYPE:NAME
    lsm_mount_context: str | None = None
    manage_cgroups_mode: str | None = None
    empty_ns: tuple[str, ...] = ()
    auto_dedup: bool = False
    network_lock: str | None = None


def checkpoint() -> Command:
    return Command(
        "checkpoint",
        "write a running container to files",
        "Lets CRIU write all processes of the container to files, from which restore can bring"
        " them back, here or on another host. The container then ends, unless it is left running.",
        (
            "checkpoint --image-path /srv/web1 web1",
            "checkpoint --pre-dump --image-path /srv/pre web1",
        ),
        (
            *_folders(),
            Option(("leave-running",), FLAG, "let the container go on"),
            Option(("pre-dump",), FLAG, "write the memory only, and let the container go on"),
            *_checkpoint_contents(),
            Option(("lazy-pages",), FLAG, "keep the memory here; restore asks for it by page"),
            Option(
                ("status-fd",),
                INT,
                "descriptor that gets a NUL byte when memory can be asked for",
                "N",
            ),
            Option(("page-server",), TEXT, "send the memory to a page server", "ADDRESS:PORT"),
            *_both(),
        ),
        (container(),),
    )


def _checkpoint_contents() -> tuple[Option, ...]:
    """Options that say what the container may have."""
    return (
        Option(("tcp-established",), FLAG, "allow open TCP connections"),
        Option(("tcp-skip-in-flight",), FLAG, "leave out TCP connections being made"),
        Option(("link-remap",), FLAG, "allow open files that were deleted"),
        *_contents(),
    )


def restore() -> Command:
    return Command(
        "restore",
        "bring a container back from files",
        "Makes a new container of what checkpoint has written. The bundle has to be that of the"
        " container that was written.",
        ("restore --image-path /srv/web1 --bundle /srv/web --detach web1",),
        (
            Option(
                ("bundle", "b"), PATH, "directory of the bundle; by default the current one", "DIR"
            ),
            *_folders(),
            Option(
                ("console-socket",),
                PATH,
                "unix socket that is sent the master side of the container's terminal",
                "PATH",
            ),
            Option(("pid-file",), PATH, "write the pid of the first process to a file", "PATH"),
            Option(("detach", "d"), FLAG, "return when the container runs"),
            Option(("no-subreaper",), FLAG, "do not adopt what the container's processes leave"),
            Option(("no-pivot",), FLAG, "move the root instead of pivot_root"),
            Option(("no-new-keyring",), FLAG, "keep the caller's session keyring"),
            Option(("tcp-established",), FLAG, "restore open TCP connections"),
            Option(("tcp-close",), FLAG, "restore TCP connections as closed"),
            *_contents(),
            Option(("lazy-pages",), FLAG, "fetch memory when it is used"),
            Option(("lsm-profile",), TEXT, "AppArmor profile or SELinux label", "TYPE:NAME"),
            Option(("lsm-mount-context",), TEXT, "SELinux label of the mounts", "CONTEXT"),
            *_both(),
        ),
        (Argument("id", "ID", "the container's name, unique below the state directory"),),
    )


def _folders() -> tuple[Option, ...]:
    return (
        Option(
            ("image-path",),
            PATH,
            "directory of the files (default: ./checkpoint)",
            "DIR",
        ),
        Option(("work-path",), PATH, "directory of CRIU's log (default: the image path)", "DIR"),
        Option(
            ("parent-path",),
            PATH,
            "directory of an earlier pre-dump, seen from the image path",
            "DIR",
        ),
    )


def _contents() -> tuple[Option, ...]:
    return (
        Option(("ext-unix-sk",), FLAG, "allow unix sockets that lead outside"),
        Option(("shell-job",), FLAG, "allow a terminal that was inherited"),
        Option(("file-locks",), FLAG, "allow file locks"),
    )


def _both() -> tuple[Option, ...]:
    return (
        Option(
            ("manage-cgroups-mode",),
            TEXT,
            "what CRIU does with cgroups; by default soft",
            "MODE",
            choices=("soft", "full", "strict", "ignore"),
            refusal="invalid manage-cgroups-mode value",
        ),
        Option(("empty-ns",), TEXTS, "namespace to restore empty: network", "NAMESPACE"),
        Option(("auto-dedup",), FLAG, "drop memory from the files that a later dump has"),
        Option(
            ("network-lock",),
            TEXT,
            "how CRIU holds TCP connections meanwhile",
            "METHOD",
            choices=("iptables", "nftables", "skip"),
            refusal="invalid network-lock value",
        ),
    )
