"""CPU time: shares, bandwidth, realtime.

Kernel: Documentation/scheduler/sched-bwc.rst, sched-rt-group.rst.
"""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxCPU, LinuxResources


def writes(resources: LinuxResources, directory: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    cpu = resources.cpu
    if cpu is None:
        return
    # Realtime first: a realtime process cannot join a cgroup without budget.
    if cpu.realtime_period:
        yield Write("cpu.rt_period_us", str(cpu.realtime_period), postponable=True)
    if cpu.realtime_runtime:
        yield Write("cpu.rt_runtime_us", str(cpu.realtime_runtime))
    # Before the shares: an idle cgroup's cannot be changed (EINVAL).
    if cpu.idle is not None:
        yield Write("cpu.idle", str(cpu.idle))
    if cpu.idle != 1:
        yield from _shares(cpu, directory)
    # Each is checked against the others in force, so any may be refused until another is written.
    if cpu.period:
        yield Write("cpu.cfs_period_us", str(cpu.period), postponable=True)
    if cpu.burst is not None:
        yield Write("cpu.cfs_burst_us", str(cpu.burst), postponable=True)
    if cpu.quota:
        yield Write("cpu.cfs_quota_us", str(cpu.quota), postponable=True)


def _shares(cpu: LinuxCPU, directory: Directory) -> Iterator[Write]:
    if not cpu.shares:
        return
    yield Write("cpu.shares", str(cpu.shares))
    if not 2 <= cpu.shares <= 262144:
        # The kernel moves it into the range without a word.
        from ..errors import CgroupError

        limit = int(directory.read("cpu.shares"))
        side = "minimum" if cpu.shares < limit else "maximum"
        raise CgroupError(f"the {side} allowed cpu-shares is {limit}")
