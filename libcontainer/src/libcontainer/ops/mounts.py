"""mounts: add mounts to a running container, or take them away."""

from __future__ import annotations

import posix

from .. import _log, codec
from .._record import BadDocument, faults
from ..errors import SpecError, StepFailed, WrongStatus
from ..identity import open_pidfd
from ..kernel import constants as c
from ..plan.mounts import added_step
from ..rootfs.bind import BindMount
from ..rootfs.elsewhere import Elsewhere
from ..rootfs.resolve import Handle
from ..rootfs.root import Rootfs
from ..spec.mounts import Mount
from ..state import SavedState, open_directory
from ..status import RUNNING, status_of
from .kill import NOT_RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from ..step import Step


def add_mounts(id: str, text: str, *, root: str) -> None:
    """Add the mounts of a JSON array, in order; if one fails, take away those before it.

    They are not kept: exec sees them, a checkpoint does not.  Raises SpecError, NoSuchContainer,
    WrongStatus, StepFailed.
    """
    steps = [added_step(mount) for mount in _mounts(text)]
    with _Inside(id, root) as inside:
        done: list[int] = []
        try:
            for step in steps:
                done.append(inside.add(step))
        except BaseException:
            for fd in reversed(done):
                inside.take_back(fd)
            raise
        finally:
            for fd in done:
                posix.close(fd)


def remove_mounts(id: str, text: str, *, root: str) -> None:
    """Remove what is mounted on the destinations of a JSON array, in order.

    Raises SpecError, NoSuchContainer, WrongStatus, StepFailed.
    """
    destinations = [mount.destination for mount in _mounts(text)]
    with _Inside(id, root) as inside:
        for destination in destinations:
            inside.remove(destination)


def _mounts(text: str) -> list[Mount]:
    try:
        values = codec.loads(text)
    except codec.BadJSON as e:
        raise SpecError(e.faults) from None
    if not isinstance(values, list):
        raise SpecError(("mounts must be an array",))
    return [_mount(value, at) for at, value in enumerate(values)]


def _mount(value: Any, at: int) -> Mount:
    try:
        mount = Mount.from_json(value)
    except BadDocument:
        lines = [f"$[{at}]{line[1:]}" for line in faults(Mount, value)]
        raise SpecError(tuple(lines)) from None
    if not mount.destination.strip("/"):
        raise SpecError((f"$[{at}].destination: empty",))
    return mount


class _Inside:
    """A running container's root and mount namespace, held open."""

    def __init__(self, id: str, root: str) -> None:
        with open_directory(root, id) as directory:
            saved = directory.load()
            status = status_of(saved, directory)
        if status != RUNNING:
            raise WrongStatus(id, status, NOT_RUNNING)
        self.fds: list[int] = []
        self._open(saved)
        self.kernel = Elsewhere(self.fds[1])
        self.rootfs = Rootfs(self.kernel, posix.readlink(f"/proc/self/fd/{self.fds[0]}"))
        self.rootfs.fd = self.fds[0]

    def _open(self, saved: SavedState) -> None:
        """Open root and namespace of init; compared after, so that they are no other's."""
        flags = c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC
        try:
            self.fds.append(posix.open(f"/proc/{saved.pid}/root", flags))
            namespace = f"/proc/{saved.pid}/ns/mnt"
            self.fds.append(posix.open(namespace, posix.O_RDONLY | posix.O_CLOEXEC))
        except FileNotFoundError:
            raise WrongStatus(saved.id, "stopped", NOT_RUNNING) from None
        pidfd = open_pidfd(saved.pid, saved.start_time)
        if pidfd is None:
            raise WrongStatus(saved.id, "stopped", NOT_RUNNING)
        posix.close(pidfd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for fd in self.fds:
            posix.close(fd)

    def add(self, step: Step) -> int:
        """Do the step; return a descriptor of what is mounted.  Raises StepFailed."""
        destination: str = step.destination  # type: ignore[attr-defined]
        try:
            if isinstance(step, BindMount):
                step.prepare(self.rootfs, self.kernel)
            step.apply(self.rootfs, self.kernel)
            return self._open_mounted(destination)
        except OSError as e:
            why = (e.strerror or str(e)).lower()
            raise StepFailed(step.describe(), e.errno, why) from e

    def take_back(self, fd: int) -> None:
        """Detach a mount that was added.  Best effort: the first error is the one to tell."""
        try:
            self.kernel.detach(fd)
        except OSError as e:
            _log.warning(f"after the failure: {e.strerror}")

    def remove(self, destination: str) -> None:
        """Detach what is mounted there.  Raises StepFailed."""
        try:
            with Handle(self._open_mounted(destination)) as fd:
                self.kernel.detach(fd)
        except OSError as e:
            why = (e.strerror or str(e)).lower()
            raise StepFailed(f"unmount {destination}", e.errno, why) from e

    def _open_mounted(self, destination: str) -> int:
        with self.rootfs.open(destination) as fd:
            return posix.dup(fd)
