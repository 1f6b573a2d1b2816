"""From the document's mounts, devices and paths to steps."""

from __future__ import annotations

from .. import _log
from ..errors import SpecError
from ..kernel import constants as c
from ..rootfs.cgroupfs import cgroup_steps
from ..rootfs.devices import CORE_LINK, DEFAULT_LINKS, DEFAULT_NODES, Devices, Node
from ..rootfs.filesystem import has_long
from ..rootfs.options import MountOptions, parse
from ..rootfs.resolve import split
from ..rootfs.steps import (
    BindMount,
    LateReadOnly,
    LookAgain,
    MakeDirectory,
    Mask,
    NewMount,
    Propagation,
    ReadOnlyPath,
    RootMount,
    RootReadOnly,
)
from ..spec.rules.mounts import is_bind
from ..spec.rules.words import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..namespaces import Namespaces
    from ..rootfs.bind import Idmap
    from ..spec.document import Spec
    from ..spec.linux import Linux, LinuxDevice
    from ..spec.mounts import Mount
    from ..step import Step
    from .host import Host

PROPAGATION = {
    "shared": c.MS_SHARED,
    "rshared": c.MS_SHARED | c.MS_REC,
    "slave": c.MS_SLAVE,
    "rslave": c.MS_SLAVE | c.MS_REC,
    "private": c.MS_PRIVATE,
    "rprivate": c.MS_PRIVATE | c.MS_REC,
    "unbindable": c.MS_UNBINDABLE,
    "runbindable": c.MS_UNBINDABLE | c.MS_REC,
}

# File systems that show the namespaces of whoever mounts them.
_OF_NAMESPACES = ("cgroup", "cgroup2", "mqueue", "proc", "sysfs")


def mount_steps(
    spec: Spec, linux: Linux, host: Host, namespaces: Namespaces, bundle: str, rootfs: str
) -> tuple[list[Step], list[Step]]:
    """Return the steps that build the root, and those that finish it after the hooks.

    In the document's order: a later mount may cover an earlier one.
    """
    build: list[Step] = _root_steps(linux, rootfs)
    late: list[Step] = []
    dev_is_bound = False
    for mount in spec.mounts:
        destination = "/" + mount.destination.strip("/")
        options = parse(mount.options)
        idmap = _idmap(mount, options, linux, host)
        if "remount" in options.words:
            # Before /dev turns read-only, devices are made in it.
            waits = clean(destination) == "/dev" and bool(options.set & c.MOUNT_ATTR_RDONLY)
            (late if waits else build).append(_remount(destination, options))
        elif _is_bind(mount, options):
            build.append(_bind(mount, destination, options, bundle, idmap))
            dev_is_bound |= clean(destination) == "/dev"
        elif mount.type in ("cgroup", "cgroup2"):
            steps, after = cgroup_steps(
                destination,
                options,
                cgroups=host.cgroups,
                unified=host.unified,
                namespace=namespaces.own("cgroup"),
            )
            build += steps
            late += after
        else:
            new = _new(mount, destination, options, idmap)
            if new.kind in ("proc", "sysfs"):
                new = new.replace(instead=_instead(new, host, namespaces))
            if linux.mount_label and host.selinux and new.kind not in ("proc", "sysfs"):
                new = _labelled(new, spec, linux.mount_label)
            build.append(new)
            if new.keep and options.set & c.MOUNT_ATTR_RDONLY:
                late.append(LateReadOnly(destination=destination))
    if not dev_is_bound:
        terminal = spec.process is not None and spec.process.terminal
        build += device_steps(linux, host, namespaces, terminal=terminal)
    return build, late


