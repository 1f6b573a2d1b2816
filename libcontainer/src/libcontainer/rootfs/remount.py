"""Changing a mount that is there: the option `remount`."""

from __future__ import annotations

import errno
import posix

from .._record import u64
from ..kernel import constants as c
from ..step import Step
from . import resolve
from .attributes import set_attributes, set_exactly, set_propagation
from .filesystem import configure, explained

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel
    from .root import Rootfs


class Remount(Step):
    """Change the mount at `destination`, and its file system unless `bind`."""

    destination: str
    bind: bool = False
    change: bool = False  # whether any per-mount option was given
    set: u64 = 0
    clear: u64 = 0
    recursive_set: u64 = 0
    recursive_clear: u64 = 0
    superblock: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    propagation: tuple[str, ...] = ()

    def describe(self) -> str:
        """Name the mount."""
        return f"remount {self.destination}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """By the handle of whatever is mounted there now."""
        with rootfs.open(self.destination) as mount:
            if rootfs.is_root(posix.fstat(mount)):
                raise OSError(errno.EBUSY, "the root is remounted by root.readonly alone")
            if not self.bind and (self.superblock or self.data):
                self._reconfigure(mount, kernel)
            if self.change:
                set_exactly(kernel, mount, set=self.set, clear=self.clear)
            if self.recursive_set | self.recursive_clear:
                set_attributes(
                    kernel,
                    mount,
                    set=self.recursive_set,
                    clear=self.recursive_clear,
                    recursive=True,
                )
            set_propagation(kernel, mount, self.propagation)

    def _reconfigure(self, mount: int, kernel: Kernel) -> None:
        fs = kernel.fspick(mount)
        with resolve.Handle(fs):
            try:
                configure(kernel, fs, self.superblock, self.data)
                kernel.fsconfig_reconfigure(fs)
            except OSError as e:
                raise explained(e, fs) from e


def superblock_words(set_: int, clear: int) -> tuple[str, ...]:
    """Return what a remount also means for the file system: mount(2) makes no difference."""
    if set_ & c.MOUNT_ATTR_RDONLY:
        return ("ro",)
    return ("rw",) if clear & c.MOUNT_ATTR_RDONLY else ()
