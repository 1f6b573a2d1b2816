"""ps: which processes a container has."""

from __future__ import annotations

from libcgroups.manager import load_manager

from ..errors import ContainerError
from ..state import open_directory
from ..status import CREATING


def ps(id: str, *, root: str) -> tuple[int, ...]:
    """Return the pids, in the caller's pid namespace, of all processes in the container's cgroup.

    None of one that has stopped.  Raises NoSuchContainer, and ContainerError for a container
    that has no cgroup: nobody knows then which processes are its.
    """
    with open_directory(root, id) as directory:
        saved = directory.load()
    if saved.status == CREATING:
        return ()
    manager = load_manager(saved.cgroup)
    if not manager.paths:
        raise ContainerError("the container is not using cgroups")
    return tuple(sorted(manager.pids()))
