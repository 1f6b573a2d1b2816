"""Controllers and cgroup types on the way down the v2 tree."""

from __future__ import annotations

import posix
from errno import EOPNOTSUPP

from .. import files
from ..errors import CgroupError, ControlFileError
from ..files import Directory


def hand_down(mount: str, inside: str) -> None:
    """Enable all that is available in every cgroup above `inside`, as far as the kernel lets us.

    A refusal is no error here: whether the controller is needed is known when a limit is
    written, and that error says what is missing.
    """
    path = mount
    for part in inside.split("/")[1:]:
        directory = Directory(path)
        available = (directory.find("cgroup.controllers") or "").split()
        enabled = (directory.find("cgroup.subtree_control") or "").split()
        if missing := [name for name in available if name not in enabled]:
            _enable(directory, missing)
        path = f"{path}/{part}"


def _enable(directory: Directory, names: list[str]) -> None:
    try:
        directory.write("cgroup.subtree_control", " ".join([f"+{name}" for name in names]))
        return
    except ControlFileError:
        if len(names) == 1:
            return
    for name in names:  # all or nothing in one write: the others may go
        _enable(directory, [name])


def settle_type(directory: Directory, *, needs_domain: bool) -> None:
    """Make a new cgroup usable that the kernel calls invalid: below a threaded one it must be
    threaded itself, and then cannot have limits that count per process.
    """
    if directory.find("cgroup.type") != "domain invalid":
        return
    if needs_domain:
        raise CgroupError(
            f"cannot use {directory.path}: its parent is threaded, and a threaded cgroup has no "
            "memory, io, hugetlb or rdma limits"
        )
    directory.write("cgroup.type", "threaded")


def why_missing(root: str, path: str, controller: str) -> str | None:
    """Say in which cgroup above `path` the controller ends; None if it does not."""
    if controller in (Directory(path).find("cgroup.controllers") or "").split():
        return None
    above = root
    for part in path.removeprefix(root).strip("/").split("/"):
        directory = Directory(above)
        name = above.removeprefix(root) or "/"
        if controller not in (directory.find("cgroup.controllers") or "").split():
            return f"the cgroup v2 controller {controller} is not available in {name}"
        if controller not in (directory.find("cgroup.subtree_control") or "").split():
            return (
                f"the cgroup v2 controller {controller} is not delegated by {name} "
                f"(systemd: Delegate={controller} for its unit; "
                f'else write "+{controller}" to {above}/cgroup.subtree_control)'
            )
        above = f"{above}/{part}"
    return None


def pids(path: str, *, recursive: bool) -> tuple[int, ...]:
    """Return the processes; those of a threaded cgroup are only listed as threads."""
    found: tuple[int, ...] = ()
    for file in ("cgroup.procs", "cgroup.threads"):
        try:
            found = tuple([int(line) for line in files.read_text(f"{path}/{file}").split()])
            break
        except OSError as e:
            if e.errno != EOPNOTSUPP:
                break
    if recursive:
        for child in files.children(path):
            found += pids(child, recursive=True)
    return found


def chown(path: str, uid: int) -> None:
    """Give a cgroup to a user, who may then make cgroups below and move processes among them.

    The directory and the files that the kernel lists for that; its limits stay the host's.
    """
    try:
        names = files.read_text("/sys/kernel/cgroup/delegate").split()
    except OSError:
        names = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"]
    for target in [path] + [f"{path}/{name}" for name in names]:
        try:
            posix.chown(target, uid, -1, follow_symlinks=False)
        except FileNotFoundError:
            continue
        except OSError as e:
            raise ControlFileError(target, None, e.errno or 0, "", "chown") from e
