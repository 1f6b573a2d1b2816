"""The plan of a tenant: one more process in a container that is already there.

What the process is comes from the container's own document, changed by exec's options, or whole
from a file; how it gets in depends on the container that runs.  Pure: what is on the host is in
`TenantHost` and `Way`.

    the stub, in the runtime's namespaces      the tenant
      closes what the caller left open
      forks into the cgroup (v2), enters (v1)
      joins the namespaces, is root there
      closes every handle of the host
      forks into the pid namespace ──────────> keyring, session, terminal, umask
                                               R, g, reductions, S: as in create
                                               execve, at once: nobody waits for start

No Python runs in any of it, and after the last fork no descriptor of the host is open
(CVE-2016-9962): who can look into the tenant from then on finds pipes.
"""

from __future__ import annotations

import posix

from libseccomp.profile import LinuxSeccomp

from .. import _log
from .._record import Record, i32, u32, u64
from ..adjustments import Adjustment, Affinity, list_mask
from ..capabilities import sets, unavailable
from ..kernel import constants as c
from ..spec.linux import Linux
from ..spec.process import LinuxCapabilities
from . import process as shared
from .lastmile import Entry, Payload, hide, meet_main, reduce, shed
from .process import Command, Terminal, seccomp_profile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..spec.process import Process

_SAME_ID = 0xFFFFFFFF  # chown(2): leave it as it is


class Changes(Record):
    """What the options of exec change of the container's own process."""

    args: tuple[str, ...] = ()
    cwd: str | None = None
    env: tuple[str, ...] = ()  # after the container's, so that these count
    terminal: bool = False
    uid: u32 | None = None
    gid: u32 | None = None  # None: the container's, whatever the uid
    additional_gids: tuple[u32, ...] = ()
    capabilities: tuple[str, ...] = ()
    no_new_privileges: bool | None = None  # None: as the container's
    apparmor_profile: str | None = None
    selinux_label: str | None = None


class TenantHost(Record):
    """The facts about the runtime and the running container that decide what is planned."""

    true_root: bool = True  # the runtime is root of the host
    bounding: u64 = 2**41 - 1  # capabilities that the runtime could pass on
    last_capability: u32 = 40  # the highest in the bounding set that the tenant begins with
    namespaces: u64 = 0  # CLONE_NEW flags of the kinds that are not the runtime's own
    root_mapped: bool = True  # the container's user namespace has a uid 0 and a gid 0
    setgroups: bool = True  # allowed there
    # Security modules and resctrl, looked at only where they are asked for.  See `Host`.
    apparmor: str | None = None
    confined: bool = False
    selinux: bool = False
    resctrl: str | None = None


class TenantPlan(Record):
    """A tenant as it will be made."""

    command: Command
    payload: Payload
    umask: u32
    inherited: tuple[Entry, ...]
    labels: tuple[Entry, ...]
    adjustments: tuple[Adjustment, ...]  # by main, between `R` and `g`
    affinity: str | None  # CPUs before the cgroup is entered
    oom_score_adj: i32 | None
    oom_score_optional: bool
    seccomp: LinuxSeccomp | None
    seccomp_strict: bool
    terminal: Terminal | None
    keyring: str | None  # None: the caller's
    namespaces: u64  # to join: CLONE_NEW flags
    become_root: bool  # of the container's user namespace
    preserve_fds: u32


class Way(Record):
    """How the tenant gets into its cgroup."""

    born: bool = False  # in a directory of v2, by a fork of the stub
    tasks: u32 = 0  # how many files of v1 it writes itself to
    moved: bool = False  # main moves it: slow, for a cgroup that cannot be entered from inside


def changed(base: Process, changes: Changes) -> Process:
    """Return the container's process with what exec's options say."""
    asked = changes.no_new_privileges
    user = base.user.replace(
        uid=base.user.uid if changes.uid is None else changes.uid,
        gid=base.user.gid if changes.gid is None else changes.gid,
        additional_gids=base.user.additional_gids + changes.additional_gids,
    )
    return base.replace(
        args=changes.args,
        cwd=changes.cwd or base.cwd,
        env=base.env + changes.env,
        terminal=changes.terminal,
        user=user,
        capabilities=_more(base.capabilities, changes.capabilities),
        no_new_privileges=base.no_new_privileges if asked is None else asked,
        apparmor_profile=changes.apparmor_profile or base.apparmor_profile,
        selinux_label=changes.selinux_label or base.selinux_label,
    )


