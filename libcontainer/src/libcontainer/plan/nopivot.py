"""What must go when there is no pivot_root: the host's own proc and sysfs mounts."""

from __future__ import annotations

import posix


def kernel_mounts() -> tuple[str, ...]:
    """Return where a whole proc or sysfs is mounted here, innermost first."""
    fd = posix.open("/proc/self/mountinfo", posix.O_RDONLY | posix.O_CLOEXEC)
    text = b""
    try:
        while part := posix.read(fd, 1 << 16):
            text += part
    finally:
        posix.close(fd)
    return parse(text.decode("utf-8", "surrogateescape"))


def parse(mountinfo: str) -> tuple[str, ...]:
    """Return them from the text.  proc_pid_mountinfo(5)."""
    found = []
    for line in mountinfo.splitlines():
        mount, _, system = line.partition(" - ")
        _, _, _, root, place, *_ = mount.split(" ")
        if root == "/" and system.partition(" ")[0] in ("proc", "sysfs"):
            # Blanks and the like are written as three octal digits.
            first, *rest = place.split("\\")
            found.append(first + "".join([chr(int(p[:3], 8)) + p[3:] for p in rest]))
    return tuple(reversed(found))


def is_below(path: str, folder: str) -> bool:
    """Whether a path is in a folder, as text."""
    return path == folder or path.startswith(folder.rstrip("/") + "/")
