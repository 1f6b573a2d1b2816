"""Id mappings, which both the document and a mount may carry.  runtime-spec: config-linux.md."""

from __future__ import annotations

from .._record import Record, key, u32


class LinuxIDMapping(Record):
    """One range of ids.  `linux.uidMappings[]`, `mounts[].uidMappings[]` and the same for gids."""

    container_id: u32 = key("containerID")  # first id inside
    host_id: u32 = key("hostID")  # first id outside; for a mount: in the file system
    size: u32