def plan_tenant(
    process: Process,
    linux: Linux | None,
    host: TenantHost,
    *,
    id: str,
    keyring: bool = True,
    keep_groups: bool = False,
    seccomp_strict: bool = False,
    preserve_fds: int = 0,
) -> TenantPlan:
    """Decide everything that will be done.

    `keyring` says whether the container has a session keyring of its own; the others are as for
    create.  Raises SpecError for what is impossible there.
    """
    linux = linux or Linux()
    user = bool(host.namespaces & c.CLONE_NEWUSER)
    # A user namespace gives every capability to who joins it, whatever the runtime itself has.
    available = (1 << (host.last_capability + 1)) - 1 if user else host.bounding
    capabilities, refused = sets(process.capabilities, available)
    if refused:
        _log.warning(unavailable(refused))
    affinity = process.exec_cpu_affinity
    return TenantPlan(
        command=shared.command(process),
        payload=shared.payload(
            process,
            linux,
            capabilities=capabilities,
            last_capability=host.last_capability,
            denies_setgroups=not host.setgroups,
            keep_groups=keep_groups,
        ),
        umask=shared.umask(process),
        inherited=shared.inherited(linux),
        labels=_labels(process, host),
        adjustments=(*_adjustments(process, linux), *_rdt(linux, host, id)),
        affinity=(affinity.initial if affinity is not None else None) or None,
        oom_score_adj=process.oom_score_adj,
        oom_score_optional=not host.true_root,
        seccomp=seccomp_profile(linux),
        seccomp_strict=seccomp_strict,
        terminal=shared.terminal(process),
        keyring=f"_ses.{id}" if keyring else None,
        namespaces=host.namespaces,
        become_root=user and host.root_mapped,
        preserve_fds=preserve_fds,
    )


def handle_names(plan: TenantPlan, way: Way) -> tuple[str, ...]:
    """Return the stub's descriptors in the order in which they lie above the preserved ones."""
    names = ["sync", "go", *(["attr"] if plan.labels else []), "init"]
    if not plan.namespaces & c.CLONE_NEWNS:
        names.append("root")
    if way.born:
        names.append("cgroup")
    return (*names, *[f"tasks{i}" for i in range(way.tasks)])


def tenant_mile(
    plan: TenantPlan,
    way: Way,
    *,
    cwd_late: str | None = None,
    filter_flags: int = 0,
    notifies: bool = False,
    channels: tuple[int, ...] = (),
) -> list[Entry]:
    """Return the tenant's list, in order.

    With `notifies` the filter has a listener, which is gone with the exec unless main has it by
    then: the process waits for that.  `cwd_late` is the working directory if only the payload
    itself can open it; `channels` are those of stdio that the payload is to own.
    """
    first_own = 3 + plan.preserve_fds
    names = handle_names(plan, way)
    return [
        *_set_oom_score(plan),
        *hide("pyoci:exec"),
        *_reset_signals(),
        # The caller's descriptors, which it did not ask us to pass on: nobody inside may see them.
        Entry(
            "close_range", (first_own + len(names), c.LAST_FD, 0), "close what the caller left open"
        ),
        *_enter_cgroup(plan, way),
        *_join(plan),
        # All that is left is stdio, what was preserved, two pipes, and for a label the procfs
        # that the container has anyway.
        Entry("close_range", (first_own + names.index("init"), c.LAST_FD, 0), "forget the host"),
        *_own(plan, channels),
        *shed(plan.payload, cwd=plan.command.cwd, cwd_late=cwd_late),
        *_fork(plan),
        # The join, if not the fork, has changed credentials, and with them this.
        Entry("prctl", (c.PR_SET_DUMPABLE, 0, 0, 0, 0), "hide"),
        *_settle(plan),
        *plan.inherited,
        *plan.labels,
        *meet_main(),
        *reduce(
            plan.payload.replace(filter_flags=filter_flags),
            first_own=first_own,
            cwd_late=cwd_late,
        ),
        Entry("write", ("fd:sync", "text:S", 1), "tell main", want=1),
        *([Entry("read", ("fd:go", "buffer:8", 1), "wait for main", want=1)] if notifies else ()),
        Entry("execve", ("data:path", "data:argv", "data:env"), "exec"),
    ]


def _more(base: LinuxCapabilities | None, names: tuple[str, ...]) -> LinuxCapabilities | None:
    """Add capabilities to what the process may have.

    Never to the inheritable set, which would hand them on to what it executes (CVE-2022-29162).
    """
    if not names:
        return base
    base = base or LinuxCapabilities()
    return base.replace(
        bounding=base.bounding + names,
        effective=base.effective + names,
        permitted=base.permitted + names,
        ambient=base.ambient + (names if base.inheritable else ()),
    )


def _adjustments(process: Process, linux: Linux) -> tuple[Adjustment, ...]:
    affinity = process.exec_cpu_affinity
    final = (affinity.final if affinity is not None else None) or None
    found = shared.adjustments(process, linux, affinity=final)
    if affinity is None or final is not None:
        return found
    # What was asked for before the cgroup is not taken back after it.
    return tuple([a for a in found if not isinstance(a, Affinity)])


