"""The container's root while it is built: the handles that the steps share."""

from __future__ import annotations

import errno
import posix
import stat

from ..kernel import constants as c
from ..spec.rules.mounts import refused_destination
from . import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel import Kernel
    from ..step import Step
    from .bind import Source
    from .devices import MadeNode


class Rootfs:
    """The root under construction.  Everything in it is reached through `fd`.

    The process's working directory must be the root folder when this is made: main changes into
    it before the clone, so that init has it in its own mount namespace, whatever the permissions
    on the way there.
    """

    def __init__(self, kernel: Kernel, path: str) -> None:
        self.kernel = kernel
        self.path = path  # on the host; for messages and hooks only
        self.fd = -1  # set by the step that mounts the root
        self.sources: dict[str, int] = {}  # bind sources, opened before the first mount
        self.mounts: dict[str, int] = {}  # handles of mounts that a later step comes back to
        self.makes_nodes = True  # until mknod(2) has been refused for good
        self.mask: int | None = None  # an empty read-only directory, cloned for each mask
        self.null = -1  # the host's /dev/null; until it is opened, what no call takes for a file
        self.links: dict[str, str] = {}  # texts of sources that are links, for `copy-symlink`
        # In a user namespace main can open what init may not: what has been asked of it so far.
        self.outside = False
        self.asked: list[tuple[Step, str, Source | MadeNode]] = []
        self.user_namespaces: dict[str, int] = {}  # whose mappings mounts take, by Idmap.key
        # Mounts that had to be made elsewhere, by destination: in namespaces that init only joins.
        self.handed: dict[str, int] = {}
        # A pid namespace that is joined: not yet by init, but its processes are what /proc shows.
        self.pid_namespace: int | None = None

    def open(self, path: str, *, flags: int = c.O_PATH) -> resolve.Handle:
        """Open something inside the root, for a `with`."""
        return resolve.Handle(resolve.open_path(self.kernel, self.fd, path, flags=flags))

    def exists(self, path: str) -> bool:
        """Whether something is there inside the root."""
        try:
            posix.close(resolve.open_path(self.kernel, self.fd, path))
        except FileNotFoundError:
            return False
        return True

    def target(
        self,
        path: str,
        *,
        directory: bool,
        follow: bool = True,
        procfs: bool = False,
        anywhere: bool = False,
    ) -> resolve.Handle:
        """Open a mount point, made where missing, for a `with`.

        `procfs` is for what may cover /proc, `anywhere` for what is no mount point.  Raises
        OSError for one that nothing may be mounted on, wherever links have led.
        """

        def make() -> int:
            return resolve.make_target(
                self.kernel, self.fd, path, directory=directory, follow=follow
            )

        fd = self.made(make)
        try:
            if not anywhere:
                self._judge(fd, path, follow=follow, procfs=procfs)
        except BaseException:
            posix.close(fd)
            raise
        return resolve.Handle(fd)

    def _judge(self, fd: int, path: str, *, follow: bool, procfs: bool) -> None:
        """Refuse the root itself, a link, /proc, and what lies in it: a mount there undoes masks.

        Where the handle is inside the root is asked of the kernel: the path may have led through
        links of the image.
        """
        found = posix.fstat(fd)
        if follow and stat.S_ISLNK(found.st_mode):
            raise OSError(errno.ELOOP, "the destination is a symbolic link", path)
        inside = self.place(fd)
        if reason := refused_destination(path, inside, self.path, procfs=procfs):
            raise OSError(errno.EBUSY if inside == "/" else errno.EPERM, reason, path)

    def place(self, fd: int) -> str:
        """Return the path of a handle inside the root, whatever became of the root's own name."""
        if self.is_root(posix.fstat(fd)):
            return "/"
        try:
            root = posix.readlink(f"/proc/self/fd/{self.fd}")
            return posix.readlink(f"/proc/self/fd/{fd}").removeprefix(root.rstrip("/"))
        except FileNotFoundError:
            # A mount namespace that is joined may have a procfs in which this process is not.
            return "/proc/" if self.kernel.file_system(fd) == c.PROC_SUPER_MAGIC else ""

    def is_root(self, found: posix.stat_result) -> bool:
        """Whether that is the root of the container."""
        root = posix.fstat(self.fd)
        return (root.st_dev, root.st_ino) == (found.st_dev, found.st_ino)

    def made(self, make: Callable[[], int]) -> int:
        """Return a handle of what `make` makes in the image, as who may make it there."""
        return make()

    def locked(self, mount: int) -> int:
        """Return the mount to attach for one that was made, which is the caller's no more."""
        return mount

    def keep(self, path: str, mount: int) -> None:
        """Remember the newest mount at `path`."""
        if path in self.mounts:
            posix.close(self.mounts[path])
        self.mounts[path] = mount
