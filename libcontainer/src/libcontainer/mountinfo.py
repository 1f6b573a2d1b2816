"""The mounts that a process sees, as the kernel lists them.  proc_pid_mountinfo(5)."""

from __future__ import annotations

import posix


def read() -> str:
    """Return the caller's own list.  Raises OSError."""
    text = b""
    fd = posix.open("/proc/self/mountinfo", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        while part := posix.read(fd, 1 << 16):
            text += part
    finally:
        posix.close(fd)
    return text.decode("utf-8", "surrogateescape")


def parse(mountinfo: str) -> list[tuple[str, str, str, str]]:
    """Return root, mount point, type and the file system's options of each mount, in order."""
    found = []
    # Not splitlines(): the kernel escapes no form feed, so that a line may hold one.
    for line in mountinfo.split("\n")[:-1]:
        mount, _, system = line.partition(" - ")
        _, _, _, root, place, *_ = mount.split(" ")
        kind, _, options = system.split(" ", 2)
        found.append((_plain(root), _plain(place), kind, options))
    return found


def _plain(path: str) -> str:
    # Blanks, line ends, # and backslashes are written as three octal digits.
    first, *parts = path.split("\\")
    return first + "".join([chr(int(part[:3], 8)) + part[3:] for part in parts])
