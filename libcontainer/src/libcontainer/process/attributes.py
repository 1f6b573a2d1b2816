"""Where a process inside a container writes its labels: the container's own procfs."""

from __future__ import annotations

import errno
import posix

from ..errors import InitFailed
from ..kernel import constants as c
from ..rootfs import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel

_PROC_ROOT = 1  # inode of a procfs's root; include/linux/proc_fs.h, PROC_ROOT_INO


def open_procfs(kernel: Kernel, root: int) -> int:
    """Return a handle of the procfs that is at /proc below `root`.

    What the image has at /proc may be anything (CVE-2019-16884), so it is judged by the
    kernel's own number.  Raises InitFailed.
    """
    rule = resolve.IN_ROOT | c.RESOLVE_NO_SYMLINKS
    flags = c.O_PATH | posix.O_DIRECTORY
    try:
        fd = resolve.open_path(kernel, root, "/proc", flags=flags, resolve=rule)
    except OSError as e:
        raise InitFailed("label", e.errno, f"open /proc in the container: {e}") from e
    if kernel.file_system(fd) == c.PROC_SUPER_MAGIC and posix.fstat(fd).st_ino == _PROC_ROOT:
        return fd
    posix.close(fd)
    text = "a label needs a procfs at /proc in the container"
    raise InitFailed("label", errno.ENODEV, text)
