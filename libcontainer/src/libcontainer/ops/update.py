"""update: change a container's limits while it is there."""

from __future__ import annotations

import posix

from libcgroups.errors import CgroupError
from libcgroups.manager import load_manager
from libcgroups.resources import LinuxResources

from .. import _log, codec
from ..errors import ContainerError, SpecError, WrongStatus
from ..limits import changed, merged, undoing
from ..spec.load import load_spec
from ..spec.rules.resources import faults
from ..state import DamagedState, SavedState, StateDirectory, open_directory
from ..status import CREATING, STOPPED, status_of
from .kill import NOT_RUNNING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from libcgroups.protocol import CgroupManager

    from ..rdt import Rdt


def update(
    id: str,
    changes: LinuxResources,
    *,
    root: str,
    l3_cache_schema: str | None = None,
    mem_bw_schema: str | None = None,
) -> None:
    """Set the limits that `changes` gives; keep them, so that the next update builds on them.

    What is None or zero stays as it is, device rules always do.  If one limit is refused, those
    set before it get their old values back.  The schemata are lines for the container's group of
    resctrl.  Raises NoSuchContainer, WrongStatus, SpecError, DamagedState, ContainerError,
    CgroupError.
    """
    if wrong := tuple(faults(changes.replace(devices=None), "$")):
        raise SpecError(wrong)
    with open_directory(root, id) as directory:
        _check(directory)  # before the lock, which a create may hold for long
        directory.lock()  # two updates at once would each build on the same old limits
        saved = _check(directory)
        rdt = None
        if l3_cache_schema or mem_bw_schema:
            rdt = _rdt(saved, directory, l3_cache_schema, mem_bw_schema)
        old = limits_in_force(saved, directory)
        new = merged(old, changes)
        manager = load_manager(saved.cgroup)
        wanted = changed(new, changes, unified="" in manager.paths and len(manager.paths) == 1)
        back = undoing(old, wanted)
        _log.debug(f"limits to write for container {id}: {codec.dumps(wanted.to_json())}")
        _apply(manager, wanted, back)
        try:
            directory.keep_resources(codec.dumps(new.to_json()))
        except BaseException:
            _set_back(manager, back)  # the next update would build on what is not in force
            raise
        if rdt is not None:
            rdt.change()


def _rdt(
    saved: SavedState, directory: StateDirectory, cache: str | None, bandwidth: str | None
) -> Rdt:
    """Return the container's group with new lines.  Raises ContainerError in runc's words."""
    from .. import mountinfo  # rare
    from ..rdt import mount_point, plan_rdt

    mount = mount_point(mountinfo.read())
    for given, folder, text in (
        (cache, "L3", "Intel RDT/CAT: l3 cache schema is not enabled"),
        (bandwidth, "MB", "Intel RDT/MBA: memory bandwidth schema is not enabled"),
    ):
        if given and not (mount and posix.access(f"{mount}/info/{folder}", posix.F_OK)):
            raise ContainerError(text)
    linux = load_spec(directory.document()).linux
    if linux is None or linux.intel_rdt is None:
        text = "updating a non-existent Intel RDT configuration is not supported"
        raise ContainerError(text)
    wanted = linux.intel_rdt.replace(l3_cache_schema=cache, mem_bw_schema=bandwidth, schemata=())
    return plan_rdt(wanted, saved.id, mount)


def _check(directory: StateDirectory) -> SavedState:
    saved = directory.load()
    status = status_of(saved, directory)
    if status in (STOPPED, CREATING):
        raise WrongStatus(saved.id, status, NOT_RUNNING)
    return saved


def limits_in_force(saved: SavedState, directory: StateDirectory) -> LinuxResources:
    """Return the limits as the last update left them, or as the document gave them.

    Raises DamagedState where the former does not read.
    """
    text = directory.resources()
    if text is not None:
        return _read_limits(text, f"{directory.path}/resources.json")
    linux = load_spec(directory.document()).linux
    return (linux.resources if linux else None) or LinuxResources()


def _read_limits(text: str, path: str) -> LinuxResources:
    """Return what an update has kept in the file at `path`.  Raises DamagedState."""
    try:
        value = codec.loads(text)
    except codec.BadJSON as e:
        raise DamagedState(path, str(e)) from None
    try:
        return LinuxResources.from_json(value)
    except ValueError as e:
        from libcgroups._record import faults as shape_faults  # only for a file that is damaged

        raise DamagedState(path, "; ".join(shape_faults(LinuxResources, value))) from e


def _apply(manager: CgroupManager, wanted: LinuxResources, back: LinuxResources) -> None:
    try:
        manager.apply(wanted)
    except CgroupError:
        _set_back(manager, back)
        raise


def _set_back(manager: CgroupManager, back: LinuxResources) -> None:
    try:
        manager.apply(back)
    except CgroupError as e:
        _log.warning(f"unable to set back limits: {e}")
