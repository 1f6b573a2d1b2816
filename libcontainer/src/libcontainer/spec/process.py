"""The process of a container, and of `exec --process`.  runtime-spec: config.md, "Process"."""

from __future__ import annotations

from .._record import Record, i32, key, u32, u64


class Box(Record):
    """The size of a terminal in characters.  `process.consoleSize`."""

    height: u64  # no more than 65535 for a terminal: the fields of the kernel's struct winsize
    width: u64


class User(Record):
    """Ids inside the container.  `process.user`."""

    uid: u32
    gid: u32
    umask: u32 | None = None  # None: 0022, as the other runtimes have it
    additional_gids: tuple[u32, ...] = ()


class LinuxCapabilities(Record):
    """Names of the five sets, `CAP_...`.  `process.capabilities`.  A set left out is empty."""

    bounding: tuple[str, ...] = ()
    effective: tuple[str, ...] = ()
    inheritable: tuple[str, ...] = ()
    permitted: tuple[str, ...] = ()
    ambient: tuple[str, ...] = ()


class POSIXRlimit(Record):
    """One limit for setrlimit(2).  `process.rlimits[]`.  2**64-1 is unlimited."""

    type: str  # RLIMIT_...
    hard: u64
    soft: u64


class LinuxIOPriority(Record):
    """What ioprio_set(2) gets.  `process.ioPriority`."""

    class_: str  # IOPRIO_CLASS_...
    priority: i32 = 0  # 0 (first) to 7


class Scheduler(Record):
    """What sched_setattr(2) gets.  `process.scheduler`."""

    policy: str  # SCHED_...
    nice: i32 = 0  # -20 to 19; OTHER and BATCH
    priority: i32 = 0  # 1 to 99; FIFO and RR
    flags: tuple[str, ...] = ()  # SCHED_FLAG_...
    runtime: u64 = 0  # nanoseconds, like the next two; DEADLINE
    deadline: u64 = 0
    period: u64 = 0


class CPUAffinity(Record):
    """CPU lists, "0-3,7", for processes of `exec`, never for init.  `process.execCPUAffinity`."""

    initial: str | None = None  # before the process enters the container's cgroup
    final: str | None = None  # after


class Process(Record):
    """What to run and as whom.  `process`."""

    cwd: str
    user: User = User(uid=0, gid=0)
    args: tuple[str, ...] = ()
    env: tuple[str, ...] = ()  # NAME=value
    terminal: bool = False
    console_size: Box | None = None
    capabilities: LinuxCapabilities | None = None  # None: five empty sets
    rlimits: tuple[POSIXRlimit, ...] = ()
    no_new_privileges: bool = False
    apparmor_profile: str | None = None
    selinux_label: str | None = None
    oom_score_adj: i32 | None = None  # None: not touched; 0 is written
    scheduler: Scheduler | None = None
    io_priority: LinuxIOPriority | None = None
    exec_cpu_affinity: CPUAffinity | None = key("execCPUAffinity", default=None)
