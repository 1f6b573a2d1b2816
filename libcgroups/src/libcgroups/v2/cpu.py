"""CPU time.  Kernel: Documentation/admin-guide/cgroup-v2.rst, "CPU Interface Files"."""

from __future__ import annotations

from ..files import Directory, Write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..resources import LinuxCPU, LinuxResources

DEFAULT_PERIOD = 100000  # microseconds


def writes(resources: LinuxResources, directory: Directory) -> Iterator[Write]:
    """Return what to write below the cgroup, in order."""
    cpu = resources.cpu
    if cpu is None:
        return
    if cpu.realtime_runtime or cpu.realtime_period:
        from .._log import warning

        warning("realtime limits are ignored: cgroup v2 has none")
    # An idle cgroup refuses a weight (EINVAL).
    if cpu.idle is not None:
        yield Write("cpu.idle", str(cpu.idle))
    if cpu.shares and cpu.idle != 1:
        yield Write("cpu.weight", str(weight(cpu.shares)))
    # burst <= quota at all times: whichever way it goes, one of the two is refused at first.
    if cpu.burst is not None:
        yield Write("cpu.max.burst", str(cpu.burst), postponable=True)
    if cpu.quota or cpu.period:
        yield Write("cpu.max", bandwidth(cpu, directory), postponable=True)


def bandwidth(cpu: LinuxCPU, directory: Directory) -> str:
    """Return the line for `cpu.max`: what is not given stays as it is."""
    quota, period = "max", str(cpu.period or DEFAULT_PERIOD)
    if cpu.quota:
        quota = str(cpu.quota) if cpu.quota > 0 else "max"
    if not (cpu.quota and cpu.period) and (now := directory.find("cpu.max")):
        old_quota, _, old_period = now.partition(" ")
        quota = quota if cpu.quota else old_quota
        period = period if cpu.period else old_period or period
    return f"{quota} {period}"


def weight(shares: int) -> int:
    """Convert v1's shares (2 to 262144, default 1024) to a weight (1 to 10000, default 100).

    A curve through the ends and the defaults of both scales; the straight line that older
    runtimes used gave 39 for 1024.
    """
    if shares <= 2:
        return 1
    if shares >= 262144:
        return 10000
    import math

    log = math.log2(shares)
    return math.ceil(10 ** ((log * log + 125 * log) / 612 - 7 / 34))
