"""Rules for annotations that ask the runtime for something, as crun has them.  `run.oci.*`

What is known and not done is refused by name: to pass over it would make another container than
was asked for.  Unknown ones are stored and shown, never an error (runtime-spec: config.md,
"Annotations").
"""

from __future__ import annotations

from .words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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


def faults(given: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the annotations, and which ones are refused."""
    for key, why in _REFUSED.items():
        # Empty: none, which is what we have.
        if given.get(key) and not (key == HANDLER and given.get(_SANDBOX) == "sandbox"):
            yield f"annotation {key} is not supported: {why}"
    pidfd, delegate = given.get(PIDFD_RECEIVER), given.get(DELEGATE)
    if pidfd and pidfd[:1] != "/":
        yield f"annotation {PIDFD_RECEIVER}: must be absolute, got {quote(pidfd)}"
    if delegate and not given.get(SUBGROUP):
        yield f"annotation {DELEGATE} needs {SUBGROUP}"
    if delegate and ".." in delegate.split("/"):
        yield f"annotation {DELEGATE}: must not have .., got {quote(delegate)}"
