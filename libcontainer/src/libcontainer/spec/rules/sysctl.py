"""Rules for `linux.sysctl`: only what a namespace of the container holds may be set.

Whether a namespace joined by path is the host's own is judged with the plan.
"""

from __future__ import annotations

from .words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Set

_IPC = frozenset(
    [
        "kernel/msgmax",
        "kernel/msgmnb",
        "kernel/msgmni",
        "kernel/sem",
        "kernel/shmall",
        "kernel/shmmax",
        "kernel/shmmni",
        "kernel/shm_rmid_forced",
    ]
)


def sysctl_path(key: str) -> str:
    """Return the file of a sysctl, below /proc/sys.

    As in sysctl(8), the first separator in the key decides: after a slash dots are literal
    (net/ipv4/conf/eth0.5/x); after a dot, slashes stand for literal dots (net.ipv4.conf.eth0/5.x).
    """
    for character in key:
        if character == "/":
            return key
        if character == ".":
            return key.translate({ord("."): "/", ord("/"): "."})
    return key


def needed_namespace(path: str) -> str | None:
    """Return the kind of namespace that holds the sysctl at `path`, None if none does."""
    # A path could leave its namespace's part of the tree only by such parts.
    if any([part in ("", ".", "..") for part in path.split("/")]):
        return None
    if path in _IPC or path.startswith("fs/mqueue/"):
        return "ipc"
    if path.startswith("net/"):
        return "network"
    if path == "kernel/domainname":
        return "uts"
    return "user" if path.startswith("user/") else None


def faults(
    sysctl: dict[str, str], namespaces: Set[str], *, domainname: str | None
) -> Iterator[str]:
    """Yield what may not be set in a container with those kinds of namespaces."""
    for key in sysctl:
        path = sysctl_path(key)
        kind = needed_namespace(path)
        name = f"sysctl {quote(key)}"
        if path == "kernel/hostname":
            yield f'{name} is not allowed as it conflicts with the OCI "hostname" field'
        elif path == "kernel/domainname" and domainname:
            yield f'{name} is not allowed as it conflicts with the OCI "domainname" field'
        elif kind is None or (kind == "uts" and kind not in namespaces):
            yield f"{name} is not in a separate kernel namespace"
        elif kind not in namespaces:
            yield refusal(kind, key)


def refusal(kind: str, key: str) -> str:
    """Say that the namespace of `kind`, which holds the sysctl, is the host's."""
    if kind == "ipc":
        return f"sysctl {quote(key)} is not allowed in the hosts ipc namespace"
    if kind == "network":
        return f"sysctl {quote(key)} not allowed in host network namespace"
    return f"setting ucounts without a user namespace not allowed: sysctl {quote(key)}"
