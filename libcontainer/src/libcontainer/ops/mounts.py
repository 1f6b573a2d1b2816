"""mounts: add mounts to a running container, or take them away."""

from __future__ import annotations

import errno
import posix

from .. import _log, codec
from .._record import BadDocument, faults
from ..errors import SpecError, StepFailed, WrongStatus
from ..identity import open_pidfd
from ..plan.mounts import added_step
from ..rootfs.elsewhere import Elsewhere, RootInUse, is_ours
from ..spec.linux import Linux
from ..spec.load import load_spec
from ..spec.mounts import Mount
from ..spec.rules import mounts as rules
from ..state import SavedState, open_directory
from ..status import RUNNING, status_of
from ..step import apply_all, prepare_all, reason
from .kill import NOT_RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self

    from ..spec.document import Spec
    from ..step import Step

_SHARED = "unable to mount without a private MNT namespace"


def add_mounts(id: str, text: str, *, root: str) -> None:
    """Add the mounts of a JSON array, in order; if one fails, take away those before it.

    They are not kept: exec sees them, a checkpoint does not.  Raises SpecError, NoSuchContainer,
    WrongStatus, StepFailed.
    """
    mounts = _mounts(text)
    saved, spec = _running(id, root)
    _refuse(rules.faults(spec.replace(mounts=mounts), "$"))
    linux = spec.linux or Linux()
    steps = [added_step(mount, linux, saved.bundle) for mount in mounts]
    with _Inside(saved, spec) as inside:
        done: list[int] = []
        try:
            for step in steps:
                done += inside.add(step)
        except BaseException:
            for fd in reversed(done):
                inside.take_back(fd)
            raise
        finally:
            for fd in done:
                posix.close(fd)


def remove_mounts(id: str, text: str, *, root: str) -> None:
    """Remove what is mounted on the destinations of a JSON array, in order.

    The root, /proc and what masks or protects a path are not taken away.  Raises SpecError,
    NoSuchContainer, WrongStatus, StepFailed.
    """
    mounts = _mounts(text)
    saved, spec = _running(id, root)
    _refuse(rules.destination_faults(spec.replace(mounts=mounts), "$"))
    with _Inside(saved, spec) as inside:
        for mount in mounts:
            inside.remove(mount.destination)


def _mounts(text: str) -> tuple[Mount, ...]:
    try:
        values = codec.loads(text)
    except codec.BadJSON as e:
        raise SpecError(e.faults) from None
    if not isinstance(values, list):
        raise SpecError(("mounts must be an array",))
    return tuple([_mount(value, at) for at, value in enumerate(values)])


def _mount(value: Any, at: int) -> Mount:
    try:
        return Mount.from_json(value)
    except BadDocument:
        lines = [f"$[{at}]{line[1:]}" for line in faults(Mount, value)]
        raise SpecError(tuple(lines)) from None


def _running(id: str, root: str) -> tuple[SavedState, Spec]:
    """Return what is kept of a container that runs: its state, and its document."""
    with open_directory(root, id) as directory:
        saved = directory.load()
        status = status_of(saved, directory)
        if status != RUNNING:
            raise WrongStatus(id, status, NOT_RUNNING)
        return saved, load_spec(directory.document())


def _refuse(found: Iterator[str]) -> None:
    if lines := tuple(found):
        raise SpecError(lines)


class _Inside:
    """A running container's root and mount namespace, held open."""

    def __init__(self, saved: SavedState, spec: Spec) -> None:
        linux = spec.linux or Linux()
        self._covered = (*linux.masked_paths, *linux.readonly_paths)
        try:
            path = f"/proc/{saved.pid}/ns/mnt"
            self._namespace = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        except FileNotFoundError:
            raise WrongStatus(saved.id, "stopped", NOT_RUNNING) from None
        try:
            self._check(saved)
            self.kernel = Elsewhere(self._namespace)
            self.rootfs = RootInUse(self.kernel, saved.rootfs)
        except BaseException:
            posix.close(self._namespace)
            raise

    def _check(self, saved: SavedState) -> None:
        """Refuse a namespace that is no longer init's, and one that is ours."""
        pidfd = open_pidfd(saved.pid, saved.start_time)
        if pidfd is None:
            raise WrongStatus(saved.id, "stopped", NOT_RUNNING)
        posix.close(pidfd)
        if is_ours(self._namespace):
            # By what it is, not by what the document says: a path may lead to the host's own.
            raise SpecError((_SHARED,))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.rootfs.close()
        posix.close(self._namespace)

    def add(self, step: Step) -> tuple[int, ...]:
        """Do the step; return a handle of what is mounted, if that is what it does.

        The handle is the mount's own: by now its path may lead to another.  Raises StepFailed.
        """
        prepare_all((step,), self.rootfs, self.kernel)
        apply_all((step,), self.rootfs, self.kernel)
        made = tuple(self.rootfs.mounts.values())
        self.rootfs.mounts.clear()
        return made

    def take_back(self, fd: int) -> None:
        """Detach a mount that was added.  Best effort: the first error is the one to tell."""
        try:
            self.kernel.detach(fd)
        except OSError as e:
            _log.warning(f"after the failure: {e.strerror}")

    def remove(self, destination: str) -> None:
        """Detach what is mounted there.  Raises StepFailed."""
        try:
            with self.rootfs.open(destination) as fd:
                self._judge(fd)
                self.kernel.detach(fd)
        except OSError as e:
            raise StepFailed(f"unmount {destination}", e.errno, reason(e)) from e

    def _judge(self, fd: int) -> None:
        """Refuse what create has mounted to confine the container, wherever links have led."""
        place = self.rootfs.place(fd)
        if place == "/":
            raise PermissionError(errno.EPERM, "the root stays mounted")
        if rules.refused_destination(place, place, "", procfs=False) is not None:
            raise PermissionError(errno.EPERM, "what is mounted in /proc stays mounted")
        for path in self._covered:
            try:
                with self.rootfs.open(path) as covered:
                    inner = self.rootfs.place(covered)
            except (FileNotFoundError, NotADirectoryError):
                continue  # nothing is there to uncover
            if (inner + "/").startswith(place + "/"):
                raise PermissionError(errno.EPERM, f"it would uncover {path}")
