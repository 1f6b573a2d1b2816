"""`devices.allow` and `devices.deny`.

Kernel: Documentation/admin-guide/cgroup-v1/devices.rst.
"""

from __future__ import annotations

from errno import EPERM

from ..devices import in_user_namespace, parse_list, resolve, transition
from ..errors import ControlFileError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..files import Directory
    from ..resources import LinuxDeviceCgroup


def apply(
    rules: tuple[LinuxDeviceCgroup, ...], directory: Directory, *, fresh: bool, rootless: bool
) -> None:
    """Make the cgroup's device list what `rules` come to.

    `fresh` is a cgroup whose list nobody relies on yet: it is written whole, unread.
    """
    target = resolve(rules)
    current = None if fresh else parse_list(directory.read("devices.list"))
    try:
        for allow, lines in transition(current, target):
            directory.write_lines("devices.allow" if allow else "devices.deny", lines)
    except ControlFileError as e:
        # Needs CAP_SYS_ADMIN on the host.  Without it the kernel's checks on device nodes in a
        # user namespace are stricter than any rule could be.
        if not (
            rootless or target.allows_everything() or (e.errno == EPERM and in_user_namespace())
        ):
            raise
