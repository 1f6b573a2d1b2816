"""The container's root while it is built: the handles that the steps share."""

from __future__ import annotations

import posix

from ..kernel import constants as c
from . import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel


class Rootfs:
    """The root under construction.  Everything in it is reached through `fd`.

    The process's working directory must be the root folder when this is made: main changes into
    it before the clone, so that init has it in its own mount namespace, whatever the permissions
    on the way there.
    """

    def __init__(self, kernel: Kernel, path: str) -> None:
        self.kernel = kernel
        self.path = path  # on the host; for messages and hooks only
        self.fd = -1  # set by the step that mounts the root
        self.sources: dict[str, int] = {}  # bind sources, opened before the first mount
        self.mounts: dict[str, int] = {}  # handles of mounts that a later step comes back to
        self.mask: int | None = None  # an empty read-only directory, cloned for each mask
        self.null: int | None = None  # a clone of the host's /dev/null

    def open(self, path: str, *, flags: int = c.O_PATH) -> resolve.Handle:
        """Open something inside the root, for a `with`."""
        return resolve.Handle(resolve.open_path(self.kernel, self.fd, path, flags=flags))

    def target(self, path: str, *, directory: bool) -> resolve.Handle:
        """Open a mount point, made where missing, for a `with`."""
        fd = resolve.make_target(self.kernel, self.fd, path, directory=directory)
        return resolve.Handle(fd)

    def keep(self, path: str, mount: int) -> None:
        """Remember the newest mount at `path`."""
        if path in self.mounts:
            posix.close(self.mounts[path])
        self.mounts[path] = mount
