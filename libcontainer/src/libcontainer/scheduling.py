"""Who gets the CPU and the disk first: `process.scheduler` and `process.ioPriority`.

Set by main, by pid: a process under SCHED_DEADLINE may not fork any more, and real-time policies
take CAP_SYS_NICE on the host.
"""

from __future__ import annotations

import errno
from struct import pack

from ._record import i32, u64
from .adjustments import Adjustment
from .spec.rules.scheduling import FLAGS, IO_CLASSES, POLICIES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .kernel import Kernel
    from .spec.process import Process

_REAL_TIME = (POLICIES["SCHED_FIFO"], POLICIES["SCHED_RR"])
_SIZE = 56  # bytes of struct sched_attr with the clamps, which stay 0; Linux 5.3


class SchedulerPolicy(Adjustment):
    """What sched_setattr(2) gets.  include/uapi/linux/sched/types.h, struct sched_attr."""

    policy: i32
    flags: u64 = 0
    nice: i32 = 0
    priority: i32 = 0
    runtime: u64 = 0  # nanoseconds, like the next two
    deadline: u64 = 0
    period: u64 = 0
    cpuset: bool = False  # the container is limited to some CPUs
    real_time: bool = False  # it has a share of the time for real-time policies

    def describe(self) -> str:
        """Name the policy."""
        names = {number: name for name, number in POLICIES.items()}
        return f"set the scheduler to {names.get(self.policy, self.policy)}"

    def apply(self, pid: int, kernel: Kernel) -> None:
        """Set policy and parameters in one call."""
        times = (self.runtime, self.deadline, self.period)
        values = (_SIZE, self.policy, self.flags, self.nice, self.priority, *times, 0, 0)
        kernel.sched_setattr(pid, pack("<IIQiIQQQII", *values))

    def refusal(self, code: int) -> str:
        """Say why the kernel may have refused what looks right."""
        text = super().refusal(code)
        if code != errno.EPERM:
            return text
        if self.policy in _REAL_TIME and not self.real_time:
            text += " (on cgroup v1 it needs resources.cpu.realtimeRuntime)"
        elif self.cpuset:
            # A deadline is promised for all CPUs of its root domain or for none.
            text += " (a scheduler cannot be set together with resources.cpu.cpus)"
        return text


class IoPriority(Adjustment):
    """What ioprio_set(2) gets, for the process alone."""

    class_: i32  # IOPRIO_CLASS_
    priority: i32  # 0 (first) to 7

    def describe(self) -> str:
        """Name class and level."""
        names = {number: name for name, number in IO_CLASSES.items()}
        return f"set the I/O priority to {names.get(self.class_, self.class_)} {self.priority}"

    def apply(self, pid: int, kernel: Kernel) -> None:
        """Set it."""
        kernel.ioprio_set(pid, self.class_, self.priority)


def scheduling(process: Process, *, cpuset: bool, real_time: bool) -> list[Adjustment]:
    """Return what a process asks for, in the order in which it must be set.

    `cpuset` and `real_time` tell whether its cgroup is limited to some CPUs, and has a share of
    the time for real-time policies: what a refusal is explained by.
    """
    found: list[Adjustment] = []
    if (io := process.io_priority) is not None:
        found.append(IoPriority(IO_CLASSES[io.class_], io.priority))
    if (asked := process.scheduler) is not None:
        flags = 0
        for name in asked.flags:
            flags |= FLAGS[name]
        # The last of all: under SCHED_DEADLINE even the affinity may not be changed any more.
        found.append(
            SchedulerPolicy(
                policy=POLICIES[asked.policy],
                flags=flags,
                nice=asked.nice,
                priority=asked.priority,
                runtime=asked.runtime,
                deadline=asked.deadline,
                period=asked.period,
                cpuset=cpuset,
                real_time=real_time,
            )
        )
    return found
