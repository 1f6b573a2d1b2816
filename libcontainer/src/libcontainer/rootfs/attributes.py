"""Changing a mount by its handle: attributes and propagation.  mount_setattr(2)."""

from __future__ import annotations

import errno
import posix
import time

from ..kernel import constants as c
from .options import attribute_words, propagation_flag

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel

# Given a bind with any per-mount option, these are cleared unless asked for (runc's rule): what a
# mount allows is then read in the document, not inherited from wherever its source lives.
_CLEARED = (
    c.MOUNT_ATTR_RDONLY
    | c.MOUNT_ATTR_NOSUID
    | c.MOUNT_ATTR_NODEV
    | c.MOUNT_ATTR_NOEXEC
    | c.MOUNT_ATTR_NODIRATIME
    | c.MOUNT_ATTR_NOSYMFOLLOW
)
# statfs(2) has numbers of its own for the same flags.
_SHOWN = (
    (posix.ST_RDONLY, c.MOUNT_ATTR_RDONLY),
    (posix.ST_NOSUID, c.MOUNT_ATTR_NOSUID),
    (posix.ST_NODEV, c.MOUNT_ATTR_NODEV),
    (posix.ST_NOEXEC, c.MOUNT_ATTR_NOEXEC),
    (posix.ST_NODIRATIME, c.MOUNT_ATTR_NODIRATIME),
    (c.ST_NOSYMFOLLOW, c.MOUNT_ATTR_NOSYMFOLLOW),
)


def set_attributes(kernel: Kernel, mount: int, *, set: int, clear: int, recursive: bool) -> None:
    """Change a mount's attributes; wait out a writer that is just about to leave (EBUSY)."""
    for wait in (0.1, 0.1, 0.1, 0.1, None):
        try:
            kernel.mount_setattr(mount, set=set, clear=clear, recursive=recursive)
            return
        except OSError as e:
            if e.errno != errno.EBUSY or wait is None:
                raise
        time.sleep(wait)


def set_exactly(kernel: Kernel, mount: int, *, set: int, clear: int) -> None:
    """Give a mount the attributes of `set` and no others.

    In a user namespace what the host has set is locked, and stays: unless the document itself
    asks to clear it, which is an error.
    """
    try:
        set_attributes(kernel, mount, set=set, clear=clear | (_CLEARED & ~set), recursive=False)
        return
    except PermissionError:
        pass
    try:
        set_attributes(kernel, mount, set=set, clear=clear, recursive=False)
    except PermissionError as e:
        locked = attribute_words(clear & attributes_of(mount), 0)
        what = (
            f"cannot clear locked flags {locked}" if locked else "cannot change locked atime flags"
        )
        raise OSError(e.errno, f"{e.strerror}: {what}") from e


def attributes_of(mount: int) -> int:
    """Return the attributes that a mount has, access times aside."""
    shown = posix.fstatvfs(mount).f_flag
    return sum([attribute for flag, attribute in _SHOWN if shown & flag])


def set_propagation(kernel: Kernel, mount: int, words: tuple[str, ...]) -> None:
    """Set propagation, word by word: the kernel takes one in a call."""
    for word in words:
        flag, whole_tree = propagation_flag(word)
        kernel.mount_setattr(mount, propagation=flag, recursive=whole_tree)
