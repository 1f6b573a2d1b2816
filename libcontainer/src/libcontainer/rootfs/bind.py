"""Bind mounts: a clone of something on the host, attached inside the root."""

from __future__ import annotations

import errno
import posix
import stat

from .._record import Record, u64
from ..idmap import IdRange
from ..kernel import constants as c
from ..step import Step
from . import resolve
from .attributes import set_attributes, set_exactly, set_propagation
from .options import attribute_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..kernel import Kernel
    from .root import Rootfs


class Idmap(Record):
    """The id mapping of a mount; without ranges that of the container's user namespace."""

    uids: tuple[IdRange, ...] = ()
    gids: tuple[IdRange, ...] = ()
    recursive: bool = False  # submounts, too

    @property
    def key(self) -> str:
        """Return what the user namespace with this mapping is filed under."""
        ranges = [
            [(r.inside, r.outside, r.size) for r in lines] for lines in (self.uids, self.gids)
        ]
        return str(ranges) if self.uids else ""

    def apply(self, tree: int, kernel: Kernel, user_namespaces: Mapping[str, int]) -> None:
        """Map the ids of a detached tree.  Needs rights over its file system."""
        try:
            kernel.mount_setattr(
                tree,
                set=c.MOUNT_ATTR_IDMAP,
                recursive=self.recursive,
                userns=user_namespaces[self.key],
            )
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            text = f"{e.strerror} (this kernel cannot map the ids of its file system)"
            raise OSError(e.errno, text) from e


class Source(Record):
    """What is to be bound: enough to open it elsewhere."""

    path: str
    flags: u64 = c.OPEN_TREE_CLONE
    idmap: Idmap | None = None

    def open(self, kernel: Kernel, user_namespaces: Mapping[str, int]) -> int:
        """Return a detached clone, its ids mapped."""
        tree = kernel.open_tree(c.AT_FDCWD, self.path, self.flags)
        if self.idmap is not None:
            try:
                self.idmap.apply(tree, kernel, user_namespaces)
            except BaseException:
                posix.close(tree)
                raise
        return tree


class BindMount(Step):
    """Attach a clone of the host's `source` at `destination`."""

    source: str
    destination: str
    recursive: bool = True
    change: bool = False  # whether any per-mount option was given; else all is inherited
    set: u64 = 0
    clear: u64 = 0  # what the document itself asks to clear
    recursive_set: u64 = 0
    recursive_clear: u64 = 0
    propagation: tuple[str, ...] = ()
    keep: bool = False
    optional: bool = False  # a missing source is nothing to bind
    follow_source: bool = True  # false: a link is bound itself
    follow_destination: bool = True
    copy_link: bool = False  # a source that is a link is made again, not mounted
    idmap: Idmap | None = None

    def describe(self) -> str:
        """Name both ends, and `ro` where it matters to people."""
        words = attribute_words(self.set, self.clear)
        return f"bind {self.source} onto {self.destination}" + (f" ({words})" if words else "")

    def prepare(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Clone the source before any mount of the container could redirect its path.

        In init's own mount namespace, so that inside a user namespace the clone keeps its locked
        flags.  What init may not open there, main can.
        """
        if self.copy_link and (text := _link_text(self.source)) is not None:
            rootfs.links[self.key()] = text
            return
        flags = c.OPEN_TREE_CLONE | (c.AT_RECURSIVE if self.recursive else 0)
        flags |= 0 if self.follow_source else c.AT_SYMLINK_NOFOLLOW
        source = Source(path=self.source, flags=flags, idmap=self.idmap)
        if self.idmap is not None and rootfs.outside:
            rootfs.asked.append((self, self.key(), source))
            return
        try:
            rootfs.sources[self.key()] = source.open(kernel, rootfs.user_namespaces)
        except FileNotFoundError:
            if not self.optional:
                raise
        except PermissionError:
            if not rootfs.outside:
                raise
            rootfs.asked.append((self, self.key(), source))

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Set the attributes on the detached clone, then attach it."""
        if (text := rootfs.links.get(self.key())) is not None:
            self._make_link(text, rootfs)
            return
        tree = rootfs.sources.pop(self.key(), -1)
        if tree < 0:
            return
        try:
            self._attributes(tree, kernel)
            tree = rootfs.locked(tree)
            # Last: what is unbindable cannot be cloned any more.
            set_propagation(kernel, tree, self.propagation)
            with rootfs.target(
                self.destination,
                directory=stat.S_ISDIR(posix.fstat(tree).st_mode),
                follow=self.follow_destination,
                procfs=_is_procfs(tree, kernel),
            ) as target:
                kernel.move_mount(tree, target)
        except BaseException:
            posix.close(tree)
            raise
        if self.keep:
            rootfs.keep(self.destination, tree)
        else:
            posix.close(tree)

    def _attributes(self, tree: int, kernel: Kernel) -> None:
        if self.change:
            set_exactly(kernel, tree, set=self.set, clear=self.clear)
        if self.recursive_set | self.recursive_clear:
            set_attributes(
                kernel, tree, set=self.recursive_set, clear=self.recursive_clear, recursive=True
            )

    def _make_link(self, text: str, rootfs: Rootfs) -> None:
        folder, name = resolve.split(self.destination)
        with rootfs.target(folder, directory=True, anywhere=True) as directory:
            posix.close(rootfs.made(lambda: _made_link(text, name, directory)))

    def key(self) -> str:
        """Return what `prepare` filed the clone under."""
        return f"{self.source}\0{self.destination}"


def _is_procfs(tree: int, kernel: Kernel) -> bool:
    """Whether that is the root of a procfs, the only thing that may cover /proc."""
    return posix.fstat(tree).st_ino == 1 and kernel.file_system(tree) == c.PROC_SUPER_MAGIC


def _made_link(text: str, name: str, directory: int) -> int:
    """Return a handle of the link, which may be there already."""
    try:
        posix.symlink(text, name, dir_fd=directory)
    except FileExistsError:
        if _link_text(name, directory) != text:
            raise
    flags = c.O_PATH | posix.O_NOFOLLOW | posix.O_CLOEXEC
    return posix.open(name, flags, dir_fd=directory)


def _link_text(path: str, directory: int | None = None) -> str | None:
    try:
        return posix.readlink(path, dir_fd=directory)
    except OSError as e:
        if e.errno != errno.EINVAL:  # no link
            raise
        return None