def _labels(process: Process, host: TenantHost) -> tuple[Entry, ...]:
    if not process.apparmor_profile and not process.selinux_label:
        return ()
    from ..lsm import Lsm, labels  # rare
    from .labels import write_labels

    found = labels(process, Lsm(host.apparmor, host.confined, host.selinux))
    return tuple(write_labels(found, handle="attr", folder="self/attr/"))


def _rdt(linux: Linux, host: TenantHost, id: str) -> tuple[Adjustment, ...]:
    """The container's group as it is: nothing of it is made or changed."""
    if linux.intel_rdt is None:
        return ()
    from ..rdt import plan_rdt  # rare

    return (plan_rdt(linux.intel_rdt, id, host.resctrl).replace(made=False, lines=()),)


def _set_oom_score(plan: TenantPlan) -> list[Entry]:
    """By the stub itself: once hidden, only root may write the file; inside, only the host may."""
    if plan.oom_score_adj is None:
        return []
    text = str(plan.oom_score_adj)
    path, may_fail = "text:/proc/self/oom_score_adj", plan.oom_score_optional
    what = f"set oom_score_adj to {text}"
    flags = posix.O_WRONLY | posix.O_CLOEXEC
    return [
        Entry("openat", (c.AT_FDCWD, path, flags, 0), what, ignore=may_fail),
        Entry("write", ("result:-1", "text:" + text, len(text)), what, ignore=may_fail),
    ]


def _reset_signals() -> list[Entry]:
    """The two signals that glibc keeps to itself, and ignores in what its posix_spawn starts."""
    default = "hex:" + bytes(32).hex()  # struct sigaction: SIG_DFL, no flags, no mask
    return [Entry("rt_sigaction", (number, default, 0, 8), "reset a signal") for number in (32, 33)]


def _enter_cgroup(plan: TenantPlan, way: Way) -> list[Entry]:
    """From outside, before the namespaces: inside, the cgroups of the host may not be there."""
    entries = []
    if plan.affinity is not None:
        mask = list_mask(plan.affinity)
        args = (0, len(mask), "hex:" + mask.hex())
        entries.append(Entry("sched_setaffinity", args, "set the initial CPU affinity"))
    if way.moved:
        entries += [
            Entry("write", ("fd:sync", "text:C", 1), "ask main for the cgroup", want=1),
            Entry("read", ("fd:go", "buffer:8", 1), "wait for main", want=1),
        ]
    if way.born:
        # A fork, because moving takes a lock that the whole host waits for (libcgroups.entry).
        entries.append(Entry("clone3", ("into:cgroup", 88), "fork into the cgroup", fork=True))
    for i in range(way.tasks):
        entries.append(Entry("write", (f"fd:tasks{i}", "text:0", 1), "enter the cgroup", want=1))
    return entries


def _join(plan: TenantPlan) -> list[Entry]:
    """Join everything in one call, so that nothing is ever half joined."""
    entries = []
    if plan.namespaces:
        what = "join the container's namespaces"
        entries.append(Entry("setns", ("fd:init", plan.namespaces), what))
    if not plan.namespaces & c.CLONE_NEWNS:
        entries += [
            Entry("fchdir", ("fd:root",), "change into the container's root"),
            Entry("chroot", ("text:.",), "change the root"),
        ]
    if plan.become_root:
        if plan.payload.groups is not None:
            entries.append(Entry("setgroups", (0, 0), "give up the caller's groups"))
        entries += [
            Entry("setresgid", (0, 0, 0), "become root of the container"),
            Entry("setresuid", (0, 0, 0), "become root of the container"),
        ]
    return entries


def _fork(plan: TenantPlan) -> list[Entry]:
    """Only a child is in the pid namespace; it stays a child of main."""
    if not plan.namespaces & c.CLONE_NEWPID:
        return []
    args = (c.CLONE_PARENT, 0, 0, 0, 0)
    return [Entry("clone", args, "fork into the pid namespace", fork=True)]


def _own(plan: TenantPlan, channels: tuple[int, ...]) -> list[Entry]:
    """Programs reopen /proc/self/fd/1.  Best effort: what is lost is just that."""
    uid = plan.payload.uid
    return [Entry("fchown", (fd, uid, _SAME_ID), "own stdio", ignore=True) for fd in channels]


def _settle(plan: TenantPlan) -> list[Entry]:
    """What belongs to the process that stays: its keyring, session, terminal, and umask."""
    entries = []
    if plan.keyring is not None:
        # Here, because names of keyrings are looked up in the user namespace.
        join = (c.KEYCTL_JOIN_SESSION_KEYRING, "text:" + plan.keyring, 0, 0, 0)
        entries.append(Entry("keyctl", join, "join the session keyring"))
    entries.append(Entry("setsid", (), "begin a session"))
    if plan.terminal is not None:
        entries.append(Entry("ioctl", (0, c.TIOCSCTTY, 0), "set the controlling terminal"))
    entries.append(Entry("umask", (plan.umask,), "set the umask"))
    return entries
