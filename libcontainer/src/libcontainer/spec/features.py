"""What a runtime can do, as a document.  runtime-spec: features.md, features-linux.md.

None means unknown, an empty list means none.  The class names are those of the specification's
features package, so `Linux` here is another class than the configuration's.
"""

from __future__ import annotations

from .._record import Record


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
