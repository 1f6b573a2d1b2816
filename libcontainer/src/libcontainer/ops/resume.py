"""resume: let the processes of a paused container go on."""

from __future__ import annotations

from libcgroups.manager import load_manager

from .. import _log
from ..errors import WrongStatus
from ..state import open_directory
from ..status import PAUSED, status_of


def resume(id: str, *, root: str) -> None:
    """Thaw the container's cgroup.

    Raises NoSuchContainer, WrongStatus unless it is paused, CgroupError.
    """
    with open_directory(root, id) as directory:
        saved = directory.load()
        status = status_of(saved, directory)
        if status != PAUSED:
            raise WrongStatus(id, status, "container not paused")
        load_manager(saved.cgroup).thaw()
        _log.debug(f"container {id} resumed")
