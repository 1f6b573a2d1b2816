"""Limits as unit properties.

Limits are given twice, as properties and as files: systemd writes its own idea of every property
back into the files, at `daemon-reload` for example, and what it has no property for it leaves
alone.  Values are 64 bit numbers, all ones for "no limit".
"""

from __future__ import annotations

from ..devices import ANY, access_letters, resolve
from ..errors import CgroupError
from ..files import Directory
from ..lists import bit_mask
from ..v2.cpu import DEFAULT_PERIOD, bandwidth, weight
from ..v2.memory import swap_alone

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..resources import LinuxCPU, LinuxDeviceCgroup, LinuxMemory, LinuxResources
    from .annotations import Property

INFINITY = 2**64 - 1
_QUOTA_STEP = 10_000  # microseconds: systemd keeps whole percents


def v2_properties(resources: LinuxResources, directory: Directory) -> list[Property]:
    """Return the properties for a unified host.  `directory` tells what an update leaves out."""
    found: list[Property] = []
    if resources.pids is not None and resources.pids.limit is not None:
        found.append(_tasks(resources.pids.limit))
    if (memory := resources.memory) is not None:
        found += _memory(memory)
    if (cpu := resources.cpu) is not None:
        if cpu.idle == 1:
            found.append(("CPUWeight", "t", 0))  # systemd 252
        elif cpu.shares:
            found.append(("CPUWeight", "t", weight(cpu.shares)))
        if cpu.quota or cpu.period:
            found += _bandwidth(bandwidth(cpu, directory))
        found += _cpuset(cpu)
    if resources.devices is not None:
        found += _devices(resources.devices)
    overrides = list(_unified(resources.unified or {}))
    names = [name for name, _, _ in overrides]
    return [item for item in found if item[0] not in names] + overrides


def v1_properties(resources: LinuxResources, directory: Directory) -> list[Property]:
    """Return the properties for a v1 or hybrid host; `directory` is that of cpu."""
    found: list[Property] = []
    if resources.pids is not None and resources.pids.limit is not None:
        found.append(_tasks(resources.pids.limit))
    if resources.memory is not None and resources.memory.limit:
        found.append(("MemoryLimit", "t", _number(resources.memory.limit)))
    if (cpu := resources.cpu) is not None:
        if cpu.shares:
            found.append(("CPUShares", "t", cpu.shares))
        if cpu.quota:
            period = cpu.period or directory.find("cpu.cfs_period_us") or DEFAULT_PERIOD
            found += _bandwidth(f"{cpu.quota if cpu.quota > 0 else 'max'} {period}")
        found += _cpuset(cpu)
    if resources.block_io is not None and resources.block_io.weight:
        found.append(("BlockIOWeight", "t", resources.block_io.weight))
    if resources.devices is not None:
        found += _devices(resources.devices)
    return found


def _number(value: int) -> int:
    return INFINITY if value == -1 else value


def _tasks(limit: int) -> Property:
    return "TasksMax", "t", INFINITY if limit < 0 else limit or 1


def _memory(memory: LinuxMemory) -> Iterator[Property]:
    if memory.limit:
        yield "MemoryMax", "t", _number(memory.limit)
    if memory.reservation:
        yield "MemoryLow", "t", _number(memory.reservation)
    if (swap := swap_alone(memory)) is not None:
        yield "MemorySwapMax", "t", _number(swap)


def _bandwidth(line: str) -> Iterator[Property]:
    """Turn the text of `cpu.max` into CPU time per second."""
    quota, _, period = line.partition(" ")
    per_second = INFINITY
    if quota != "max":
        steps = int(quota) * 1_000_000 / int(period or DEFAULT_PERIOD) / _QUOTA_STEP
        per_second = -int(-steps // 1) * _QUOTA_STEP
    yield "CPUQuotaPerSecUSec", "t", per_second
    yield "CPUQuotaPeriodUSec", "t", int(period or DEFAULT_PERIOD)


def _cpuset(cpu: LinuxCPU) -> Iterator[Property]:
    if cpu.cpus:
        yield "AllowedCPUs", "ay", bit_mask(cpu.cpus)
    if cpu.mems:
        yield "AllowedMemoryNodes", "ay", bit_mask(cpu.mems)


def _devices(rules: Iterable[LinuxDeviceCgroup]) -> Iterator[Property]:
    access = resolve(rules)
    entries = []
    for (kind, major, minor), letters in sorted(access.exceptions.items()):
        group = "char" if kind == "c" else "block"
        if minor != ANY and major != ANY:
            entries.append((f"/dev/{group}/{major}:{minor}", access_letters(letters)))
        elif minor == ANY:
            entries.append((f"{group}-{'*' if major == ANY else major}", access_letters(letters)))
    # "Everything but" cannot be said here; then our own program alone decides.
    yield "DevicePolicy", "s", "auto" if access.allow else "strict"
    yield "DeviceAllow", "a(ss)", []  # an empty list forgets what was there
    if not access.allow:
        yield "DeviceAllow", "a(ss)", entries


_UNIFIED_BYTES = {
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.max": "MemoryMax",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "memory.zswap.max": "MemoryZSwapMax",
    "pids.max": "TasksMax",
}


def _unified(unified: dict[str, str]) -> Iterator[Property]:
    for key, text in unified.items():
        value = text.strip()
        try:
            if key in _UNIFIED_BYTES:
                yield _UNIFIED_BYTES[key], "t", INFINITY if value == "max" else int(value)
            elif key == "cpu.max":
                yield from _bandwidth(value)
            elif key == "cpu.weight":
                yield "CPUWeight", "t", int(value)
            elif key == "cpu.idle" and value == "1":
                yield "CPUWeight", "t", 0
            elif key == "cpuset.cpus":
                yield "AllowedCPUs", "ay", bit_mask(value)
            elif key == "cpuset.mems":
                yield "AllowedMemoryNodes", "ay", bit_mask(value)
        except ValueError:
            raise CgroupError(f"unified resource {key!r}: cannot read {text!r}") from None


def oom_policy(resources: LinuxResources) -> list[Property]:
    """Return what `memory.oom.group` means to systemd, which it takes only at the start."""
    group = (resources.unified or {}).get("memory.oom.group", "").strip()
    policy = {"0": "continue", "1": "kill"}.get(group)
    return [] if policy is None else [("OOMPolicy", "s", policy)]