def added_step(mount: Mount, linux: Linux, bundle: str) -> Step:
    """Return the step for a mount that a running container gets later.  Raises SpecError.

    It keeps its handle: whoever added the mount may have to take it away again.  `linux` is of
    the document that the container was created from.
    """
    destination = "/" + mount.destination.strip("/")
    options = parse(mount.options)
    if reason := _only_at_first(mount, options):
        raise SpecError((f"mount {destination}: {reason} only when a container is created",))
    if _is_bind(mount, options):
        bind = _bind(mount, destination, options, bundle, None)
        # First what the root's own propagation has made of every bind at the beginning.
        propagation = (*_inherited(linux), *bind.propagation)
        return bind.replace(propagation=propagation, keep=True)
    new = _new(mount, destination, options, None)
    # Nothing comes back to it: read-only at once.
    return new.replace(set=new.set | (options.set & c.MOUNT_ATTR_RDONLY), keep=True)


def _inherited(linux: Linux) -> tuple[str, ...]:
    """Return how mounts of the host reach the container's, as the words of a mount's options."""
    asked = PROPAGATION[linux.rootfs_propagation or "rslave"]
    if asked & c.MS_SHARED:
        return ()
    return ("rprivate",) if asked & c.MS_PRIVATE else ("rslave",)


def _only_at_first(mount: Mount, options: MountOptions) -> str | None:
    """Say what of a mount must be made by a process of the container's namespaces."""
    if "remount" in options.words:
        return "remount"
    if not is_bind(mount) and mount.type in _OF_NAMESPACES:
        return f"type {mount.type}"  # made by us it would show our processes, network, messages
    if mount.uid_mappings or options.idmap is not None:
        return "id-mapped"
    return "options of more than 255 bytes" if has_long(options.data) else None


def finish_steps(spec: Spec, linux: Linux, late: list[Step]) -> list[Step]:
    """Return what closes the root, once nothing has to be made in it any more.

    The working directory first, the root last of the mounts, and the masks on top of all: a mask
    must not be followed by anything that could be made through what it hides.
    """
    steps: list[Step] = []
    if spec.process is not None:
        steps.append(MakeDirectory(path=spec.process.cwd))
    steps += late
    if spec.root is not None and spec.root.readonly:
        steps.append(RootReadOnly())
    steps += [ReadOnlyPath(path=p) for p in linux.readonly_paths]
    steps += [Mask(path=p) for p in dict.fromkeys(linux.masked_paths)]
    if linux.masked_paths or linux.readonly_paths:
        steps.append(LookAgain(masked=linux.masked_paths, read_only=linux.readonly_paths))
    return steps


def device_steps(
    linux: Linux, host: Host, namespaces: Namespaces, *, terminal: bool = False
) -> list[Step]:
    """Return the steps for device nodes and the links in /dev, one for each directory."""
    folders: dict[str, dict[str, Node]] = {"/dev": {n.name: n for n in DEFAULT_NODES}}
    for device in linux.devices:
        folder, name = split(device.path)
        if (folder, name) != ("/dev", "ptmx"):  # always the link to the container's own
            folders.setdefault(folder, {})[name] = _node(device, name)
    links = DEFAULT_LINKS + ((CORE_LINK,) if host.kcore else ())
    bind = host.user_namespace or namespaces.own("user")
    return [
        Devices(
            directory=folder,
            nodes=tuple(nodes.values()),
            links=links if folder == "/dev" else (),
            console=terminal and folder == "/dev",
            bind=bind,
        )
        for folder, nodes in folders.items()
    ]


def _root_steps(linux: Linux, rootfs: str) -> list[Step]:
    asked = PROPAGATION[linux.rootfs_propagation or "rslave"] | c.MS_REC
    shared = bool(asked & c.MS_SHARED)
    # Unbindable comes after the pivot, or nothing could be bound; slave lets host mounts arrive.
    flags = c.MS_SLAVE | c.MS_REC if asked & c.MS_UNBINDABLE else asked
    return [Propagation(flags=flags), RootMount(path=rootfs, private=shared)]


def _is_bind(mount: Mount, options: MountOptions) -> bool:
    if "bind" in options.words or "rbind" in options.words:
        return True
    if mount.type == "bind":
        _log.warning(f"mount {mount.destination}: type bind without bind or rbind, taken as bind")
        return True
    return False


