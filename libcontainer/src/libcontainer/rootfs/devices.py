"""Device nodes and the links in /dev."""

from __future__ import annotations

import errno
import posix
import stat
import time

from .._record import Record, i64, u32
from ..kernel import constants as c
from ..step import Step
from . import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..idmap import Mapping
    from ..kernel import Kernel
    from .root import Rootfs

KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK, "p": stat.S_IFIFO}


class Node(Record):
    """A device node by its name in a directory."""

    name: str
    type: str  # c, u, b or p, as the spec spells them
    major: i64 = 0
    minor: i64 = 0
    mode: u32 = 0o666
    uid: u32 = 0  # ids of the container
    gid: u32 = 0


class MadeNode(Record):
    """A device node as main makes it, for a user namespace in which nobody can."""

    node: Node

    def make(self, name: str, directory: int, mapping: Mapping | None, kernel: Kernel) -> None:
        """Make it, with the ids that the host has for those of the container."""
        node = self.node
        device = posix.makedev(node.major, node.minor)
        kernel.mknodat(directory, name, KINDS[node.type] | node.mode, device)
        uid = mapping.host_uid(node.uid) if mapping else None
        gid = mapping.host_gid(node.gid) if mapping else None
        kernel.fchownat(directory, name, -1 if uid is None else uid, -1 if gid is None else gid)


class Link(Record):
    """A symbolic link by its name in a directory."""

    name: str
    target: str
    forced: bool = False  # take the place of a file or link of that name


# runtime-spec: config-linux.md, "Default Devices".
DEFAULT_NODES = (
    Node("null", "c", 1, 3),
    Node("zero", "c", 1, 5),
    Node("full", "c", 1, 7),
    Node("random", "c", 1, 8),
    Node("urandom", "c", 1, 9),
    Node("tty", "c", 5, 0),
)
DEFAULT_LINKS = (
    Link("fd", "/proc/self/fd"),
    Link("stdin", "/proc/self/fd/0"),
    Link("stdout", "/proc/self/fd/1"),
    Link("stderr", "/proc/self/fd/2"),
    Link("ptmx", "pts/ptmx", forced=True),
)
CORE_LINK = Link("core", "/proc/kcore")  # where the host has it


class Devices(Step):
    """Put nodes and links into one directory of the container."""

    directory: str
    nodes: tuple[Node, ...] = ()
    links: tuple[Link, ...] = ()
    console: bool = False  # a place to bind a terminal to, once the root may be read-only
    bind: bool = False  # bind the host's nodes: in a user namespace mknod is not allowed

    def describe(self) -> str:
        """Name the directory and what goes into it."""
        names = ", ".join([n.name for n in self.nodes] + [link.name for link in self.links])
        return f"fill {self.directory} with {names}"

    def prepare(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Clone the host's nodes before any mount of the container could cover them."""
        for node in self.nodes if self.bind else ():
            if node.type != "p":
                self._prepare(node, rootfs, kernel)

    def _prepare(self, node: Node, rootfs: Rootfs, kernel: Kernel) -> None:
        try:
            tree = self._open(node, kernel)
        except OSError:
            if not rootfs.outside:
                raise
        else:
            # Its mode and owner are the host's; where others are asked for, it is made.
            mode = stat.S_IMODE(posix.fstat(tree).st_mode)
            if not rootfs.outside or (mode == node.mode and not (node.uid or node.gid)):
                rootfs.sources[self._key(node)] = tree
                return
            posix.close(tree)
        rootfs.asked.append((self, self._key(node), MadeNode(node)))

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """By name below one handle of the directory: it cannot be exchanged under us."""
        with rootfs.target(self.directory, directory=True) as directory:
            for node in self.nodes:
                if self.bind and node.type != "p":
                    self._bind(node, directory, rootfs, kernel)
                else:
                    self._make(node, directory, rootfs, kernel)
            if self.console:
                _make_console(directory)
            for link in self.links:
                _make_link(link, directory)

    def _make(self, node: Node, directory: int, rootfs: Rootfs, kernel: Kernel) -> None:
        device = posix.makedev(node.major, node.minor) if node.type != "p" else 0
        # Main writes the rules of cgroup v1 meanwhile, and it begins with "deny all".
        for wait in (0.005, 0.02, None) if rootfs.makes_nodes else (None,):
            try:
                # The umask is 0 while init builds, so the mode is the document's.
                kernel.mknodat(directory, node.name, KINDS[node.type] | node.mode, device)
                break
            except FileExistsError:
                _same_device(node, directory, device)
                return
            except PermissionError:
                if wait is None:
                    rootfs.makes_nodes = False
                    self._bind(node, directory, rootfs, kernel)
                    return
                time.sleep(wait)
        if node.uid or node.gid:
            kernel.fchownat(directory, node.name, node.uid, node.gid)

    def _bind(self, node: Node, directory: int, rootfs: Rootfs, kernel: Kernel) -> None:
        key = self._key(node)
        if key not in rootfs.sources:
            rootfs.sources[key] = self._open(node, kernel)
        wanted = posix.makedev(node.major, node.minor)
        with resolve.Handle(rootfs.sources.pop(key)) as tree:
            try:
                posix.mknod(node.name, stat.S_IFREG | 0o644, dir_fd=directory)
            except FileExistsError:
                pass
            target = kernel.openat2(
                directory, node.name, c.O_PATH | posix.O_NOFOLLOW, c.RESOLVE_BENEATH
            )
            with resolve.Handle(target):
                if not stat.S_ISREG(posix.fstat(target).st_mode):
                    _same_device(node, directory, wanted)
                    return
                kernel.move_mount(tree, target)

    def _open(self, node: Node, kernel: Kernel) -> int:
        """Return a clone of the host's node at the same path.  Raises OSError for another one."""
        path = self._path(node)
        tree = kernel.open_tree(c.AT_FDCWD, path, c.OPEN_TREE_CLONE | c.AT_SYMLINK_NOFOLLOW)
        found = posix.fstat(tree)
        wanted = posix.makedev(node.major, node.minor)
        if stat.S_IFMT(found.st_mode) != KINDS[node.type] or found.st_rdev != wanted:
            posix.close(tree)
            raise OSError(errno.ENODEV, "the host has another device there", path)
        return tree

    def _path(self, node: Node) -> str:
        return f"{self.directory.rstrip('/')}/{node.name}"

    def _key(self, node: Node) -> str:
        return f"device\0{self._path(node)}"


def _make_console(directory: int) -> None:
    try:
        posix.mknod("console", stat.S_IFREG | 0o666, dir_fd=directory)
    except FileExistsError:
        pass  # judged when it is used


def _same_device(node: Node, directory: int, device: int) -> None:
    """Accept what is there if it is what was asked for.  Raises FileExistsError."""
    found = posix.stat(node.name, dir_fd=directory, follow_symlinks=False)
    same_kind = stat.S_IFMT(found.st_mode) == KINDS[node.type]
    if not same_kind or (node.type != "p" and found.st_rdev != device):
        raise FileExistsError(errno.EEXIST, "another file is there", node.name)


def _make_link(link: Link, directory: int) -> None:
    try:
        posix.symlink(link.target, link.name, dir_fd=directory)
        return
    except FileExistsError:
        if not link.forced:
            return  # the image's own; an engine's init layer makes these, too
    try:
        if posix.readlink(link.name, dir_fd=directory) == link.target:
            return
    except OSError:
        pass  # EINVAL: not a link
    posix.unlink(link.name, dir_fd=directory)  # a name below our handle, never followed
    posix.symlink(link.target, link.name, dir_fd=directory)
