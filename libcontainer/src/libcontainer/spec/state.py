"""The state document, for `state`, hooks and the seccomp listener.  runtime-spec: runtime.md."""

from __future__ import annotations

from .._record import Record, i32

VERSION = "1.3.0"  # of the specification that our documents follow


class State(Record):
    """One container as others see it."""

    oci_version: str
    id: str
    status: str  # creating, created, running, stopped, and ours: paused
    bundle: str  # absolute
    pid: i32 | None = None  # of init, on the host; None when there is none
    annotations: dict[str, str] | None = None  # None when there are none


class ContainerProcessState(Record):
    """What a seccomp listener gets with its fd.  runtime-spec: config-linux.md, "Seccomp"."""

    oci_version: str
    fds: tuple[str, ...]  # names, in the order of the fds: ("seccompFd",)
    pid: i32  # of the filtered process, as the runtime sees it
    state: State
    metadata: str | None = None  # listenerMetadata
