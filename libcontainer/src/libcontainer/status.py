"""What a container is doing, asked of the kernel."""

from __future__ import annotations

import posix

from libcgroups.state import is_frozen

from . import identity
from .state import OCI_VERSION, SavedState, StateDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

CREATING, CREATED, RUNNING, PAUSED, STOPPED = "creating", "created", "running", "paused", "stopped"


def status_of(saved: SavedState, directory: StateDirectory) -> str:
    """Return creating, created, running, paused or stopped.

    A process that has died but is not reaped counts as stopped.
    """
    if saved.status == CREATING:
        # Whoever creates it holds the lock.  Nobody does: the creator was killed, and what it may
        # have left of init ends at the end of its pipe.
        return CREATING if directory.is_locked() else STOPPED
    if not identity.is_alive(saved.pid, saved.start_time):
        return STOPPED
    if is_frozen(saved.cgroup.paths):
        return PAUSED
    fifo = directory.open_fifo()
    if fifo is None:
        return RUNNING
    posix.close(fifo)
    return CREATED


def document(saved: SavedState, status: str) -> dict[str, Any]:
    """Return the state document in runc's keys and order.  runtime-spec: runtime.md, "State"."""
    found: dict[str, Any] = {
        "ociVersion": saved.oci_version or OCI_VERSION,
        "id": saved.id,
        "pid": 0 if status == STOPPED else saved.pid,
        "status": status,
        "bundle": saved.bundle,
        "rootfs": saved.rootfs,
        "created": saved.created,
    }
    if saved.annotations:
        found["annotations"] = saved.annotations
    if saved.cgroup.unit:
        found["systemd-scope"] = saved.cgroup.unit
    found["owner"] = owner_name(saved.owner)
    return found


def hook_document(saved: SavedState, status: str) -> str:
    """Return the document that a hook reads: without pid when there is none any more."""
    from . import codec

    found: dict[str, Any] = {
        "ociVersion": saved.oci_version,
        "id": saved.id,
        "status": status,
        "bundle": saved.bundle,
    }
    if status != STOPPED:
        found["pid"] = saved.pid
    if saved.annotations:
        found["annotations"] = saved.annotations
    return codec.dumps(found)


def owner_name(uid: int) -> str:
    """Return the name of a user of the host, `#uid` for one without."""
    if uid == 0:
        return "root"
    import pwd  # may load whatever nsswitch.conf names

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
