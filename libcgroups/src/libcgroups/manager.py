"""Which manager: v1 (and hybrid), v2, systemd, or none at all."""

from __future__ import annotations

from . import _log
from .errors import CgroupError
from .state import ROOT, CgroupState

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .protocol import CgroupManager


def open_manager(
    path: str | None,
    *,
    container_id: str,
    systemd: bool = False,
    disabled: bool = False,
    rootless: bool = False,
    annotations: dict[str, str] | None = None,
    root: str = ROOT,
    proc: str = "/proc",
) -> CgroupManager:
    """Return the manager of a cgroup that need not exist yet.

    `path` is the spec's `linux.cgroupsPath`: absolute is below the mount point, relative starts
    at the caller's own cgroup (v2: beside it), None stands for `container_id`; with `systemd` it
    is `slice:prefix:name`.  `rootless` tolerates refused hierarchies as long as no limit needs
    them.  `annotations` may hold `org.systemd.property.*`.
    """
    if disabled:
        from .disabled import Manager as Disabled

        _log.debug("no cgroup, as asked for")
        return Disabled()
    from .paths import find_hierarchies, find_unified, is_unified

    if systemd:
        _log.debug(f"cgroup manager systemd, unit {path or 'by the container id'}")
        from .systemd.manager import open_systemd

        return open_systemd(
            path, container_id, rootless=rootless, annotations=annotations or {}, root=root,
            proc=proc,
        )  # fmt: skip
    wanted = path or container_id
    if is_unified(root):
        from .v2.manager import Manager as V2

        unified = find_unified(root, proc, wanted)
        _log.debug(f"cgroup manager v2, {unified.path}")
        return V2(unified, rootless=rootless, default=not path, root=root)
    from .v1.manager import Manager as V1

    hierarchies = find_hierarchies(root, proc, wanted)
    if not [h for h in hierarchies if h.key]:
        raise CgroupError(f"no cgroup hierarchy is mounted below {root}")
    _log.debug(f"cgroup manager v1, {', '.join([h.path for h in hierarchies])}")
    return V1(hierarchies, rootless=rootless, root=root)


def load_manager(state: CgroupState) -> CgroupManager:
    """Return the manager of a cgroup that was made before."""
    if state.manager == "v1":
        from .v1.manager import load as load_v1

        return load_v1(state)
    if state.manager == "v2":
        from .v2.manager import load as load_v2

        return load_v2(state)
    if state.manager == "systemd":
        from .systemd.manager import load as load_systemd

        return load_systemd(state)
    from .disabled import Manager as Disabled

    return Disabled()
