"""Rows and records of the commands that act on a container that is there.

Loaded when one of them is asked for: none is on the way of a container's creation.
"""

from __future__ import annotations

from ._record import Record, i64, u16
from .table import FLAG, INT, PATH, TEXT, U16, Argument, Command, Option


class PauseArgs(Record):
    """`pause`."""

    id: str


class ResumeArgs(Record):
    """`resume`."""

    id: str


class PsArgs(Record):
    """`ps`."""

    id: str
    options: tuple[str, ...] = ()  # of ps(1)
    format: str = "table"  # table, json


class UpdateArgs(Record):
    """`update`.  Text is as typed: a number, or a size like 512m; None and 0 change nothing."""

    id: str
    resources: str | None = None  # a file, - for stdin; goes before all but the two schemata
    blkio_weight: u16 | None = None
    cpu_period: str | None = None  # microseconds, as are the next four
    cpu_quota: str | None = None
    cpu_burst: str | None = None  # 0 counts
    cpu_rt_period: str | None = None
    cpu_rt_runtime: str | None = None
    cpu_share: str | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    cpu_idle: str | None = None  # 0 counts
    memory: str | None = None
    memory_reservation: str | None = None
    memory_swap: str | None = None  # memory and swap together
    kernel_memory: str | None = None  # without effect, as is the next
    kernel_memory_tcp: str | None = None
    pids_limit: i64 | None = None
    l3_cache_schema: str | None = None
    mem_bw_schema: str | None = None


class EventsArgs(Record):
    """`events`."""

    id: str
    interval: str = "5s"  # as typed: 500ms, 1m30s; digits alone are seconds
    stats: bool = False


class MountsArgs(Record):
    """`mounts`."""

    action: str  # add, remove
    id: str
    file: str  # - for stdin


def container(help: str = "the container's name") -> Argument:
    """Make the argument that names a container that is there."""
    return Argument("id", "ID", help, offers="containers")


def pause() -> Command:
    return Command(
        "pause",
        "stop all processes of a container where they are",
        "Freezes the container's cgroup, and returns when every process has stopped.",
        ("pause web1",),
        arguments=(container(),),
    )


def resume() -> Command:
    return Command(
        "resume",
        "let the processes of a paused container go on",
        "Thaws what pause has frozen.",
        ("resume web1",),
        arguments=(container(),),
    )


def ps() -> Command:
    return Command(
        "ps",
        "list the processes of a container",
        "Lists the processes by their pids on the host. What follows the id is given to ps(1),"
        " which then has to be there; its lines about other processes are left out.",
        ("ps web1", "ps --format json web1", "ps web1 -o pid,rss,args"),
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
        ),
        (
            container(),
            Argument("options", "OPTION", "options of ps(1)", required=False, many=True),
        ),
        options_stop=True,
    )


def update() -> Command:
    return Command(
        "update",
        "change the limits of a container",
        "Changes limits while the container is there. What is not given, empty or 0 stays as it is,"
        " but for 0 of --cpu-burst and --cpu-idle, which counts. Sizes are bytes, or have one of"
        " the units k, m, g, t. If a limit is refused, those that were changed before it get their"
        " old values back.",
        (
            "update --memory 512m --pids-limit 100 web1",
            "update --cpu-quota 50000 --cpu-period 100000 web1",
            "update --resources limits.json web1",
        ),
        (
            Option(
                ("resources", "r"),
                PATH,
                "take the limits from a file, a JSON object like linux.resources; - for stdin",
                "FILE",
            ),
            *_cpu_options(),
            *_memory_options(),
            Option(("blkio-weight",), U16, "weight for block I/O, 10 to 1000", "WEIGHT"),
            Option(("pids-limit",), INT, "how many processes; -1: no limit", "N"),
            Option(("l3-cache-schema",), TEXT, "Intel RDT: lines of the L3 cache", "SCHEMA"),
            Option(("mem-bw-schema",), TEXT, "Intel RDT: line of memory bandwidth", "SCHEMA"),
        ),
        (container(),),
    )


def _cpu_options() -> tuple[Option, ...]:
    return (
        Option(("cpu-share",), TEXT, "weight for CPU time, 2 to 262144", "N"),
        Option(("cpu-quota",), TEXT, "microseconds of CPU in a period; -1: no limit", "US"),
        Option(("cpu-period",), TEXT, "microseconds of a period", "US"),
        Option(("cpu-burst",), TEXT, "microseconds that may be saved up for later", "US"),
        Option(("cpu-idle",), TEXT, "1: only when nobody else wants the CPU", "0|1"),
        Option(("cpu-rt-runtime",), TEXT, "microseconds of real-time CPU in a period", "US"),
        Option(("cpu-rt-period",), TEXT, "microseconds of a real-time period", "US"),
        Option(("cpuset-cpus",), TEXT, "CPUs to run on, such as 0-3,7", "LIST"),
        Option(("cpuset-mems",), TEXT, "memory nodes to use, such as 0", "LIST"),
    )


def _memory_options() -> tuple[Option, ...]:
    return (
        Option(("memory",), TEXT, "limit of memory; -1: no limit", "SIZE"),
        Option(("memory-reservation",), TEXT, "soft limit of memory", "SIZE"),
        Option(("memory-swap",), TEXT, "limit of memory and swap together; -1: none", "SIZE"),
        Option(("kernel-memory",), TEXT, "ignored, kernels dropped it", "SIZE", hidden=True),
        Option(("kernel-memory-tcp",), TEXT, "ignored, kernels dropped it", "SIZE", hidden=True),
    )


def events() -> Command:
    return Command(
        "events",
        "show what a container uses, and when it runs out of memory",
        "Prints a JSON object on a line for each measurement and for each process that was killed"
        " for memory, until the container ends. On a terminal it shows a table instead.",
        ("events --interval 1s web1", "events --stats web1"),
        (
            Option(
                ("interval",),
                TEXT,
                "time between measurements, such as 500ms or 1m30s",
                "TIME",
                default="5s",
            ),
            Option(("stats",), FLAG, "measure once"),
        ),
        (container(),),
    )


def mounts() -> Command:
    return Command(
        "mounts",
        "mount something in a running container, or take it away",
        "Adds or removes mounts. The file holds a JSON array of mounts as in the configuration;"
        " to remove, only destination is read. If one cannot be added, none is.",
        ("mounts add web1 volumes.json", "mounts remove web1 volumes.json"),
        arguments=(
            Argument(
                "action",
                "ACTION",
                "what to do",
                choices=("add", "remove"),
                refusal="unknown command {}",
            ),
            container(),
            Argument("file", "FILE", "the mounts; - for stdin", offers="files"),
        ),
    )
