"""What annotations ask the runtime for, as crun has them: what has no typed field in the document.

Which ones there are, and which are refused, is in `spec.rules.annotations`.
"""

from __future__ import annotations

import posix

from ._record import Record
from .spec.rules.annotations import (
    DELEGATE,
    HOOKS_STDERR,
    HOOKS_STDOUT,
    KEEP_GROUPS,
    PIDFD_RECEIVER,
    SECCOMP_RECEIVER,
    SECCOMP_STRICT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .spec.document import Spec


class Wishes(Record):
    """What the annotations of one document ask for."""

    keep_groups: bool = False
    hooks_stdout: str | None = None
    hooks_stderr: str | None = None
    seccomp_strict: bool = False
    pidfd_receiver: str | None = None
    delegate: str | None = None  # below the cgroup, where init is to end


def read(spec: Spec) -> tuple[Spec, Wishes]:
    """Return the document with what annotations say in place of typed fields, and the rest."""
    given = spec.annotations or {}
    receiver, linux = given.get(SECCOMP_RECEIVER), spec.linux
    if receiver and linux is not None and linux.seccomp is not None:
        if not linux.seccomp.listener_path:
            seccomp = linux.seccomp.replace(listener_path=receiver)
            spec = spec.replace(linux=linux.replace(seccomp=seccomp))
    return spec, Wishes(
        keep_groups=_is_set(given, KEEP_GROUPS),
        hooks_stdout=given.get(HOOKS_STDOUT) or None,
        hooks_stderr=given.get(HOOKS_STDERR) or None,
        seccomp_strict=_is_set(given, SECCOMP_STRICT),
        pidfd_receiver=given.get(PIDFD_RECEIVER) or None,
        delegate=given.get(DELEGATE) or None,
    )


def open_output(annotations: Mapping[str, str]) -> tuple[int, int]:
    """Open what hooks write to, stdout and stderr; -1 for what we keep ourselves.

    Appended to, made 0700 where missing, as crun does.  Raises OSError.
    """
    fds = []
    for key in (HOOKS_STDOUT, HOOKS_STDERR):
        path = annotations.get(key)
        flags = posix.O_WRONLY | posix.O_CREAT | posix.O_APPEND | posix.O_CLOEXEC
        fds.append(posix.open(path, flags, 0o700) if path else -1)
    return fds[0], fds[1]


def _is_set(annotations: Mapping[str, str], key: str) -> bool:
    return annotations.get(key, "0") != "0"
