"""What to limit: the records of the runtime-spec's `linux.resources`.

The names are the spec's, the attributes its keys in snake_case.  None is "not given" and leaves
the kernel's value alone; what a zero means is said where it is not the same.
"""

from __future__ import annotations

from ._record import Record, i64, key, u16, u32, u64


class LinuxDeviceCgroup(Record):
    """One rule about device nodes; a later rule overrides an earlier one."""

    allow: bool
    type: str | None = None  # "a" (the default), "b" or "c"
    major: i64 | None = None  # None and -1 are any
    minor: i64 | None = None
    access: str | None = None  # letters of "rwm"


class LinuxMemory(Record):
    """Memory limits in bytes; -1 is unlimited, 0 is not given."""

    limit: i64 | None = None
    reservation: i64 | None = None  # soft limit; v2: memory.low
    swap: i64 | None = None  # memory *and* swap together, on v2 as well
    kernel: i64 | None = None  # ignored, with a warning: kernels have dropped it
    kernel_tcp: i64 | None = key("kernelTCP", default=None)
    swappiness: u64 | None = None  # 0 to 100; v1 only
    disable_oom_killer: bool | None = key("disableOOMKiller", default=None)  # v1 only
    use_hierarchy: bool | None = None  # v1 only
    check_before_update: bool | None = None  # v2: refuse a limit below what is in use


class LinuxCPU(Record):
    """CPU limits; 0 is not given, except for burst and idle."""

    shares: u64 | None = None  # 2 to 262144
    quota: i64 | None = None  # microseconds of CPU per period; negative is unlimited
    burst: u64 | None = None  # microseconds that may be saved up; at most quota
    period: u64 | None = None  # microseconds; kernel default 100000
    realtime_runtime: i64 | None = None  # microseconds; v1 only
    realtime_period: u64 | None = None  # microseconds; v1 only
    cpus: str | None = None  # list format, "0-3,7"
    mems: str | None = None  # the same for memory nodes
    idle: i64 | None = None  # 1 = SCHED_IDLE for the whole cgroup; Linux 5.15


class LinuxWeightDevice(Record):
    """Weight of one block device."""

    major: i64
    minor: i64
    weight: u16 | None = None  # 10 to 1000
    leaf_weight: u16 | None = None  # v1 only


class LinuxThrottleDevice(Record):
    """Rate limit of one block device."""

    major: i64
    minor: i64
    rate: u64  # bytes or operations per second; 0 removes the limit


class LinuxBlockIO(Record):
    """Block I/O weights and rate limits."""

    weight: u16 | None = None  # 10 to 1000; 0 is not given
    leaf_weight: u16 | None = None  # v1 only
    weight_device: tuple[LinuxWeightDevice, ...] | None = None
    throttle_read_bps_device: tuple[LinuxThrottleDevice, ...] | None = None
    throttle_write_bps_device: tuple[LinuxThrottleDevice, ...] | None = None
    throttle_read_iops_device: tuple[LinuxThrottleDevice, ...] | None = key(
        "throttleReadIOPSDevice", default=None
    )
    throttle_write_iops_device: tuple[LinuxThrottleDevice, ...] | None = key(
        "throttleWriteIOPSDevice", default=None
    )


class LinuxPids(Record):
    """How many tasks: negative is unlimited, 0 is written as 1."""

    limit: i64 | None = None


class LinuxHugepageLimit(Record):
    """Limit of one size of huge pages."""

    page_size: str  # "2MB", "1GB", "64KB"
    limit: u64  # bytes


class LinuxInterfacePriority(Record):
    """Priority of the traffic that leaves by one interface."""

    name: str
    priority: u32


class LinuxNetwork(Record):
    """Marks on network traffic; v1 only."""

    class_id: u32 | None = key("classID", default=None)
    priorities: tuple[LinuxInterfacePriority, ...] | None = None


class LinuxRdma(Record):
    """Limits of one RDMA device; at least one is given."""

    hca_handles: u32 | None = None
    hca_objects: u32 | None = None


class LinuxResources(Record):
    """All limits of a cgroup.  runtime-spec: `linux.resources`.

    `devices`: None leaves device access as it is; any list, even an empty one, denies all that
    it does not allow, except what every container needs (`libcgroups.devices.DEFAULT_RULES`).
    """

    devices: tuple[LinuxDeviceCgroup, ...] | None = None
    memory: LinuxMemory | None = None
    cpu: LinuxCPU | None = None
    pids: LinuxPids | None = None
    block_io: LinuxBlockIO | None = key("blockIO", default=None)
    hugepage_limits: tuple[LinuxHugepageLimit, ...] | None = None
    network: LinuxNetwork | None = None
    rdma: dict[str, LinuxRdma] | None = None
    unified: dict[str, str] | None = None  # v2 only: control file to text, written last
