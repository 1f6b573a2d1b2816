"""The root and the mounts.  runtime-spec: config.md, "Root" and "Mounts"."""

from __future__ import annotations

from .._record import Record
from .idmapping import LinuxIDMapping


class Root(Record):
    """The container's root file system.  `root`."""

    path: str  # absolute, or relative to the bundle
    readonly: bool = False


class Mount(Record):
    """One mount, in the order of the document.  `mounts[]`."""

    destination: str  # in the container
    type: str | None = None
    source: str | None = None
    options: tuple[str, ...] = ()
    uid_mappings: tuple[LinuxIDMapping, ...] = ()
    gid_mappings: tuple[LinuxIDMapping, ...] = ()
