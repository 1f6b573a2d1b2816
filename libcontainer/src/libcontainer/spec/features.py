"""What a runtime can do, as a document.  runtime-spec: features.md, features-linux.md.

None means unknown, an empty list means none.  The class names are those of the specification's
features package, so `Linux` here is another class than the configuration's.
"""

from __future__ import annotations

from .._record import Record
from .state import VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Cgroup(Record):
    """`linux.cgroup`."""

    v1: bool | None = None
    v2: bool | None = None
    systemd: bool | None = None
    systemd_user: bool | None = None
    rdma: bool | None = None


class Seccomp(Record):
    """`linux.seccomp`."""

    enabled: bool | None = None
    actions: tuple[str, ...] | None = None
    operators: tuple[str, ...] | None = None
    archs: tuple[str, ...] | None = None
    known_flags: tuple[str, ...] | None = None
    supported_flags: tuple[str, ...] | None = None


class Apparmor(Record):
    """`linux.apparmor`."""

    enabled: bool | None = None


class Selinux(Record):
    """`linux.selinux`."""

    enabled: bool | None = None


class MemoryPolicy(Record):
    """`linux.memoryPolicy`."""

    modes: tuple[str, ...] | None = None
    flags: tuple[str, ...] | None = None


class IntelRdt(Record):
    """`linux.intelRdt`."""

    enabled: bool | None = None
    schemata: bool | None = None
    monitoring: bool | None = None


class IDMap(Record):
    """`linux.mountExtensions.idmap`."""

    enabled: bool | None = None


class MountExtensions(Record):
    """`linux.mountExtensions`."""

    idmap: IDMap | None = None


class NetDevices(Record):
    """`linux.netDevices`."""

    enabled: bool | None = None


class Linux(Record):
    """`linux`."""

    namespaces: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    cgroup: Cgroup | None = None
    seccomp: Seccomp | None = None
    apparmor: Apparmor | None = None
    selinux: Selinux | None = None
    memory_policy: MemoryPolicy | None = None
    intel_rdt: IntelRdt | None = None
    mount_extensions: MountExtensions | None = None
    net_devices: NetDevices | None = None


class Features(Record):
    """The whole document."""

    oci_version_min: str
    oci_version_max: str
    hooks: tuple[str, ...] | None = None
    mount_options: tuple[str, ...] | None = None
    linux: Linux | None = None
    annotations: dict[str, str] | None = None
    potentially_unsafe_config_annotations: tuple[str, ...] | None = None


# Annotations by which a document can make the runtime do more than its typed fields say; engines
# that take documents from strangers refuse these.  One that ends in a dot is a prefix.
UNSAFE_ANNOTATIONS = (
    "bundle",
    "io.kubernetes.cri.container-type",
    "module.wasm.image/variant",
    "org.criu.config",
    "org.systemd.property.",
    "run.oci.",
)


def features(
    *,
    version: str,
    capabilities: tuple[str, ...],
    mount_options: tuple[str, ...],
    seccomp_version: str | None,
    seccomp_flags: tuple[str, ...] = (),
    systemd: bool = False,
) -> Features:
    """Return what this program can do, whatever the host has.

    `capabilities` and `mount_options` are the names in the tables of the code that acts on them,
    `seccomp_flags` what library and kernel take, `seccomp_version` None without the library;
    `systemd` says whether the systemd manager of cgroups can be chosen.
    """
    annotations = {
        "org.opencontainers.runc.checkpoint.enabled": "false",
        "org.pyoci.version": version,
    }
    if seccomp_version is not None:
        annotations["io.github.seccomp.libseccomp.version"] = seccomp_version
    return Features(
        oci_version_min="1.0.0",
        oci_version_max=VERSION,
        hooks=_hooks(),
        mount_options=tuple(sorted(mount_options)),
        linux=_linux(
            capabilities, seccomp_flags, seccomp=seccomp_version is not None, systemd=systemd
        ),
        annotations=annotations,
        potentially_unsafe_config_annotations=UNSAFE_ANNOTATIONS,
    )


def _hooks() -> tuple[str, ...]:
    from .hooks import Hooks

    return tuple([key for _, key, _, _ in Hooks._fields])


def _declares(record: Any, key: str) -> bool:
    """Tell whether documents may have the property: what is declared is acted on."""
    return any([field == key for _, field, _, _ in record._fields])


def _linux(
    capabilities: tuple[str, ...], seccomp_flags: tuple[str, ...], *, seccomp: bool, systemd: bool
) -> Linux:
    from libcgroups.resources import LinuxResources

    from .linux import Linux as LinuxObject
    from .linux import LinuxIntelRdt
    from .mounts import Mount
    from .process import Process
    from .rules.linux import NAMESPACES

    return Linux(
        namespaces=NAMESPACES,
        capabilities=capabilities,
        cgroup=Cgroup(
            v1=True,
            v2=True,
            systemd=systemd,
            systemd_user=systemd,
            rdma=_declares(LinuxResources, "rdma"),
        ),
        seccomp=_seccomp(seccomp_flags) if seccomp else Seccomp(enabled=False),
        apparmor=Apparmor(enabled=_declares(Process, "apparmorProfile")),
        selinux=Selinux(enabled=_declares(Process, "selinuxLabel")),
        memory_policy=_memory_policy(),
        intel_rdt=IntelRdt(
            enabled=_declares(LinuxObject, "intelRdt"),
            schemata=_declares(LinuxIntelRdt, "schemata"),
            monitoring=_declares(LinuxIntelRdt, "enableMonitoring"),
        ),
        mount_extensions=MountExtensions(idmap=IDMap(enabled=_declares(Mount, "uidMappings"))),
        net_devices=NetDevices(enabled=_declares(LinuxObject, "netDevices")),
    )


def _seccomp(supported_flags: tuple[str, ...]) -> Seccomp:
    from libseccomp.constants import ACTIONS, ARCHITECTURES, FLAGS, OPERATORS

    return Seccomp(
        enabled=True,
        actions=tuple(sorted(ACTIONS)),
        operators=tuple(sorted(OPERATORS)),
        archs=tuple(sorted(ARCHITECTURES)),
        known_flags=tuple(sorted(FLAGS)),
        supported_flags=tuple(sorted(supported_flags)),
    )


def _memory_policy() -> MemoryPolicy:
    from .rules.rare import MEMORY_FLAGS, MEMORY_MODES

    return MemoryPolicy(modes=tuple(MEMORY_MODES), flags=tuple(MEMORY_FLAGS))
