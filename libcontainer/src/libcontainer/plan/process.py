"""What becomes of `process`: of the container's own, and of one that exec or a hook adds."""

from __future__ import annotations

from libseccomp.profile import LinuxSeccomp, is_absent

from .._record import Record, u16, u32
from ..adjustments import Adjustment, Affinity, Rlimit
from ..errors import SpecError
from ..spec.rules.process import RLIMITS
from .lastmile import Payload

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..capabilities import CapabilitySets
    from ..spec.linux import Linux
    from ..spec.process import Process
    from .lastmile import Entry

DEFAULT_UMASK = 0o022  # where the document has none, as every other runtime


class Terminal(Record):
    """A terminal for the payload; rows and columns 0 leave the size alone."""

    rows: u16 = 0
    columns: u16 = 0


class Command(Record):
    """The payload's program and what it is given."""

    args: tuple[str, ...]
    env: tuple[str, ...]
    cwd: str
    uid: u32  # whose home directory HOME is, when the environment has none


def command(process: Process, extra_env: tuple[str, ...] = ()) -> Command:
    """Return what is executed, where and with what."""
    env = process.env + extra_env
    return Command(args=process.args, env=env, cwd=process.cwd, uid=process.user.uid)


def payload(
    process: Process,
    linux: Linux,
    *,
    capabilities: CapabilitySets,
    last_capability: int,
    denies_setgroups: bool,
    keep_groups: bool = False,
) -> Payload:
    """Return what the process makes of itself.

    `last_capability` is the highest of the bounding set that it begins with; `keep_groups` leaves
    the supplementary groups alone, whatever the document lists.  Raises SpecError
    for groups that the user namespace does not allow to set.
    """
    groups = process.user.additional_gids
    if denies_setgroups and groups and not keep_groups:
        raise SpecError(("cannot set any additional groups in a rootless container",))
    return Payload(
        uid=process.user.uid,
        gid=process.user.gid,
        groups=None if denies_setgroups or keep_groups else groups,
        capabilities=capabilities,
        last_capability=last_capability,
        no_new_privileges=process.no_new_privileges,
        filter=seccomp_profile(linux) is not None,
    )


def seccomp_profile(linux: Linux) -> LinuxSeccomp | None:
    """Return the profile; None also for the empty object that some engines write for none."""
    return None if linux.seccomp is None or is_absent(linux.seccomp) else linux.seccomp


def umask(process: Process) -> int:
    """Return the file mode creation mask."""
    # Only the permission bits: the kernel takes no more.
    return DEFAULT_UMASK if process.user.umask is None else process.user.umask & 0o777


def terminal(process: Process) -> Terminal | None:
    """Return the terminal, None for a process without one."""
    if not process.terminal:
        return None
    size = process.console_size
    return Terminal(size.height, size.width) if size else Terminal()


def adjustments(process: Process, linux: Linux, *, affinity: str | None) -> tuple[Adjustment, ...]:
    """Return what main sets of a process, by its pid, in this order.

    `affinity` is a list of CPUs; None is all that the cgroup has.
    """
    found: list[Adjustment] = [Rlimit(RLIMITS[r.type], r.soft, r.hard) for r in process.rlimits]
    found.append(Affinity(affinity))
    if process.scheduler is not None or process.io_priority is not None:
        from ..scheduling import scheduling  # rare

        cpu = linux.resources.cpu if linux.resources is not None else None
        cpuset = cpu is not None and bool(cpu.cpus)
        real_time = cpu is not None and bool(cpu.realtime_runtime)
        found += scheduling(process, cpuset=cpuset, real_time=real_time)
    return tuple(found)


def inherited(linux: Linux) -> tuple[Entry, ...]:
    """Return the calls for the memory policy and the personality."""
    if linux.memory_policy is None and linux.personality is None:
        return ()
    from . import rare

    return tuple(rare.inherited(linux))
