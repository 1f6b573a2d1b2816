"""Rules for `mounts`, as far as text can tell.  Links inside the root are followed later, and
what they lead to is judged again there, by the same `refused_destination`.
"""

from __future__ import annotations

from ..linux import Linux
from .apart import apart
from .words import clean, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Spec
    from ..mounts import Mount

# What may be mounted below /proc: the files that lxcfs shows in the container's own measure, and
# two that other programs are known to need.  Anything else could undo a mask or fake a state.
PROC_FILES = frozenset(
    [
        "/proc/cpuinfo",
        "/proc/diskstats",
        "/proc/loadavg",
        "/proc/meminfo",
        "/proc/slabinfo",
        "/proc/stat",
        "/proc/swaps",
        "/proc/uptime",
        "/proc/sys/crypto/fips_enabled",
        "/proc/sys/kernel/ns_last_pid",
    ]
)


def is_bind(mount: Mount) -> bool:
    """Tell whether it is a bind mount.  Type `bind` alone is one too: it can mean nothing else."""
    return "bind" in mount.options or "rbind" in mount.options or mount.type == "bind"


def refused_destination(destination: str, path: str, root: str, *, procfs: bool) -> str | None:
    """Say why nothing may be mounted on `destination`; None if it may.

    It is `path`, absolute inside the root `root`.  `procfs` is for what may cover /proc.
    """
    if path == "/":
        return f"mountpoint {quote(destination)} is on the top of rootfs {quote(root)}"
    if path == "/proc" and not procfs:
        return f"{quote(destination)} cannot be mounted because it is not of type proc"
    if path.startswith("/proc/") and path not in PROC_FILES:
        return f"{quote(destination)} cannot be mounted because it is inside /proc"
    return None


def faults(spec: Spec, path: str = "$.mounts") -> Iterator[str]:
    """Yield what is wrong with the document's mounts, which came from `path`."""
    linux = spec.linux or Linux()
    each = [_mount(m, spec, linux, f"{path}[{i}]") for i, m in enumerate(spec.mounts)]
    yield from apart(_namespace(spec, linux), *each)


def destination_faults(spec: Spec, path: str) -> Iterator[str]:
    """Yield what is wrong with the places alone of the document's mounts."""
    each = [_destination(m, spec, f"{path}[{i}]") for i, m in enumerate(spec.mounts)]
    yield from apart(_namespace(spec, spec.linux or Linux()), *each)


def _namespace(spec: Spec, linux: Linux) -> Iterator[str]:
    if spec.mounts and not _has(linux, "mount"):
        yield "unable to mount without a private MNT namespace"


def _mount(mount: Mount, spec: Spec, linux: Linux, path: str) -> Iterator[str]:
    yield from apart(
        _destination(mount, spec, path), _source(mount, path), _mappings(mount, linux, path)
    )


def _destination(mount: Mount, spec: Spec, path: str) -> Iterator[str]:
    root = spec.root.path if spec.root else ""
    # What a bind shows is looked at when it is made.
    procfs = mount.type == "proc" or is_bind(mount)
    if not mount.destination:
        yield f"{path}.destination: empty"
    elif reason := refused_destination(
        mount.destination, clean(mount.destination), root, procfs=procfs
    ):
        yield reason


def _source(mount: Mount, path: str) -> Iterator[str]:
    if not mount.source and is_bind(mount):
        yield f"{path}.source: a bind mount needs one"


def _has(linux: Linux, kind: str) -> bool:
    return any([namespace.type == kind for namespace in linux.namespaces])


def _mappings(mount: Mount, linux: Linux, path: str) -> Iterator[str]:
    if bool(mount.uid_mappings) != bool(mount.gid_mappings):
        yield f"{path}: id-mapped mounts must have both uid and gid mappings specified"
    elif not mount.uid_mappings and not _has(linux, "user"):
        for option in mount.options:
            if option in ("idmap", "ridmap"):
                yield f"{path}.options: {option} needs mappings or a user namespace"
