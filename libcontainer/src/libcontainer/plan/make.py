"""From a document and a host to a plan.  Pure: the same two always give the same plan."""

from __future__ import annotations

from libcgroups.controllers import has_limits, split
from libcgroups.resources import LinuxResources

from .. import _log
from .._record import Record, i32
from ..attributes import Domainname, Hostname, LoopbackUp, SessionKeyring, Sysctl
from ..capabilities import sets, unavailable
from ..errors import SpecError
from ..idmap import IdRange, Mapping
from ..kernel import constants as c
from ..namespaces import KINDS, Join, Namespaces
from ..rootfs.steps import NewMount
from ..spec.linux import Linux
from ..spec.rules.sysctl import needed_namespace, refusal, sysctl_path
from .mounts import PROPAGATION, finish_steps, mount_steps
from .plan import Plan
from .process import (
    adjustments,
    command,
    inherited,
    payload,
    seccomp_profile,
    terminal,
    umask,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..adjustments import Adjustment
    from ..capabilities import CapabilitySets
    from ..spec.document import Spec
    from ..spec.process import Process
    from ..step import Step
    from .host import Host
    from .lastmile import Entry, Payload

# A memory limit above this is set before the hooks, like other runtimes do; below it Python would
# not live long enough to build the container.
EARLY_MEMORY = 64 << 20  # bytes
# With a new user namespace these wait until init is root in it.
_AFTER_MAPS = c.CLONE_NEWIPC | c.CLONE_NEWNET


class Options(Record):
    """What the caller of create decides, beside the document."""

    id: str
    bundle: str  # absolute
    rootfs: str  # absolute, resolved
    pivot: bool = True
    keyring: bool = True
    preserve_fds: i32 = 0
    extra_env: tuple[str, ...] = ()  # after the document's own
    keep_groups: bool = False  # supplementary groups stay the caller's
    seccomp_strict: bool = False
    delegate: str | None = None  # a cgroup below the container's for its root, where init ends
    executor: str | None = None  # what runs in place of the command's program
    sealed: bool = False  # the runtime's interpreter is a copy that nobody can write


def make_plan(spec: Spec, host: Host, options: Options) -> Plan:
    """Decide everything that will be done.

    Raises SpecError for what this host makes impossible.
    """
    process = spec.process
    if process is None:
        raise SpecError(("process property must not be empty",))
    linux = spec.linux or Linux()
    namespaces = _namespaces(linux, host)
    mapping = _mapping(linux) if namespaces.new("user") else None
    _refuse(spec, linux, host, namespaces, options)
    inside = host.mapping if namespaces.joins("user") else mapping
    capabilities = _capabilities(process, host, inside)
    _check_executor(spec, namespaces, capabilities, options)
    build, late = mount_steps(spec, linux, host, namespaces, options.bundle, options.rootfs)
    # Only true root may make device rules; without it no device can be made either.
    true_root = host.euid == 0 and not host.user_namespace
    resources = _as_meant(linux.resources, spec.oci_version)
    early_limits, late_limits = split_limits(resources, devices=true_root)
    become_uid, become_gid = _become(process, inside)
    return Plan(
        id=options.id,
        bundle=options.bundle,
        rootfs=options.rootfs,
        namespaces=namespaces,
        mapping=mapping,
        become_uid=become_uid,
        become_gid=become_gid,
        setup=_setup_steps(spec, namespaces, options),
        build=tuple(build),
        finish=(*_sysctls(linux), *finish_steps(spec, linux, late)),
        command=command(process, options.extra_env),
        executor=options.executor,
        payload=_payload(process, linux, host, mapping, capabilities, options),
        labels=_labels(process, host, namespaces, options),
        inherited=inherited(linux),
        umask=umask(process),
        adjustments=(*adjustments(process, linux, affinity=None), *_rdt(linux, host, options)),
        oom_score_adj=process.oom_score_adj,
        oom_score_optional=not true_root,
        delegate=options.delegate,
        delegate_uid=_owner(inside, host),
        early=early_limits,
        late=late_limits,
        net_devices={n: d.name or n for n, d in (linux.net_devices or {}).items()},
        hooks=spec.hooks,
        meet=_must_meet(spec, process, linux, build),
        seccomp=seccomp_profile(linux),
        seccomp_strict=options.seccomp_strict,
        terminal=terminal(process),
        pivot=options.pivot,
        hidden=_hidden(host, options),
        propagation=_final_propagation(linux),
        preserve_fds=options.preserve_fds,
        annotations=spec.annotations or {},
    )


def _payload(
    process: Process,
    linux: Linux,
    host: Host,
    mapping: Mapping | None,
    capabilities: CapabilitySets,
    options: Options,
) -> Payload:
    return payload(
        process,
        linux,
        capabilities=capabilities,
        last_capability=host.last_capability,
        denies_setgroups=_denies_setgroups(host, mapping),
        keep_groups=options.keep_groups,
    )


def _become(process: Process, inside: Mapping | None) -> tuple[int | None, int | None]:
    """Return who init is in its user namespace: root, or the payload where that has no root."""
    if inside is None:
        return None, None
    return (0, 0) if inside.host_uid(0) is not None else (process.user.uid, process.user.gid)


def _owner(inside: Mapping | None, host: Host) -> int:
    """Return whom the container's root is on the host."""
    owner = None if inside is None else inside.host_uid(0)
    return host.euid if owner is None else owner


def _check_executor(
    spec: Spec, namespaces: Namespaces, capabilities: CapabilitySets, options: Options
) -> None:
    if options.executor is not None:
        from .rare import check_executor

        check_executor(options.executor, spec, namespaces, capabilities, sealed=options.sealed)


def _capabilities(process: Process, host: Host, inside: Mapping | None) -> CapabilitySets:
    """Return the sets of the process; `inside` are the maps of the user namespace around it."""
    # A new user namespace begins with every capability, whatever the runtime itself has.
    full = (1 << (host.last_capability + 1)) - 1
    found, refused = sets(process.capabilities, full if inside is not None else host.bounding)
    if refused:
        _log.warning(unavailable(refused))
    return found


def _denies_setgroups(host: Host, mapping: Mapping | None) -> bool:
    # A new user namespace inherits the prohibition of the one around it.
    return not host.setgroups or (mapping is not None and mapping.denies_setgroups(host.euid))


def _must_meet(spec: Spec, process: Process, linux: Linux, build: Sequence[Step]) -> bool:
    """Whether main has something to do between the mounts and what follows."""
    return bool(
        _has_create_hooks(spec)
        or linux.net_devices
        or any([_opens_device(step) for step in build])
        or process.terminal  # opens the multiplexer, which must be allowed by then
    )


def _labels(
    process: Process, host: Host, namespaces: Namespaces, options: Options
) -> tuple[Entry, ...]:
    if not process.apparmor_profile and not process.selinux_label:
        return ()
    from ..lsm import Lsm, labels  # rare
    from .labels import write_labels

    found = labels(
        process,
        Lsm(host.apparmor, host.confined, host.selinux),
        at_exec=options.executor is None,
    )
    if namespaces.pid is not None:
        # Of the process after the fork, which only its own procfs entry knows.
        return tuple(write_labels(found, handle="attr", folder="self/attr/"))
    return tuple(write_labels(found, handle="attr"))


def _rdt(linux: Linux, host: Host, options: Options) -> tuple[Adjustment, ...]:
    if linux.intel_rdt is None:
        return ()
    from ..rdt import plan_rdt  # rare

    return (plan_rdt(linux.intel_rdt, options.id, host.resctrl),)


def _as_meant(resources: LinuxResources | None, version: str) -> LinuxResources | None:
    """Return the resources with the meaning of today.

    Before version 1.3 a pids limit of 0 was what engines write for none.
    """
    if resources is None or resources.pids is None or resources.pids.limit != 0:
        return resources
    minor = version.split(".")[1]
    if not minor.isdecimal() or int(minor) >= 3:
        return resources
    return resources.replace(pids=resources.pids.replace(limit=-1))


def split_limits(
    resources: LinuxResources | None, *, devices: bool
) -> tuple[LinuxResources, LinuxResources | None]:
    """Return the limits to set before the hooks, and those after Python has left the cgroup.

    cpu bandwidth and a small memory limit are late: under 1 % of a CPU the Python that builds
    the container would take a second, under 512 kB it would be killed.
    Device rules are on unless `devices` is false: nothing given means that nothing but the
    defaults is allowed.
    """
    given = resources or LinuxResources()
    given = given.replace(devices=(given.devices or ()) if devices else None)
    limit = given.memory.limit if given.memory is not None else None
    small = limit is not None and 0 < limit <= EARLY_MEMORY
    # What `unified` says of memory is not read here; it may be small.
    small |= any([name.startswith("memory.") for name in given.unified or ()])
    early, late = split(given, memory_early=not small)
    return early, late if has_limits(late) else None


def _namespaces(linux: Linux, host: Host) -> Namespaces:
    clone, unshare, cgroup, time, pid = 0, 0, False, False, None
    joins = {}
    new_user = any([ns.type == "user" and not ns.path for ns in linux.namespaces])
    for ns in linux.namespaces:
        flag = KINDS[ns.type][0]
        if ns.path:
            if host.joined.get(ns.path) == host.namespaces.get(ns.type, ""):
                continue  # the runtime's own: nothing to join
            if ns.type == "pid":
                pid = ns.path
            else:
                joins[ns.type] = Join(ns.type, ns.path)
        elif ns.type == "cgroup":
            cgroup = True
        elif ns.type == "time":
            time = True
        elif new_user and flag & _AFTER_MAPS:
            unshare |= flag
        else:
            clone |= flag
    order = [joins[kind] for kind in KINDS if kind in joins]
    return Namespaces(
        clone=clone,
        unshare=unshare,
        time=time,
        offsets=_offsets(linux) if time else "",
        cgroup=cgroup,
        join=tuple(order),
        pid=pid,
    )


def _offsets(linux: Linux) -> str:
    """Return the offsets of the clocks as /proc/PID/timens_offsets takes them."""
    offsets = linux.time_offsets or {}
    return "".join([f"{clock} {o.secs} {o.nanosecs}\n" for clock, o in offsets.items()])


def _mapping(linux: Linux) -> Mapping:
    return Mapping(
        uids=tuple([IdRange(m.container_id, m.host_id, m.size) for m in linux.uid_mappings]),
        gids=tuple([IdRange(m.container_id, m.host_id, m.size) for m in linux.gid_mappings]),
    )


def _refuse(spec: Spec, linux: Linux, host: Host, namespaces: Namespaces, options: Options) -> None:
    """Raise SpecError for what the document alone does not show to be wrong."""
    faults = []
    if host.euid != 0 and not namespaces.own("user"):
        faults.append("rootless container requires user namespaces")
    if spec.hostname and not namespaces.own("uts"):
        faults.append("unable to set hostname without a private UTS namespace")
    if spec.domainname and not namespaces.own("uts"):
        faults.append("unable to set domainname without a private UTS namespace")
    mounts = namespaces.own("mount")
    if not mounts and (linux.masked_paths or linux.readonly_paths):
        faults.append("unable to restrict sys entries without a private MNT namespace")
    if not mounts and spec.mounts:
        faults.append("unable to mount without a private MNT namespace")
    if not mounts and spec.root is not None and spec.root.readonly:
        # It would be the host's mount that changes.
        faults.append("unable to make the root read-only without a private MNT namespace")
    if not options.pivot and linux.rootfs_propagation in ("private", "rprivate"):
        faults.append("rootfsPropagation of [r]private is not safe without pivot_root")
    faults += _refuse_sysctls(linux, namespaces)
    if linux.net_devices and not namespaces.own("network"):
        faults.append("unable to move network devices without a private NET namespace")
    if linux.net_devices and host.euid != 0:
        faults.append("network devices are not supported for rootless containers")
    if namespaces.enters_pid_early() and spec.hooks is not None and spec.hooks.create_container:
        # What init forks is in that pid namespace, and would be an interpreter before it is a hook.
        text = "createContainer hooks where a pid namespace is joined beside a new user namespace"
        faults.append(f"not supported: {text}")
    if namespaces.joins("user") and (linux.uid_mappings or linux.gid_mappings):
        # Engines repeat them; other ones would be a container that is not what was asked for.
        if _sorted(_mapping(linux)) != _sorted(host.mapping or Mapping((), ())):
            faults.append("the id mappings are not those of the user namespace at its path")
    if faults:
        raise SpecError(tuple(faults))


def _sorted(mapping: Mapping) -> tuple[list[tuple[int, int, int]], ...]:
    return tuple(
        [
            sorted([(r.inside, r.outside, r.size) for r in ranges])
            for ranges in (mapping.uids, mapping.gids)
        ]
    )


def _refuse_sysctls(linux: Linux, namespaces: Namespaces) -> list[str]:
    """Return what would be set on the host: a path may lead to the runtime's own namespace."""
    faults = []
    for key in linux.sysctl or {}:
        kind = needed_namespace(sysctl_path(key))
        if kind is not None and not namespaces.own(kind):
            faults.append(refusal(kind, key))
    return faults


def _setup_steps(spec: Spec, namespaces: Namespaces, options: Options) -> tuple[Step, ...]:
    steps: list[Step] = []
    if options.keyring:
        name = f"_ses.{options.id}"
        label = spec.process.selinux_label if spec.process is not None else None
        steps.append(SessionKeyring(name=name, label=label or None))
    if namespaces.new("network"):
        steps.append(LoopbackUp())
    if spec.hostname:
        steps.append(Hostname(spec.hostname))
    if spec.domainname:
        steps.append(Domainname(spec.domainname))
    return tuple(steps)


def _sysctls(linux: Linux) -> tuple[Step, ...]:
    return tuple([Sysctl(key, value) for key, value in (linux.sysctl or {}).items()])


def _final_propagation(linux: Linux) -> int | None:
    asked = PROPAGATION[linux.rootfs_propagation or "rslave"]
    return asked if asked & (c.MS_SHARED | c.MS_UNBINDABLE) else None


def _hidden(host: Host, options: Options) -> tuple[str, ...]:
    if not host.kernel_mounts:
        return ()
    from .nopivot import is_below  # rare

    return tuple([path for path in host.kernel_mounts if not is_below(path, options.rootfs)])


def _has_create_hooks(spec: Spec) -> bool:
    return spec.hooks is not None and bool(
        spec.hooks.prestart or spec.hooks.create_runtime or spec.hooks.create_container
    )


def _opens_device(step: Step) -> bool:
    """Whether a mount opens a device of the host, which the device rules might then forbid."""
    return isinstance(step, NewMount) and step.source.startswith("/dev/")
