"""What the plan must know about this host: probed once, then data.

Only what the document asks about is looked at; each fact costs a system call of a start.
"""

from __future__ import annotations

import posix

from libcgroups.files import read_text

from .._record import Record, u32, u64
from ..capabilities import bounding_set
from ..idmap import Mapping, in_user_namespace
from ..namespaces import KINDS, Join, not_joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..spec.document import Spec


class Host(Record):
    """The facts about the host that decide what is planned."""

    euid: u32 = 0
    egid: u32 = 0
    user_namespace: bool = False  # the runtime itself runs in one
    setgroups: bool = True  # allowed in the runtime's user namespace
    bounding: u64 = 2**41 - 1  # capabilities that the runtime could pass on; bit n is number n
    last_capability: u32 = 40  # the highest that the container's bounding set may have
    # Identity of each kind of namespace that the document joins, and of each path that it names.
    namespaces: dict[str, str] = {}
    joined: dict[str, str] = {}
    mapping: Mapping | None = None  # of the user namespace that is joined
    kcore: bool = False  # /proc/kcore is there
    # Security modules, looked at only for a document that has a label: AppArmor's file for the
    # next exec, whether it confines the runtime itself, and whether SELinux is there.
    apparmor: str | None = None
    confined: bool = False
    selinux: bool = False
    resctrl: str | None = None  # where it is mounted; looked at only for intelRdt
    kernel_mounts: tuple[str, ...] = ()  # of proc and sysfs; looked at only without a pivot
    unified: bool = False  # cgroup v2 alone
    cgroups: dict[str, str] = {}


def probe(spec: Spec, *, cgroups: dict[str, str], unified: bool, pivot: bool = True) -> Host:
    """Look at the host as far as `spec` needs it.

    `cgroups` are the directories of the container's cgroup, as its manager has resolved them.
    Raises InitFailed for a namespace path that cannot be looked at.
    """
    nested = in_user_namespace(read_text("/proc/self/uid_map"))
    bounding = bounding_set()
    last = bounding.bit_length() - 1
    joined, own = {}, {}
    setgroups = not nested or read_text("/proc/self/setgroups").strip() != "deny"
    mapping = None
    for ns in spec.linux.namespaces if spec.linux else ():
        if ns.path:
            try:
                joined[ns.path] = _identity(ns.path)
            except OSError as e:
                raise not_joined(Join(ns.type, ns.path), e.errno) from e
            if ns.type in KINDS:
                own[ns.type] = _identity("/proc/self/ns/" + KINDS[ns.type][1])
            if ns.type == "user" and joined[ns.path] != own["user"]:
                from .joined import look_inside  # rare

                mapping, setgroups = look_inside(ns.path)
                last = int(read_text("/proc/sys/kernel/cap_last_cap"))
        elif ns.type == "user":
            # It begins with all that the kernel has, not with what we have.
            last = int(read_text("/proc/sys/kernel/cap_last_cap"))
    return Host(
        euid=posix.geteuid(),
        egid=posix.getegid(),
        user_namespace=nested,
        setgroups=setgroups,
        bounding=bounding,
        last_capability=last,
        namespaces=own,
        joined=joined,
        mapping=mapping,
        kcore=posix.access("/proc/kcore", posix.F_OK),
        **(_modules() if _has_label(spec) else {}),
        resctrl=_resctrl() if spec.linux is not None and spec.linux.intel_rdt is not None else None,
        kernel_mounts=() if pivot else _kernel_mounts(),
        unified=unified,
        cgroups=cgroups,
    )


def _kernel_mounts() -> tuple[str, ...]:
    from .nopivot import kernel_mounts  # rare

    return kernel_mounts()


def _has_label(spec: Spec) -> bool:
    process = spec.process
    asked = process is not None and bool(process.apparmor_profile or process.selinux_label)
    return asked or (spec.linux is not None and bool(spec.linux.mount_label))


def _modules() -> dict[str, Any]:
    from ..lsm import probe as probe_modules  # rare

    found = probe_modules()
    return {"apparmor": found.apparmor, "confined": found.confined, "selinux": found.selinux}


def _resctrl() -> str | None:
    from .. import mountinfo, rdt  # rare

    return rdt.mount_point(mountinfo.read())


def _identity(path: str) -> str:
    found = posix.stat(path)
    return f"{found.st_dev}:{found.st_ino}"
