"""Unit names, and where systemd puts their cgroups."""

from __future__ import annotations

from ..errors import CgroupError
from ..paths import clean


class UnitName:
    """A unit, the slice that it is in, and its cgroup below the manager's."""

    __slots__ = ("name", "slice")

    def __init__(self, name: str, slice_: str) -> None:
        self.name = name
        self.slice = slice_

    @property
    def cgroup(self) -> str:
        return f"{expand_slice(self.slice)}/{self.name}"


def parse_path(path: str | None, container_id: str, *, user: bool) -> UnitName:
    """Read the spec's `cgroupsPath` in systemd's form, `slice:prefix:name`."""
    slice_, prefix, name = "", "pyoci", container_id
    if path:
        parts = path.split(":")
        if len(parts) != 3:
            raise CgroupError(
                'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, '
                f'got "{path}" instead'
            )
        slice_, prefix, name = parts
    slice_ = slice_ or ("user.slice" if user else "system.slice")
    expand_slice(slice_)
    unit = (
        name if name.endswith(".slice") else f"{prefix}-{name}.scope" if prefix else f"{name}.scope"
    )
    if "/" in unit or "\0" in unit:
        raise CgroupError(f"invalid unit name {unit!r}")
    return UnitName(unit, slice_)


def expand_slice(name: str) -> str:
    """Return the cgroup of a slice: a dash goes one level down.  "" is the top."""
    if name == "-.slice":
        return ""
    stem = name.removesuffix(".slice")
    parts = stem.split("-")
    if stem == name or "/" in name or "\0" in name or "" in parts:
        raise CgroupError(f"invalid slice name: {name}")
    levels = ["-".join(parts[: i + 1]) + ".slice" for i in range(len(parts))]
    return clean("/".join(levels))
