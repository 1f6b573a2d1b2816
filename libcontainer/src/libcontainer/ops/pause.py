"""pause: stop every process of a container where it is."""

from __future__ import annotations

import posix

from libcgroups.errors import CgroupError
from libcgroups.manager import load_manager

from .. import _log
from ..errors import WrongStatus
from ..state import open_directory
from ..status import CREATED, RUNNING, status_of
from .kill import NOT_RUNNING


def pause(id: str, *, root: str) -> None:
    """Freeze the container's cgroup; return when all its processes stand.

    Raises NoSuchContainer, WrongStatus unless it is running or created, CgroupError.
    """
    with open_directory(root, id) as directory:
        saved = directory.load()
        status = status_of(saved, directory)
        if status not in (RUNNING, CREATED):
            raise WrongStatus(id, status, NOT_RUNNING)
        try:
            load_manager(saved.cgroup).freeze()
        except CgroupError:
            if posix.geteuid() != 0:
                _log.warning("pause failure might be caused by lack of full access to cgroups")
            raise
        _log.debug(f"container {id} paused")
