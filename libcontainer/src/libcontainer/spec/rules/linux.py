"""Rules for `linux`."""

from __future__ import annotations

from ..linux import Linux
from .apart import apart
from .words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..document import Spec
    from ..idmapping import LinuxIDMapping
    from ..linux import LinuxDevice

NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts")
PROPAGATIONS = (
    "private",
    "rprivate",
    "rshared",
    "rslave",
    "runbindable",
    "shared",
    "slave",
    "unbindable",
)
_RARE = ("time_offsets", "net_devices", "intel_rdt", "memory_policy", "personality")
_LAST_ID = 2**32 - 2  # (uid_t)-1 is no id
_MOST_MAPPINGS = 340  # lines in a map; UID_GID_MAP_MAX_EXTENTS, include/linux/user_namespace.h
_MOST_MAJOR, _MOST_MINOR = 2**12 - 1, 2**20 - 1  # a device number; include/linux/kdev_t.h


def faults(spec: Spec) -> Iterator[str]:
    """Yield what is wrong with the document's `linux` object."""
    linux = spec.linux or Linux()
    yield from apart(
        _namespaces(linux),
        _user_namespace(linux),
        _mappings(linux, "uid_mappings", "$.linux.uidMappings"),
        _mappings(linux, "gid_mappings", "$.linux.gidMappings"),
        _devices(linux),
        _propagation(linux),
        _mount_namespace(linux),
        _paths(linux, "masked_paths", "$.linux.maskedPaths"),
        _paths(linux, "readonly_paths", "$.linux.readonlyPaths"),
        _sysctl(linux, spec),
        _resources(linux),
        _seccomp(linux),
        _rare(linux),
    )


def _namespaces(linux: Linux) -> Iterator[str]:
    seen = set()
    for i, namespace in enumerate(linux.namespaces):
        shown = f"{{{quote(namespace.type)} {quote(namespace.path or '')}}}"
        if namespace.type not in NAMESPACES:
            yield f"namespace {shown} does not exist"
        elif namespace.type in seen:
            yield f"malformed spec file: duplicated ns {shown}"
        seen.add(namespace.type)
        if namespace.path and not namespace.path.startswith("/"):
            yield f"$.linux.namespaces[{i}].path: must be absolute, got {quote(namespace.path)}"


def _user_namespace(linux: Linux) -> Iterator[str]:
    if any([n.type == "user" and not n.path for n in linux.namespaces]):
        for kind, mappings in (("uid", linux.uid_mappings), ("gid", linux.gid_mappings)):
            if not mappings:
                yield f"user namespaces enabled, but no {kind} mappings found"
    elif linux.uid_mappings or linux.gid_mappings:
        # With a path the maps may be repeated, if they are that namespace's: the plan looks.
        if not any([namespace.type == "user" for namespace in linux.namespaces]):
            yield (
                "user namespace mappings specified, but user namespace isn't enabled in the config"
            )


def _mappings(linux: Linux, name: str, path: str) -> Iterator[str]:
    mappings: tuple[LinuxIDMapping, ...] = getattr(linux, name)
    if len(mappings) > _MOST_MAPPINGS:
        yield f"{path}: more than {_MOST_MAPPINGS} lines"
        return
    for i, mapping in enumerate(mappings):
        if mapping.size == 0:
            yield f"{path}[{i}].size: must not be 0"
        elif max(mapping.container_id, mapping.host_id) + mapping.size - 1 > _LAST_ID:
            yield f"{path}[{i}].size: goes beyond the last id, {_LAST_ID}"
    for key, side in (("containerID", "container_id"), ("hostID", "host_id")):
        end = 0
        for first, size, i in sorted(
            [(getattr(m, side), m.size, i) for i, m in enumerate(mappings)]
        ):
            if first < end:
                yield f"{path}[{i}].{key}: overlaps with another line"
            end = max(end, first + size)


def _devices(linux: Linux) -> Iterator[str]:
    each = [_device(d, f"$.linux.devices[{i}]") for i, d in enumerate(linux.devices)]
    yield from apart(*each)


def _device(device: LinuxDevice, path: str) -> Iterator[str]:
    if device.type not in ("c", "u", "b", "p"):
        yield f"{path}.type: invalid device type"
    if not device.path.startswith("/"):
        yield f"{path}.path: must be absolute, got {quote(device.path)}"
    if device.type == "p":
        return
    # A number out of range would be cut down to another device's.
    for key, number, most in (
        ("major", device.major, _MOST_MAJOR),
        ("minor", device.minor, _MOST_MINOR),
    ):
        if not 0 <= number <= most:
            yield f"{path}.{key}: must be between 0 and {most}, got {number}"


def _propagation(linux: Linux) -> Iterator[str]:
    propagation = linux.rootfs_propagation
    if propagation and propagation not in PROPAGATIONS:
        yield f"rootfsPropagation={propagation} is not supported"


def _mount_namespace(linux: Linux) -> Iterator[str]:
    if "mount" not in _kinds(linux) and (linux.masked_paths or linux.readonly_paths):
        yield "unable to restrict sys entries without a private MNT namespace"


def _paths(linux: Linux, name: str, where: str) -> Iterator[str]:
    for i, path in enumerate(getattr(linux, name)):
        if not path.startswith("/"):
            yield f"{where}[{i}]: must be absolute, got {quote(path)}"


def _kinds(linux: Linux) -> set[str]:
    return {namespace.type for namespace in linux.namespaces}


def _sysctl(linux: Linux, spec: Spec) -> Iterator[str]:
    if linux.sysctl:
        from . import sysctl

        yield from sysctl.faults(linux.sysctl, _kinds(linux), domainname=spec.domainname)


def _resources(linux: Linux) -> Iterator[str]:
    if linux.resources is not None:
        from . import resources

        yield from resources.faults(linux.resources, "$.linux.resources")


def _seccomp(linux: Linux) -> Iterator[str]:
    if linux.seccomp is not None:
        from libseccomp.faults import check

        for path, text in check(linux.seccomp):
            yield f"$.linux.seccomp{path}: {text}"


def _rare(linux: Linux) -> Iterator[str]:
    # An unread one counts as there.
    if any([getattr(linux, name, True) not in (None, {}) for name in _RARE]):
        from . import rare

        yield from rare.faults(linux)
