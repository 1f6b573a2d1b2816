"""What only Linux has.  runtime-spec: config-linux.md.

`resources` and `seccomp` are the records of the libraries that act on them.
"""

from __future__ import annotations

# Looked up here at run time by `from_json`, hence not below TYPE_CHECKING.
from libcgroups.resources import LinuxResources
from libseccomp.profile import LinuxSeccomp

from .._record import Record, i64, key, u32
from .idmapping import LinuxIDMapping


class LinuxNamespace(Record):
    """A namespace to make or, with a path, to join.  `linux.namespaces[]`."""

    type: str  # mount uts ipc network pid user cgroup time
    path: str | None = None  # absolute; None or empty: a new one


class LinuxTimeOffset(Record):
    """How far a clock of a new time namespace is ahead.  `linux.timeOffsets{}`."""

    secs: i64 = 0
    nanosecs: u32 = 0


class LinuxDevice(Record):
    """A device node to make.  `linux.devices[]`."""

    path: str  # in the container
    type: str  # c, u (the same), b, p
    major: i64 = 0
    minor: i64 = 0
    file_mode: u32 | None = None  # permission bits; None: 0666
    uid: u32 | None = None  # inside the container; None: 0
    gid: u32 | None = None


class LinuxNetDevice(Record):
    """A network device to move into the container.  `linux.netDevices{}`."""

    name: str | None = None  # inside; None keeps the name


class LinuxIntelRdt(Record):
    """Cache and memory bandwidth by resctrl.  `linux.intelRdt`."""

    clos_id: str | None = key("closID", default=None)
    l3_cache_schema: str | None = None
    mem_bw_schema: str | None = None
    schemata: tuple[str, ...] = ()
    enable_monitoring: bool = False


class LinuxMemoryPolicy(Record):
    """What set_mempolicy(2) gets.  `linux.memoryPolicy`."""

    mode: str  # MPOL_...
    nodes: str = ""  # list format, "0-3,7"
    flags: tuple[str, ...] = ()  # MPOL_F_...


class LinuxPersonality(Record):
    """What personality(2) gets.  `linux.personality`."""

    domain: str  # LINUX or LINUX32
    flags: tuple[str, ...] = ()  # none is defined


class Linux(Record):
    """`linux`."""

    namespaces: tuple[LinuxNamespace, ...] = ()
    uid_mappings: tuple[LinuxIDMapping, ...] = ()
    gid_mappings: tuple[LinuxIDMapping, ...] = ()
    time_offsets: dict[str, LinuxTimeOffset] | None = None
    devices: tuple[LinuxDevice, ...] = ()
    net_devices: dict[str, LinuxNetDevice] | None = None
    cgroups_path: str | None = None
    resources: LinuxResources | None = None
    rootfs_propagation: str | None = None
    masked_paths: tuple[str, ...] = ()
    readonly_paths: tuple[str, ...] = ()
    mount_label: str | None = None
    seccomp: LinuxSeccomp | None = None
    sysctl: dict[str, str] | None = None
    intel_rdt: LinuxIntelRdt | None = None
    memory_policy: LinuxMemoryPolicy | None = None
    personality: LinuxPersonality | None = None
