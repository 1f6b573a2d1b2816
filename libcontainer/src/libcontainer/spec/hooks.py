"""Programs that run at points of a container's life.  runtime-spec: config.md, "POSIX-platform
Hooks".
"""

from __future__ import annotations

from .._record import Record, i64


class Hook(Record):
    """One program.  `hooks.KIND[]`."""

    path: str  # absolute
    args: tuple[str, ...] = ()  # argv with argv[0]; empty: the path
    env: tuple[str, ...] | None = None  # None: depends on the kind; (): no variable at all
    timeout: i64 | None = None  # seconds, > 0


class Hooks(Record):
    """Programs by kind, in the order in which they run.  `hooks`."""

    prestart: tuple[Hook, ...] = ()  # deprecated by the specification, used by Docker
    create_runtime: tuple[Hook, ...] = ()
    create_container: tuple[Hook, ...] = ()
    start_container: tuple[Hook, ...] = ()
    poststart: tuple[Hook, ...] = ()
    poststop: tuple[Hook, ...] = ()
