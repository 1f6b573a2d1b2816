"""The whole document, config.json.  runtime-spec 1.3.0: config.md.

Blocks of other platforms (`windows`, `solaris`, `zos`, `vm`, `freebsd`) are not declared, and so
are ignored like every unknown property.
"""

from __future__ import annotations

from .._record import Record

# `from_json` looks field types up in this module.
from .hooks import Hooks
from .linux import Linux
from .mounts import Mount, Root
from .process import Process


class Spec(Record):
    """A container as its bundle describes it."""

    oci_version: str
    process: Process | None = None
    root: Root | None = None
    hostname: str | None = None
    domainname: str | None = None
    mounts: tuple[Mount, ...] = ()
    hooks: Hooks | None = None
    annotations: dict[str, str] | None = None
    linux: Linux | None = None
