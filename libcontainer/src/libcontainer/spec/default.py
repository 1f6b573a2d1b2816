"""The document that `spec` writes: a shell in a container of its own, with few rights."""

from __future__ import annotations

from libcgroups.resources import LinuxDeviceCgroup, LinuxResources

from .document import Spec
from .idmapping import LinuxIDMapping
from .linux import Linux, LinuxNamespace
from .mounts import Mount, Root
from .process import LinuxCapabilities, POSIXRlimit, Process
from .state import VERSION

_CAPABILITIES = ("CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE")
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/sys/firmware",
    "/proc/scsi",
)
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_TMPFS_DEV = ("nosuid", "strictatime", "mode=755", "size=65536k")
_DEVPTS = ("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5")
_SHM = ("nosuid", "noexec", "nodev", "mode=1777", "size=65536k")
_STRICT = ("nosuid", "noexec", "nodev")
_MOUNTS = (
    Mount("/proc", "proc", "proc"),
    Mount("/dev", "tmpfs", "tmpfs", _TMPFS_DEV),
    Mount("/dev/pts", "devpts", "devpts", _DEVPTS),
    Mount("/dev/shm", "tmpfs", "shm", _SHM),
    Mount("/dev/mqueue", "mqueue", "mqueue", _STRICT),
    Mount("/sys", "sysfs", "sysfs", (*_STRICT, "ro")),
    Mount("/sys/fs/cgroup", "cgroup", "cgroup", (*_STRICT, "relatime", "ro")),
)


def default_spec(
    *, rootless: bool, cgroup2: bool, uid: int, gid: int, hostname: str = "pyoci"
) -> Spec:
    """Return a document to start from.

    `rootless`: for the user with those ids, who then is root inside; else they are not used.
    `cgroup2`: the host has cgroup v2 alone, so the container gets a cgroup namespace.
    """
    return Spec(
        oci_version=VERSION,
        process=_process(),
        root=Root("rootfs", readonly=True),
        hostname=hostname,
        mounts=tuple([_for_user(mount) for mount in _MOUNTS]) if rootless else _MOUNTS,
        linux=_linux_for_user(uid, gid, cgroup2=cgroup2) if rootless else _linux(cgroup2=cgroup2),
    )


def _process() -> Process:
    return Process(
        cwd="/",
        args=("sh",),
        env=(_PATH, "TERM=xterm"),
        terminal=True,
        capabilities=LinuxCapabilities(
            bounding=_CAPABILITIES, effective=_CAPABILITIES, permitted=_CAPABILITIES
        ),
        rlimits=(POSIXRlimit("RLIMIT_NOFILE", hard=1024, soft=1024),),
        no_new_privileges=True,
    )


def _linux(*, cgroup2: bool) -> Linux:
    kinds = ("pid", "network", "ipc", "uts", "mount") + (("cgroup",) if cgroup2 else ())
    return Linux(
        namespaces=tuple([LinuxNamespace(kind) for kind in kinds]),
        resources=LinuxResources(devices=(LinuxDeviceCgroup(allow=False, access="rwm"),)),
        masked_paths=_MASKED,
        readonly_paths=_READ_ONLY,
    )


def _linux_for_user(uid: int, gid: int, *, cgroup2: bool) -> Linux:
    # The host's network stays: nobody is there to connect a new one.  No resources: an ordinary
    # user has no cgroup to set them in, unless systemd hands one out.
    kinds = ("pid", "ipc", "uts", "mount") + (("cgroup",) if cgroup2 else ()) + ("user",)
    return Linux(
        namespaces=tuple([LinuxNamespace(kind) for kind in kinds]),
        uid_mappings=(LinuxIDMapping(0, uid, 1),),
        gid_mappings=(LinuxIDMapping(0, gid, 1),),
        masked_paths=_MASKED,
        readonly_paths=_READ_ONLY,
    )


def _for_user(mount: Mount) -> Mount:
    if mount.type == "sysfs":
        # sysfs shows a network namespace, so the kernel wants that one to be the user's own.
        return Mount(mount.destination, "none", "/sys", ("rbind", *mount.options))
    # Ids other than root's are not mapped.
    kept = [option for option in mount.options if option[:4] not in ("uid=", "gid=")]
    return mount.replace(options=tuple(kept))
