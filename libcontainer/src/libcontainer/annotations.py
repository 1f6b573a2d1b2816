"""Annotations that ask the runtime for something, as crun has them.  `run.oci.*`

What is done here is what has no typed field in the document.  What is known and not done is
refused by name: to pass over it would make another container than was asked for.  Unknown ones
are stored and shown, never an error (runtime-spec: config.md, "Annotations").
"""

from __future__ import annotations

import posix

from ._record import Record
from .errors import SpecError
from .spec.rules.words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .spec.document import Spec

PREFIX = "run.oci."
KEEP_GROUPS = PREFIX + "keep_original_groups"  # no setgroups: the caller's stay
HOOKS_STDOUT = PREFIX + "hooks.stdout"  # a file that gets what hooks say
HOOKS_STDERR = PREFIX + "hooks.stderr"
SECCOMP_RECEIVER = PREFIX + "seccomp.receiver"  # the agent's socket; as listenerPath
SECCOMP_STRICT = PREFIX + "seccomp_fail_unknown_syscall"  # an unknown name is an error
PIDFD_RECEIVER = PREFIX + "pidfd_receiver"  # a socket that gets a pidfd of init
SUBGROUP = PREFIX + "systemd.subgroup"  # a cgroup below the scope; done by libcgroups
DELEGATE = PREFIX + "delegate-cgroup"  # one more below that, of the container's root
HANDLER = PREFIX + "handler"  # who runs the workload, if it is no program
# Kubernetes puts a pod's annotations on its sandbox as well, which is a program in any case.
_SANDBOX = "io.kubernetes.cri.container-type"

_REFUSED = {
    PREFIX + "seccomp.plugins": "plugins are code of others in the runtime; use listenerPath",
    PREFIX + "seccomp_bpf_data": "a program that nobody can read; use linux.seccomp",
    PREFIX + "systemd.force_cgroup_v1": "the container gets the host's hierarchies",
    HANDLER: "only programs are run",
}


class Wishes(Record):
    """What the annotations of one document ask for."""

    keep_groups: bool = False
    hooks_stdout: str | None = None
    hooks_stderr: str | None = None
    seccomp_strict: bool = False
    pidfd_receiver: str | None = None
    delegate: str | None = None  # below the cgroup, where init is to end


def read(spec: Spec) -> tuple[Spec, Wishes]:
    """Return the document with what annotations say in place of typed fields, and the rest.

    Raises SpecError for those that are refused.
    """
    given = spec.annotations or {}
    faults = [
        f"annotation {key} is not supported: {why}"
        for key, why in _REFUSED.items()
        if given.get(key)  # empty: none, which is what we have
        and not (key == HANDLER and given.get(_SANDBOX) == "sandbox")
    ]
    pidfd = given.get(PIDFD_RECEIVER) or None
    if pidfd is not None and pidfd[:1] != "/":
        faults.append(f"annotation {PIDFD_RECEIVER}: must be absolute, got {quote(pidfd)}")
    delegate = given.get(DELEGATE) or None
    if delegate is not None and not given.get(SUBGROUP):
        faults.append(f"annotation {DELEGATE} needs {SUBGROUP}")
    if delegate is not None and ".." in delegate.split("/"):
        faults.append(f"annotation {DELEGATE}: must not have .., got {quote(delegate)}")
    if faults:
        raise SpecError(tuple(faults))
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
        pidfd_receiver=pidfd,
        delegate=delegate,
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
