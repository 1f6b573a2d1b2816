"""Bind sources that only the host may open, whose ids only it may map; devices only it may make.

    init                                   main
      │ what it could not open ── B ───────>│ forks
      │                                     │   │ enters init's mount namespace
      │<──────────── a clone of each ───────────│ clones there, maps ids

In init's namespace, not in main's own: there a clone has the flags that the host has locked.  What
is cloned outside and attached inside has none, and container root could clear its `ro`.
"""

from __future__ import annotations

import errno
import posix
import struct

from .. import codec
from ..errors import InitFailed
from ..idmap import Mapping, write_maps
from ..kernel import constants as c
from ..rootfs.bind import BindMount, Idmap, Source
from ..rootfs.devices import Devices, MadeNode
from ..rootfs.filesystem import NewMount
from ..step import failed
from .channel import SOURCES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..kernel import Kernel
    from ..plan.plan import Plan
    from ..rootfs.root import Rootfs
    from .channel import Channel


def needed(plan: Plan) -> bool:
    """Whether a plan may need main for its bind sources."""
    for step in plan.build:
        if isinstance(step, BindMount | NewMount) and step.idmap is not None:
            return True
        if isinstance(step, BindMount | Devices) and plan.namespaces.own("user"):
            return True
    return False


class Sources:
    """Made by main before the clone; both processes have it then."""

    def __init__(self, plan: Plan, kernel: Kernel) -> None:
        """Raises OSError where this kernel or user makes no user namespaces."""
        self._kernel = kernel
        # A user without rights can open nothing that init can not.
        self._outside = posix.geteuid() == 0 and plan.namespaces.own("user")
        self._mapping = plan.mapping
        self._main, self._init = kernel.socketpair()
        self.user_namespaces: dict[str, int] = {}
        try:
            self._make_user_namespaces(plan)
        except BaseException:
            self.close()
            raise

    def _make_user_namespaces(self, plan: Plan) -> None:
        for step in plan.build:
            idmap = step.idmap if isinstance(step, BindMount | NewMount) else None
            if idmap is not None and idmap.uids and idmap.key not in self.user_namespaces:
                self.user_namespaces[idmap.key] = user_namespace(idmap, self._kernel)

    def offer(self, rootfs: Rootfs) -> None:
        """Tell the steps what can be had.  In init."""
        posix.close(self._main)
        rootfs.outside = self._outside
        rootfs.user_namespaces = self.user_namespaces

    def fetch(self, rootfs: Rootfs, channel: Channel) -> None:
        """Get what the steps have asked for.  In init.  Raises StepFailed."""
        asked, rootfs.asked = rootfs.asked, []
        channel.send(SOURCES, codec.dumps([source.to_json() for _, _, source in asked]).encode())
        for step, key, source in asked:
            said, fd = self._kernel.receive(self._init)
            if fd is not None:
                rootfs.sources[key] = fd
                continue
            if not said:
                raise InitFailed("", None, "main ended while init waited for a bind source")
            code = struct.unpack_from("<I", said)[0]
            what = source.path if isinstance(source, Source) else source.node.name
            optional = isinstance(step, BindMount) and step.optional and code == errno.ENOENT
            if not optional:
                raise failed(step, OSError(code, said[4:].decode(), what))

    def close(self) -> None:
        """Let go of what main held for init."""
        for fd in (self._main, self._init, *self.user_namespaces.values()):
            posix.close(fd)

    def serve(self, content: bytes, pid: int) -> None:
        """Answer init.  In main.  Raises InitFailed."""
        wanted: list[Source | MadeNode] = [
            MadeNode.from_json(one) if "node" in one else Source.from_json(one)
            for one in codec.loads(content.decode())
        ]
        flags = posix.O_RDONLY | posix.O_CLOEXEC
        self.user_namespaces[""] = posix.open(f"/proc/{pid}/ns/user", flags)
        mounts = posix.open(f"/proc/{pid}/ns/mnt", flags)
        try:
            child = self._kernel.fork(lambda: self._answer(wanted, mounts))
            if posix.waitpid(child, 0)[1]:
                raise InitFailed("", None, "cannot open bind sources in the container's namespace")
        finally:
            posix.close(mounts)

    def _answer(self, wanted: Sequence[Source | MadeNode], mounts: int) -> None:
        """Send a clone of each source, or why there is none.  In a child of main."""
        # First the nodes, in a mount namespace of our own: what is cloned there is not in init's.
        made: dict[int, int | OSError] = {}
        folder = -1
        for i, source in enumerate(wanted):
            if isinstance(source, MadeNode):
                folder = folder if folder >= 0 else self._folder()
                made[i] = self._make(source, str(i), folder)
        self._kernel.setns(mounts, c.CLONE_NEWNS, "mount namespace of init")
        for i, source in enumerate(wanted):
            found = made[i] if i in made else self._open(source)
            if isinstance(found, OSError):
                text = (found.strerror or "").encode()[:1024]
                self._kernel.send(self._main, struct.pack("<I", found.errno or 0) + text)
            else:
                self._kernel.send(self._main, b"+", found)
                posix.close(found)

    def _open(self, source: Source | MadeNode) -> int | OSError:
        try:
            assert isinstance(source, Source)
            return source.open(self._kernel, self.user_namespaces)
        except OSError as e:
            return e

    def _make(self, made: MadeNode, name: str, folder: int) -> int | OSError:
        try:
            made.make(name, folder, self._mapping, self._kernel)
            return self._kernel.open_tree(folder, name, c.OPEN_TREE_CLONE)
        except OSError as e:
            return e

    def _folder(self) -> int:
        """Return an empty file system that devices work on and that only this process sees."""
        self._kernel.unshare(c.CLONE_NEWNS)
        self._kernel.mount("", "/", "", c.MS_PRIVATE | c.MS_REC)
        posix.umask(0)
        fs = self._kernel.fsopen("tmpfs")
        self._kernel.fsconfig_string(fs, "source", "devices")
        self._kernel.fsconfig_create(fs)
        folder = self._kernel.fsmount(fs, c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NOEXEC)
        posix.close(fs)
        # Attached, for older kernels clone nothing that is not.
        self._kernel.move_mount(folder, c.AT_FDCWD, "/dev")
        return folder


def user_namespace(idmap: Idmap, kernel: Kernel) -> int:
    """Return a handle of a new user namespace with that mapping; nobody lives in it.

    The handle keeps it; the process that made it is ended at once.
    """
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    held, release = posix.pipe2(posix.O_CLOEXEC)

    def live() -> None:
        posix.close(release)  # else the end of main would not be seen
        kernel.unshare(c.CLONE_NEWUSER)
        posix.write(writer, b"o")
        posix.read(held, 1)

    pid = 0
    try:
        try:
            pid = kernel.fork(live)
        finally:
            posix.close(writer)
        if not posix.read(reader, 1):
            raise InitFailed("", None, "cannot make a user namespace for an id-mapped mount")
        mapping = Mapping(uids=idmap.uids, gids=idmap.gids)
        write_maps(pid, mapping, kernel, euid=posix.geteuid(), egid=posix.getegid())
        return posix.open(f"/proc/{pid}/ns/user", posix.O_RDONLY | posix.O_CLOEXEC)
    finally:
        for fd in (reader, held, release):
            posix.close(fd)
        if pid:
            posix.waitpid(pid, 0)
