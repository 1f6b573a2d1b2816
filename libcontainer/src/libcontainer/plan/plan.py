"""The plan: everything that will be done, as frozen data.

Made from the document by `make_plan`; after that nobody reads the document.  Its written form is
JSON, like every record's.
"""

from __future__ import annotations

from libcgroups.resources import LinuxResources
from libseccomp.profile import LinuxSeccomp

from .._record import Record, i32, i64, u32
from ..adjustments import Adjustment
from ..idmap import Mapping
from ..namespaces import Namespaces
from ..spec.hooks import Hooks
from ..step import Step
from .lastmile import Entry, Payload
from .process import Command, Terminal


class Plan(Record):
    """A container as it will be made."""

    id: str
    bundle: str
    rootfs: str  # absolute, on the host
    namespaces: Namespaces
    mapping: Mapping | None  # of a new user namespace
    become_uid: u32 | None  # what init becomes in its new user namespace; None: nothing
    become_gid: u32 | None
    setup: tuple[Step, ...]  # before the first mount
    build: tuple[Step, ...]  # mounts and devices
    finish: tuple[Step, ...]  # after the hooks
    command: Command
    executor: str | None  # the name of what runs in place of the command's program
    payload: Payload
    labels: tuple[Entry, ...]  # of the list: what writes the labels of the next exec
    inherited: tuple[Entry, ...]  # of the list: what the payload keeps over its exec
    umask: u32
    adjustments: tuple[Adjustment, ...]  # by main, between `R` and `g`
    oom_score_adj: i32 | None
    oom_score_optional: bool  # refusals are expected: the runtime is itself in a user namespace
    delegate: str | None  # a cgroup below the container's, where init is moved to
    delegate_uid: u32  # its owner: the host's uid of the container's root
    early: LinuxResources | None  # limits before the hooks
    late: LinuxResources | None  # cpu bandwidth and memory: after Python has left the cgroup
    net_devices: dict[str, str]  # to move in: name on the host, name inside
    hooks: Hooks | None
    meet: bool  # init waits for main after the mounts: there are hooks, or a device was mounted
    seccomp: LinuxSeccomp | None
    seccomp_strict: bool  # a name that nobody knows is an error
    terminal: Terminal | None
    pivot: bool
    hidden: tuple[str, ...]  # mounts of the host to take away where there is no pivot
    propagation: i64 | None  # of `/`, after the pivot
    preserve_fds: u32
    annotations: dict[str, str]
