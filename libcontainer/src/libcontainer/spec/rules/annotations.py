"""Rules for annotations that ask the runtime for something, as crun has them.

What is known and not done is refused by name: to pass over it would make another container than
was asked for.  Unknown ones are stored and shown, never an error (runtime-spec: config.md,
"Annotations").

crun's variable RUN_OCI_SECCOMP_RECEIVER, an agent for containers that name none, is not read: who
answers a container's system calls is for its document to say, where `state` shows it, and not for
whatever environment an engine was started in.
"""

from __future__ import annotations

from .words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

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
MOUNT_CONTEXT = PREFIX + "mount_context_type"  # the mount option that mountLabel is given by
_MOUNT_CONTEXTS = ("context", "fscontext", "defcontext", "rootcontext")
WASM = "module.wasm.image/variant"  # what runs the program, as HANDLER
VIRTUAL = "krun."  # the machine that libkrun makes
# Kubernetes puts a pod's annotations on its sandbox as well, which is a program in any case.
_SANDBOX = "io.kubernetes.cri.container-type"

_REFUSED = {
    PREFIX + "seccomp.plugins": "plugins are code of others in the runtime; use listenerPath",
    PREFIX + "seccomp_bpf_data": "a program that nobody can read; use linux.seccomp",
    PREFIX + "systemd.force_cgroup_v1": "the container gets the host's hierarchies",
}


def faults(given: Mapping[str, str], args: Sequence[str]) -> Iterator[str]:
    """Yield what is wrong with the annotations, and which ones are refused.

    `args` are the process's, its program first.
    """
    for key, why in _REFUSED.items():
        if given.get(key):  # empty: none, which is what we have
            yield f"annotation {key} is not supported: {why}"
    if given.get(_SANDBOX) != "sandbox":
        yield from _handlers(given, args)
    context = given.get(MOUNT_CONTEXT)
    if context is not None and context not in _MOUNT_CONTEXTS:
        known = ", ".join(_MOUNT_CONTEXTS)
        yield f"annotation {MOUNT_CONTEXT}: must be one of {known}, got {quote(context)}"
    pidfd, delegate = given.get(PIDFD_RECEIVER), given.get(DELEGATE)
    if pidfd and pidfd[:1] != "/":
        yield f"annotation {PIDFD_RECEIVER}: must be absolute, got {quote(pidfd)}"
    if delegate and not given.get(SUBGROUP):
        yield f"annotation {DELEGATE} needs {SUBGROUP}"
    if delegate and ".." in delegate.split("/"):
        yield f"annotation {DELEGATE}: must not have .., got {quote(delegate)}"


def _handlers(given: Mapping[str, str], args: Sequence[str]) -> Iterator[str]:
    """Yield what asks for something else than a program that the kernel runs."""
    if given.get(HANDLER):
        yield f"annotation {HANDLER} is not supported: only programs are run"
    # compat-smart leaves programs alone.
    smart = given.get(WASM) == "compat-smart" and bool(args) and _is_wasm(args[0])
    if given.get(WASM) == "compat" or smart:
        yield f"annotation {WASM} is not supported: only programs are run"
    for key, value in given.items():
        if key.startswith(VIRTUAL) and value:
            yield f"annotation {key} is not supported: no virtual machines are made"


def _is_wasm(program: str) -> bool:
    """Tell whether a program is WebAssembly, by its name: nothing of the root is looked at."""
    return program.lower().endswith((".wasm", ".wat"))