def _bind(
    mount: Mount, destination: str, options: MountOptions, bundle: str, idmap: Idmap | None
) -> BindMount:
    if options.data:
        # They would never reach the file system: a bind has none of its own.
        _log.warning(f"mount {destination}: not for a bind mount: {', '.join(options.data)}")
    source = mount.source or ""
    return BindMount(
        source=source if source.startswith("/") else f"{bundle}/{source}",
        destination=destination,
        recursive="rbind" in options.words,
        change=options.touches_attributes,
        set=options.set,
        clear=options.clear,
        recursive_set=options.recursive_set,
        recursive_clear=options.recursive_clear,
        propagation=options.propagation,
        follow_source="src-nofollow" not in options.words,
        follow_destination="dest-nofollow" not in options.words,
        copy_link="copy-symlink" in options.words,
        idmap=idmap,
    )


def _remount(destination: str, options: MountOptions) -> Step:
    from ..rootfs.remount import Remount, superblock_words  # rare

    bind = "bind" in options.words or "rbind" in options.words
    return Remount(
        destination=destination,
        bind=bind,
        change=options.touches_attributes,
        set=options.set,
        clear=options.clear,
        recursive_set=options.recursive_set,
        recursive_clear=options.recursive_clear,
        superblock=superblock_words(options.set, options.clear) + options.superblock,
        data=options.data,
        propagation=options.propagation,
    )


def _idmap(mount: Mount, options: MountOptions, linux: Linux, host: Host) -> Idmap | None:
    if options.idmap is None and not mount.uid_mappings:
        return None
    if host.euid != 0 or host.user_namespace:
        raise SpecError(("id-mapped mounts are not supported for rootless containers",))
    from .idmapped import idmap_of  # rare

    return idmap_of(mount, options.idmap, linux)


def _instead(new: NewMount, host: Host, namespaces: Namespaces) -> str | None:
    """Return what to bind if a user namespace may make no such file system.

    The host's /sys only when it is read-only inside, the host's /proc only to those who share its
    pid namespace: to others it would show processes that are not theirs.
    """
    if not (host.user_namespace or namespaces.new("user")):
        return None
    if new.kind == "proc":
        return None if namespaces.own("pid") else "/proc"
    return "/sys" if new.set & c.MOUNT_ATTR_RDONLY else None


def _labelled(new: NewMount, spec: Spec, label: str) -> NewMount:
    """Return the mount with an SELinux label: crun's annotation says on what."""
    kind = (spec.annotations or {}).get("run.oci.mount_context_type", "context")
    if new.kind == "mqueue":  # takes no option; its root can be labelled
        return new.replace(label=label)
    return new.replace(data=(*new.data, f"{kind}={label}"))


def _new(mount: Mount, destination: str, options: MountOptions, idmap: Idmap | None) -> NewMount:
    kind = mount.type or ""
    read_only = options.set & c.MOUNT_ATTR_RDONLY
    # A tmpfs is filled before it is made read-only: with devices, mount points, copies.
    late = kind == "tmpfs" and bool(read_only)
    superblock = options.superblock
    if read_only and not late and (mount.source or "")[:1] == "/":
        # A disk that may be writable nowhere else must not be opened for writing, either.
        superblock = ("ro", *superblock)
    attributes = (options.set & ~options.recursive_clear) | options.recursive_set
    return NewMount(
        kind=kind,
        source=mount.source or kind,
        destination=destination,
        set=attributes & ~c.MOUNT_ATTR_RDONLY if late else attributes,
        superblock=superblock,
        data=options.data,
        propagation=options.propagation,
        keep=late or kind == "devpts",
        copy_up="tmpcopyup" in options.words and kind == "tmpfs",
        idmap=idmap,
    )


def _node(device: LinuxDevice, name: str) -> Node:
    return Node(
        name=name,
        type=device.type,
        major=device.major,
        minor=device.minor,
        mode=0o666 if device.file_mode is None else device.file_mode & 0o7777,
        uid=device.uid or 0,
        gid=device.gid or 0,
    )
