"""Mounting in a container that runs: made here, attached there.

A mount can only be attached by a process of the mount namespace that it goes to (move_mount(2)
says EINVAL to others), and only opened by path where that path leads to it.  So everything is
opened and made in the caller's namespaces, and a child that does nothing else joins the
container's for the one call.  It runs none of the container's code, and finds /proc by a
descriptor, for the container's own may be anything.
"""

from __future__ import annotations

import posix

from ..kernel import constants as c
from ..kernel.linux import LinuxKernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_UNKNOWN = 255  # a failure without an errno


class Elsewhere(LinuxKernel):
    """The kernel, with mounts attached and detached in another mount namespace."""

    def __init__(self, namespace: int) -> None:
        super().__init__()
        self.namespace = namespace  # a descriptor of the mount namespace

    def move_mount(self, mount: int, target: int, path: str = "") -> None:
        """Attach a detached mount there."""

        def attach() -> None:
            LinuxKernel.move_mount(self, mount, target, path)

        self._there("move_mount", attach)

    def detach(self, fd: int) -> None:
        """Detach the mount that `fd` is on there, and all below it."""
        proc = posix.open("/proc/self/fd", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)

        def umount() -> None:
            posix.fchdir(proc)
            self.umount2(str(fd), c.MNT_DETACH)

        try:
            self._there("umount", umount)
        finally:
            posix.close(proc)

    def _there(self, call: str, act: Callable[[], None]) -> None:
        pid = posix.fork()
        if pid == 0:
            try:
                self.setns(self.namespace, c.CLONE_NEWNS, "mnt")
                act()
                posix._exit(0)
            except OSError as e:
                posix._exit(e.errno or _UNKNOWN)
            finally:
                posix._exit(_UNKNOWN)
        status = posix.waitstatus_to_exitcode(posix.waitpid(pid, 0)[1])
        if status:
            code = status if 0 < status < _UNKNOWN else 0
            raise OSError(code, f"{call}: {posix.strerror(code).lower()}")
