"""The cgroup file system inside a container, for every layout of the host.

    v2      one cgroup2 mount
    v1      a tmpfs with one directory for each hierarchy, links for those that share one
    hybrid  the same, and the v2 tree at `unified`

With a cgroup namespace the mounts are real ones, rooted at the container's cgroup.  Without one v1
has the container's own directories bound, and v2 the host's whole tree, as with runc and crun: who
asks for the host's namespace there (`--cgroupns=host`, privileged pods) means that.
"""

from __future__ import annotations

import errno

from ..kernel import constants as c
from ..step import Step
from .bind import BindMount
from .devices import Devices, Link
from .filesystem import RESTRICTIONS, NewMount
from .options import MountOptions
from .steps import LateReadOnly

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel
    from .root import Rootfs


class Cgroup2Mount(NewMount):
    """Mount cgroup2; where that is refused, bind what it would have shown."""

    tree: str = "/sys/fs/cgroup"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """A user namespace may mount cgroup2 only with a cgroup namespace of its own."""
        try:
            NewMount.apply(self, rootfs, kernel)
            return
        except OSError as e:
            if e.errno not in (errno.EPERM, errno.EBUSY):
                raise
        try:
            self._bind_tree(rootfs, kernel)
        except (FileNotFoundError, PermissionError):
            # A user without rights has no cgroup there: better nothing than the host's.
            NewMount(
                kind="tmpfs",
                source="tmpfs",
                destination=self.destination,
                set=self.set | c.MOUNT_ATTR_RDONLY,
                data=("mode=555", "nr_blocks=1", "nr_inodes=1"),
            ).apply(rootfs, kernel)

    def _bind_tree(self, rootfs: Rootfs, kernel: Kernel) -> None:
        bind = BindMount(
            source=self.tree,
            destination=self.destination,
            change=True,
            set=self.set,
            keep=self.keep,
            propagation=self.propagation,
        )
        # Not through `prepare`: nothing may be asked of main any more.
        tree = kernel.open_tree(c.AT_FDCWD, self.tree, c.OPEN_TREE_CLONE | c.AT_RECURSIVE)
        rootfs.sources[bind.key()] = tree
        # A fallback must not lose a restriction (CVE-2023-25809): the tree below, too.
        kernel.mount_setattr(tree, set=self.set & RESTRICTIONS, recursive=True)
        bind.apply(rootfs, kernel)


def cgroup_steps(
    destination: str,
    options: MountOptions,
    *,
    cgroups: dict[str, str],
    unified: bool,
    namespace: bool,
) -> tuple[list[Step], list[Step]]:
    """Return the steps of a mount of type cgroup, and those for when all is built.

    `cgroups` is the container's own directory in each hierarchy, by the hierarchy's name as
    /proc/self/cgroup spells it; the empty name is the v2 one.
    """
    if unified:
        mount = Cgroup2Mount(
            kind="cgroup2",
            source="cgroup",
            destination=destination,
            set=options.set,
            propagation=options.propagation,
            tree=cgroups.get("", "/sys/fs/cgroup") if namespace else "/sys/fs/cgroup",
        )
        return [mount], []
    read_only = options.set & c.MOUNT_ATTR_RDONLY
    top = NewMount(
        kind="tmpfs",
        source="cgroup",
        destination=destination,
        set=options.set & ~read_only,  # filled first
        data=("mode=755",),
        propagation=options.propagation,
        keep=bool(read_only),
    )
    steps: list[Step] = [top]
    links = []
    for name, path in cgroups.items():
        folder = path_name(name)
        place = f"{destination}/{folder}"
        steps.append(_hierarchy(name, path, place, options, namespace))
        if "," in name:
            links += [Link(part, folder) for part in name.split(",")]
    if links:
        steps.append(Devices(directory=destination, links=tuple(links)))
    return steps, [LateReadOnly(destination=destination)] if read_only else []


def path_name(hierarchy: str) -> str:
    """Return the directory's name that programs look for: `cpu,cpuacct`, `systemd`, `unified`."""
    return hierarchy.removeprefix("name=") or "unified"


def _hierarchy(name: str, path: str, place: str, options: MountOptions, namespace: bool) -> Step:
    if not namespace:
        return BindMount(
            source=path,
            destination=place,
            change=True,
            set=options.set,
            propagation=options.propagation,
            optional=True,  # a user without rights has no cgroup of his own there
        )
    if not name:
        return Cgroup2Mount(
            kind="cgroup2", source="cgroup", destination=place, set=options.set, tree=path
        )
    data = ("none", name) if name.startswith("name=") else tuple(name.split(","))
    return NewMount(kind="cgroup", source="cgroup", destination=place, set=options.set, data=data)
