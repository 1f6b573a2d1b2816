"""Labels of security modules that a process gets with its next exec: AppArmor and SELinux.

The label is written to the process's own attribute file, by itself.  A kernel without the module
has no such file or takes no such text; then a document that asks for a label is refused, because
its author counts on being confined.
"""

from __future__ import annotations

import posix

from ._record import Record
from .errors import SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spec.process import Process

_ENABLED = "/sys/module/apparmor/parameters/enabled"
_ATTRIBUTES = "/proc/self/attr"


class Lsm(Record):
    """The security modules of this host, as far as a document asks for them."""

    apparmor: str | None = None  # AppArmor's file for the next exec, below /proc/PID/attr
    confined: bool = False  # the runtime itself has a profile
    selinux: bool = False


class Label(Record):
    """What is written where, below /proc/PID/attr."""

    file: str
    text: str
    does: str  # for errors, in runc's words


def probe() -> Lsm:
    """Look at the host."""
    file = None
    if _read(_ENABLED)[:1] == "Y":
        # Linux 5.8; before, and where the other module has the file, there is only the plain one.
        own = posix.access(f"{_ATTRIBUTES}/apparmor/exec", posix.F_OK)
        file = "apparmor/exec" if own else "exec"
    current = _read(f"{_ATTRIBUTES}/{file.replace('exec', 'current')}") if file else ""
    return Lsm(
        apparmor=file,
        confined=current.strip("\n\0") not in ("", "unconfined"),
        selinux=posix.access("/sys/fs/selinux/status", posix.F_OK),
    )


def labels(process: Process, lsm: Lsm, *, at_exec: bool = True) -> tuple[Label, ...]:
    """Return the labels of a process, for its next exec, or for now if there is none.

    Raises SpecError for one that this host cannot give.
    """
    found, faults = [], []
    if profile := process.apparmor_profile:
        # Under no_new_privs a confined process may add a profile to its own, not change it.
        change = "exec" if at_exec else "changeprofile"
        verb = "stack" if lsm.confined and process.no_new_privileges else change
        if lsm.apparmor is None:
            faults.append(
                "apparmor profile is specified in config, but apparmor is disabled or not supported"
            )
        else:
            text = f"{verb} {profile}"
            file = lsm.apparmor if at_exec else lsm.apparmor.replace("exec", "current")
            found.append(Label(file, text, "apparmor failed to apply profile"))
    if label := process.selinux_label:
        if not lsm.selinux:
            faults.append(
                "selinux label is specified in config, but selinux is disabled or not supported"
            )
        else:
            file = "exec" if at_exec else "current"
            found.append(Label(file, label, "unable to set the selinux label"))
    if faults:
        raise SpecError(tuple(faults))
    return tuple(found)


def _read(path: str) -> str:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return posix.read(fd, 4096).decode()
    except OSError:
        return ""  # EINVAL: the module that has the file is not enabled
    finally:
        posix.close(fd)
