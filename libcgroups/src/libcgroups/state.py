"""Where a container's cgroup is, for whoever comes later, and whether it is frozen.

Most commands on a container ask no more than that, so this needs no manager.
"""

from __future__ import annotations

import posix

from ._record import Record

ROOT = "/sys/fs/cgroup"


class CgroupState(Record):
    """Where a container's cgroup is.

    The rules of `cgroupsPath` depend on the caller's own cgroup, so they are followed once.
    """

    manager: str  # "v1", "v2", "systemd" or "disabled"
    paths: dict[str, str]  # hierarchy to directory; "" is the v2 one
    root: str = ROOT
    unit: str | None = None  # systemd only, as are the rest
    slice: str | None = None
    user: bool = False  # owned by the user's systemd
    sub: str = ""  # cgroup below the unit's own


def is_frozen(paths: dict[str, str]) -> bool:
    """Tell whether the cgroup itself was frozen (not a parent).  Not, if it is gone.

    Raises ControlFileError.  Kernel: `freezer.self_freezing` of v1 (`freezer.state` says FROZEN
    below a frozen parent, too), `cgroup.freeze` of v2.
    """
    # Beside v1's hierarchies the v2 one has no say: hybrid freezes by v1.
    file = f"{paths['']}/cgroup.freeze" if list(paths) == [""] else None
    for name, path in paths.items():
        if "freezer" in name.split(","):
            file = f"{path}/freezer.self_freezing"
    if file is None:
        return False
    try:
        fd = posix.open(file, posix.O_RDONLY | posix.O_CLOEXEC | posix.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    except OSError as e:
        from .errors import ControlFileError  # rare
        from .files import ABSENT

        if e.errno in ABSENT:
            return False
        raise ControlFileError(file, None, e.errno or 0) from e
    try:
        return posix.read(fd, 16) == b"1\n"
    except OSError:
        return False  # removed meanwhile
    finally:
        posix.close(fd)
