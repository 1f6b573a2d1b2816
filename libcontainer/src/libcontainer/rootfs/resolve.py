"""From a path in the container to a handle: the only place that does it.

The image is hostile, and other containers may rename below our hands.  So a path is never joined
to the rootfs and opened: the kernel resolves it relative to a handle of the root (RESOLVE_IN_ROOT:
absolute and `..` links stay inside) and refuses magic links, and what comes back is an O_PATH
handle that every later call uses.  EXDEV and ELOOP mean that the path tried to leave.
"""

from __future__ import annotations

import errno
import posix
import stat

from ..kernel import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel import Kernel

IN_ROOT = c.RESOLVE_IN_ROOT | c.RESOLVE_NO_MAGICLINKS
_TRIES = (
    128  # EAGAIN: `..` met a rename; half a percent of calls under a rename loop, twice at most
)
_LINKS = 40  # what the kernel itself follows


class Handle:
    """An open descriptor that is closed at the end of a `with`."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __enter__(self) -> int:
        return self.fd

    def __exit__(self, *exc: object) -> None:
        posix.close(self.fd)


def open_path(
    kernel: Kernel, root: int, path: str, *, flags: int = c.O_PATH, resolve: int = IN_ROOT
) -> int:
    """Open `path` inside `root`; by default an O_PATH handle, the last link followed."""
    for _ in range(_TRIES):
        try:
            return kernel.openat2(root, path, flags, resolve)
        except OSError as e:
            if e.errno != errno.EAGAIN:
                raise
    raise OSError(errno.EAGAIN, "openat2: the tree changes too fast", path)


def make_directory(kernel: Kernel, root: int, path: str, mode: int = 0o755) -> int:
    """Return an O_PATH handle of the directory `path`, made with its parents where missing."""
    try:
        return open_path(kernel, root, path, flags=c.O_PATH | posix.O_DIRECTORY)
    except FileNotFoundError:
        pass
    return _walk(kernel, root, path, mode, last_is_directory=True)


def make_target(
    kernel: Kernel, root: int, path: str, *, directory: bool, follow: bool = True
) -> int:
    """Return a handle of the mount point `path`, made as a directory or an empty file.

    Without `follow` a last name that is a link is the mount point itself.
    """
    if not follow:
        folder, name = split(path)
        with Handle(make_directory(kernel, root, folder)) as parent:
            if directory:
                _try(posix.mkdir, name, 0o755, parent)
            else:
                _try(posix.mknod, name, stat.S_IFREG | 0o644, parent)
            flags = c.O_PATH | posix.O_NOFOLLOW
            return kernel.openat2(parent, name, flags, c.RESOLVE_BENEATH)
    if directory:
        return make_directory(kernel, root, path)
    try:
        return open_path(kernel, root, path)
    except FileNotFoundError:
        pass
    return _walk(kernel, root, path, 0o755, last_is_directory=False)


def split(path: str) -> tuple[str, str]:
    """Return the directory and the last name of a container path."""
    parent, _, name = path.rstrip("/").rpartition("/")
    if not name or name in (".", ".."):
        raise OSError(errno.EINVAL, "the path has no last name", path)
    return parent or "/", name


def _walk(kernel: Kernel, root: int, path: str, mode: int, *, last_is_directory: bool) -> int:
    """Make what is missing of `path`, name by name, each from the handle of the one before.

    A name that is a link is expanded inside the root, so a dangling link makes its target.
    """
    names = [n for n in path.split("/") if n not in ("", ".")]
    here, walked, links = open_path(kernel, root, "/"), "/", 0
    try:
        while names:
            name = names.pop(0)
            last = not names
            if name != ".." and (last_is_directory or not last):
                _try(posix.mkdir, name, mode, here)
            elif name != "..":
                _try(posix.mknod, name, stat.S_IFREG | 0o644, here)
            # `..` is resolved from the root, by the kernel: never lexically, never above the root.
            if name == "..":
                there = open_path(kernel, root, walked + "/..")
                walked = walked.rstrip("/").rpartition("/")[0] or "/"
            else:
                there = kernel.openat2(here, name, c.O_PATH | posix.O_NOFOLLOW, c.RESOLVE_BENEATH)
                if stat.S_ISLNK(posix.fstat(there).st_mode):
                    links += 1
                    if links > _LINKS:
                        posix.close(there)
                        raise OSError(errno.ELOOP, "too many levels of symbolic links", path)
                    text = posix.readlink("", dir_fd=there)
                    posix.close(there)
                    names = [n for n in text.split("/") if n not in ("", ".")] + names
                    if text.startswith("/"):
                        there, walked = open_path(kernel, root, "/"), "/"
                    else:
                        continue
                else:
                    walked = walked.rstrip("/") + "/" + name
            posix.close(here)
            here = there
    except BaseException:
        posix.close(here)
        raise
    return here


def _try(make: Callable[..., None], name: str, mode: int, directory: int) -> None:
    try:
        make(name, mode, dir_fd=directory)
    except FileExistsError:
        pass  # somebody's, or made between our look and now; opened and judged next
    except OSError as e:
        text = f"make the mount point: {(e.strerror or '').lower()}"
        raise OSError(e.errno, text, name) from e
