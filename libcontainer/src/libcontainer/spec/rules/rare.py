"""Rules for what few documents have: clocks, network devices, RDT, memory policy, personality."""

from __future__ import annotations

from .apart import apart
from .words import count_listed, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..linux import Linux, LinuxNetDevice

CLOCKS = ("boottime", "monotonic")
_LAST_NANOSECOND = 999_999_999
_LONGEST_INTERFACE = 15  # bytes; IFNAMSIZ with its NUL, include/uapi/linux/if.h

# include/uapi/linux/mempolicy.h
MEMORY_MODES = {
    "MPOL_DEFAULT": 0,
    "MPOL_PREFERRED": 1,
    "MPOL_BIND": 2,
    "MPOL_INTERLEAVE": 3,
    "MPOL_LOCAL": 4,
    "MPOL_PREFERRED_MANY": 5,
    "MPOL_WEIGHTED_INTERLEAVE": 6,
}
MEMORY_FLAGS = {
    "MPOL_F_NUMA_BALANCING": 1 << 13,
    "MPOL_F_RELATIVE_NODES": 1 << 14,
    "MPOL_F_STATIC_NODES": 1 << 15,
}
_WITHOUT_NODES = ("MPOL_DEFAULT", "MPOL_LOCAL")
_WITH_NODES = ("MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE")

# include/uapi/linux/personality.h
DOMAINS = {"LINUX": 0x0, "LINUX32": 0x8}


def faults(linux: Linux) -> Iterator[str]:
    """Yield what is wrong with those objects."""
    return apart(
        _time_offsets(linux),
        _net_devices(linux),
        _intel_rdt(linux),
        _memory_policy(linux, "$.linux.memoryPolicy"),
        _personality(linux),
    )


def _time_offsets(linux: Linux) -> Iterator[str]:
    path = "$.linux.timeOffsets"
    if not linux.time_offsets:
        return
    found = [namespace for namespace in linux.namespaces if namespace.type == "time"]
    if not found:
        yield ("time namespace offsets specified, but time namespace isn't enabled in the config")
    elif found[0].path:
        yield (
            "time namespace enabled, but both namespace path and time offsets specified"
            " -- you may only provide one"
        )
    for clock, offset in linux.time_offsets.items():
        if clock not in CLOCKS:
            yield f"{path}[{quote(clock)}]: unknown clock"
        if offset.nanosecs > _LAST_NANOSECOND:
            yield f"{path}[{quote(clock)}].nanosecs: must be below 1000000000"


def _personality(linux: Linux) -> Iterator[str]:
    if linux.personality is not None and linux.personality.domain not in DOMAINS:
        yield f"$.linux.personality.domain: unknown, got {quote(linux.personality.domain)}"


def _net_devices(linux: Linux) -> Iterator[str]:
    devices = linux.net_devices or {}
    if devices and not any([n.type == "network" for n in linux.namespaces]):
        yield "unable to move network devices without a NET namespace"
    yield from apart(*[_net_device(name, device) for name, device in devices.items()])
    targets = [device.name or name for name, device in devices.items()]
    for target in dict.fromkeys(targets):
        # The kernel fills in another number for each %d.
        if "%d" not in target and targets.count(target) > 1:
            yield f"$.linux.netDevices: more than one device is to be called {quote(target)}"


def _net_device(name: str, device: LinuxNetDevice) -> Iterator[str]:
    for given in (name, device.name):
        # None and empty keep the name; the kernel fills in a number for %d.
        if given is name or given:
            if not is_interface_name(given or ""):
                yield f"invalid network device name {quote(given or '')}"


def is_interface_name(name: str) -> bool:
    """Tell whether the kernel takes the name.  Kernel: net/core/dev.c, dev_valid_name."""
    return (
        0 < len(name.encode()) <= _LONGEST_INTERFACE
        and name not in (".", "..")
        and not any([c in "/:" or c.isspace() for c in name])
    )


def _intel_rdt(linux: Linux) -> Iterator[str]:
    path, rdt = "$.linux.intelRdt", linux.intel_rdt
    if rdt is None:
        return
    group = rdt.clos_id
    if group is not None and group != "/" and (group in ("", ".", "..") or "/" in group):
        yield "invalid intelRdt.ClosID"
    if "\n" in (rdt.l3_cache_schema or ""):
        yield f"{path}.l3CacheSchema: more than one line"
    bandwidth = rdt.mem_bw_schema
    if bandwidth and (not bandwidth.startswith("MB:") or "\n" in bandwidth):
        yield f"{path}.memBwSchema: must be one line that starts with MB:"
    for i, line in enumerate(rdt.schemata):
        if "\n" in line:
            yield f"{path}.schemata[{i}]: more than one line"


def _memory_policy(linux: Linux, path: str) -> Iterator[str]:
    policy = linux.memory_policy
    if policy is None:
        return
    if policy.mode not in MEMORY_MODES:
        yield f"invalid memory policy mode {quote(policy.mode)}"
    for i, flag in enumerate(policy.flags):
        if flag not in MEMORY_FLAGS:
            yield f"{path}.flags[{i}]: unknown, got {quote(flag)}"
    if {"MPOL_F_STATIC_NODES", "MPOL_F_RELATIVE_NODES"} <= set(policy.flags):
        yield f"{path}.flags: static and relative nodes exclude each other"
    if "MPOL_F_NUMA_BALANCING" in policy.flags and policy.mode != "MPOL_BIND":
        yield f"{path}.flags: MPOL_F_NUMA_BALANCING is only for MPOL_BIND"
    count = count_listed(policy.nodes) if policy.nodes.strip() else 0
    if count is None:
        yield f"{path}.nodes: not a list of nodes below 65536, got {quote(policy.nodes)}"
    elif count and policy.mode in _WITHOUT_NODES:
        yield f"memory policy mode requires 0 nodes but got {count}"
    elif not count and policy.mode in _WITH_NODES:
        yield "memory policy mode requires at least one node but got 0"
