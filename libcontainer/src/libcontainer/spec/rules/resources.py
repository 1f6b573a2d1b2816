"""Rules for `linux.resources` that hold on every host.  Which controllers there are, and which
version of cgroups, is known to libcgroups.
"""

from __future__ import annotations

from .apart import apart
from .words import is_list_format, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from libcgroups.resources import LinuxResources

_UNTOUCHED = 2**64 - 1  # of swappiness: how -1 arrives from engines that keep it unsigned
_WEIGHTS = range(10, 1001)


def faults(resources: LinuxResources, path: str) -> Iterator[str]:
    """Yield what is wrong with the object at `path`; `update` has it at `$`."""
    return apart(
        _devices(resources, f"{path}.devices"),
        _memory(resources, f"{path}.memory"),
        _cpu(resources, f"{path}.cpu"),
        _block_io(resources, f"{path}.blockIO"),
        _hugepages(resources, f"{path}.hugepageLimits"),
        _rdma(resources, f"{path}.rdma"),
        _unified(resources, f"{path}.unified"),
    )


def _hugepages(resources: LinuxResources, path: str) -> Iterator[str]:
    for i, limit in enumerate(resources.hugepage_limits or ()):
        if not _is_page_size(limit.page_size):
            yield f"{path}[{i}].pageSize: not a size, got {quote(limit.page_size)}"


def _rdma(resources: LinuxResources, path: str) -> Iterator[str]:
    for device, limits in (resources.rdma or {}).items():
        if limits.hca_handles is None and limits.hca_objects is None:
            yield f"{path}[{quote(device)}]: no limit given"


def _unified(resources: LinuxResources, path: str) -> Iterator[str]:
    for name in resources.unified or ():
        # Below the cgroup's own folder, and in it.
        if "/" in name or "." not in name.strip("."):
            yield f"{path}[{quote(name)}]: not the name of a control file"


def _devices(resources: LinuxResources, path: str) -> Iterator[str]:
    for i, rule in enumerate(resources.devices or ()):
        if rule.type not in (None, "", "a", "b", "c"):
            yield f"{path}[{i}].type: invalid cgroup device type"
        if not rule.access:
            yield f"{path}: device access at {i} field cannot be empty"
        elif rule.access.strip("rwm"):
            yield f"{path}[{i}].access: only r, w and m, got {quote(rule.access)}"
        for key, number in (("major", rule.major), ("minor", rule.minor)):
            if number is not None and not -1 <= number < 2**32:
                yield f"{path}[{i}].{key}: must be -1 or a device number, got {number}"


def _memory(resources: LinuxResources, path: str) -> Iterator[str]:
    if (memory := resources.memory) is None:
        return
    swappiness = memory.swappiness
    if swappiness is not None and swappiness > 100 and swappiness != _UNTOUCHED:
        yield f"invalid memory swappiness value: {swappiness} (valid range is 0-100)"
    for key, limit in (
        ("limit", memory.limit),
        ("swap", memory.swap),
        ("reservation", memory.reservation),
    ):
        if limit is not None and limit < -1:
            yield f"{path}.{key}: must be -1 or a number of bytes, got {limit}"
    # `swap` is memory and swap together.  One without the other is judged by the manager: on v1
    # the memory limit may already be there.
    if memory.limit and memory.swap and 0 < memory.swap < memory.limit:
        yield "memory+swap limit should be >= memory limit"


def _cpu(resources: LinuxResources, path: str) -> Iterator[str]:
    if (cpu := resources.cpu) is None:
        return
    for key, text in (("cpus", cpu.cpus), ("mems", cpu.mems)):
        if text and not is_list_format(text):
            yield f"{path}.{key}: not a list, got {quote(text)}"
    if cpu.idle not in (None, 0, 1):
        yield f"{path}.idle: must be 0 or 1, got {cpu.idle}"


def _block_io(resources: LinuxResources, path: str) -> Iterator[str]:
    if (block_io := resources.block_io) is None:
        return
    weights = [
        (f"{path}.weight", block_io.weight),
        (f"{path}.leafWeight", block_io.leaf_weight),
    ]
    for i, device in enumerate(block_io.weight_device or ()):
        weights.append((f"{path}.weightDevice[{i}].weight", device.weight))
        weights.append((f"{path}.weightDevice[{i}].leafWeight", device.leaf_weight))
    for where, weight in weights:
        if weight and weight not in _WEIGHTS:
            yield f"{where}: must be between 10 and 1000, got {weight}"


def _is_page_size(text: str) -> bool:
    number = text[:-2]
    return (
        text[-2:] in ("KB", "MB", "GB")
        and number.isascii()
        and number.isdecimal()
        and number[0] != "0"
    )
