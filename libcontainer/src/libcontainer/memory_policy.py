"""Which memory nodes a process takes its pages from: `linux.memoryPolicy`.  set_mempolicy(2)."""

from __future__ import annotations

from .adjustments import list_mask
from .spec.rules.rare import MEMORY_FLAGS, MEMORY_MODES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spec.linux import LinuxMemoryPolicy


def policy_call(policy: LinuxMemoryPolicy) -> tuple[int, int | str, int]:
    """Return what set_mempolicy(2) gets, written as the last mile's list does: mode, mask, bits.

    The nodes must lie in the cpuset's, so the process is in its cgroup by then.
    """
    mode = MEMORY_MODES[policy.mode]
    for name in policy.flags:
        mode |= MEMORY_FLAGS[name]
    nodes = policy.nodes.strip()
    if not nodes:
        return mode, 0, 0
    mask = list_mask(nodes)
    # The kernel takes one bit less than it is told (mm/mempolicy.c, get_nodes).
    return mode, "hex:" + mask.hex(), len(mask) * 8 + 1
