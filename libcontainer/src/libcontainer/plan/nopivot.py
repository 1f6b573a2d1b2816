"""What must go when there is no pivot_root: the host's own proc and sysfs mounts."""

from __future__ import annotations

from .. import mountinfo


def kernel_mounts() -> tuple[str, ...]:
    """Return where a whole proc or sysfs is mounted here, innermost first.  Raises OSError."""
    return parse(mountinfo.read())


def parse(text: str) -> tuple[str, ...]:
    """Return them from a text like /proc/self/mountinfo."""
    mounts = mountinfo.parse(text)
    found = [p for root, p, kind, _ in mounts if root == "/" and kind in ("proc", "sysfs")]
    return tuple(reversed(found))


def is_below(path: str, folder: str) -> bool:
    """Whether a path is in a folder, as text."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
