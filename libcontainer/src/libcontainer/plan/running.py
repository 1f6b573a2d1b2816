"""What the plan of a tenant must know of a container that runs: looked at once, then data."""

from __future__ import annotations

import posix

from libcgroups.files import read_text

from ..capabilities import bounding_set
from ..idmap import in_user_namespace, maps_root
from ..namespaces import KINDS
from .tenant import TenantHost

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..spec.linux import Linux
    from ..spec.process import Process


def probe_container(pid: int, process: Process, linux: Linux | None) -> TenantHost:
    """Look at a container's init, and at what of it is not the runtime's own.

    The host is looked at as far as the tenant's process asks for it.  Raises OSError, among
    others FileNotFoundError when the process has gone.
    """
    namespaces = 0
    for flag, name in KINDS.values():
        # By what they are, not by what the document says: a path may lead to the runtime's own,
        # which setns refuses (a user namespace) or gains nothing from.
        if _inode(f"/proc/{pid}/ns/{name}") != _inode(f"/proc/self/ns/{name}"):
            namespaces |= flag
    bounding = bounding_set()
    last, mapped = bounding.bit_length() - 1, True
    if namespaces & KINDS["user"][0]:
        last = int(read_text("/proc/sys/kernel/cap_last_cap"))
        mapped = maps_root(read_text(f"/proc/{pid}/uid_map")) and maps_root(
            read_text(f"/proc/{pid}/gid_map")
        )
    return TenantHost(
        true_root=posix.geteuid() == 0 and not in_user_namespace(read_text("/proc/self/uid_map")),
        bounding=bounding,
        last_capability=last,
        namespaces=namespaces,
        root_mapped=mapped,
        setgroups=read_text(f"/proc/{pid}/setgroups").strip() != "deny",
        **_rare(process, linux),
    )


def _rare(process: Process, linux: Linux | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if process.apparmor_profile or process.selinux_label:
        from ..lsm import probe

        lsm = probe()
        found |= {"apparmor": lsm.apparmor, "confined": lsm.confined, "selinux": lsm.selinux}
    if linux is not None and linux.intel_rdt is not None:
        from .. import mountinfo, rdt

        found["resctrl"] = rdt.mount_point(mountinfo.read())
    return found


def _inode(path: str) -> int:
    """Return the identity of a namespace; all of them are files of one file system."""
    return posix.stat(path).st_ino
