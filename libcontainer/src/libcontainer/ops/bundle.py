"""A bundle: the folder, its document, and the root that the document names."""

from __future__ import annotations

import posix

from ..errors import InitFailed, SpecError
from ..spec.load import load_spec
from ..spec.validate import validate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..annotations import Wishes
    from ..spec.document import Spec
    from ..spec.mounts import Mount

_LARGEST = 1 << 24  # bytes of a document


class Bundle:
    """What was read of a bundle, judged as far as it can be without the host."""

    def __init__(self, path: str, config: str, mounts: tuple[Mount, ...] = ()) -> None:
        """Read the document `config` of the bundle at `path`; `mounts` come after its own.

        Raises SpecError with every fault, and InitFailed in runc's words for what is missing.
        """
        self.path = _folder(path)
        self.text = _read_document(self.path, config)
        self.spec: Spec = load_spec(self.text)
        if mounts:
            self.spec = self.spec.replace(mounts=self.spec.mounts + mounts)
        self.wishes: Wishes | None = None
        annotations = self.spec.annotations or {}
        if any([key.startswith("run.oci.") for key in annotations]):
            from ..annotations import read  # rare

            self.spec, self.wishes = read(self.spec)
        validate(self.spec)
        self.rootfs = _rootfs(self.spec, self.path)

    @property
    def terminal(self) -> bool:
        """Whether the process wants one."""
        return self.spec.process is not None and self.spec.process.terminal


def _folder(path: str) -> str:
    """Return the bundle's absolute path without links.  Raises InitFailed in runc's words."""
    here = posix.open(".", posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        posix.chdir(path)
        return _utf8("bundle", posix.getcwd())
    except OSError as e:
        why = (e.strerror or "").lower()
        raise InitFailed("bundle", e.errno, f"chdir {path}: {why}") from e
    finally:
        posix.fchdir(here)
        posix.close(here)


def _utf8(what: str, path: str) -> str:
    """Refuse a path that no document could hold: state and hooks are told it as JSON."""
    try:
        path.encode()
    except UnicodeEncodeError as e:
        raise InitFailed(what, None, f"the path of the {what} is not UTF-8: {path!a}") from e
    return path


def _read_document(bundle: str, name: str) -> str:
    path = name if name.startswith("/") else f"{bundle}/{name}"
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except FileNotFoundError as e:
        text = f"JSON specification file {name} not found"
        raise InitFailed("bundle", e.errno, text) from e
    except OSError as e:
        raise InitFailed("bundle", e.errno, f"open {path}: {(e.strerror or '').lower()}") from e
    try:
        found = b""
        while part := posix.read(fd, 1 << 16):
            found += part
            if len(found) > _LARGEST:
                raise InitFailed("bundle", None, f"{path} is larger than 16 MiB")
    except OSError as e:
        raise InitFailed("bundle", e.errno, f"read {path}: {(e.strerror or '').lower()}") from e
    finally:
        posix.close(fd)
    try:
        return found.decode()
    except UnicodeDecodeError as e:
        raise SpecError((f"{name} is not UTF-8: byte {e.start}",)) from e


def _rootfs(spec: Spec, bundle: str) -> str:
    """Return the root's absolute path, links resolved by the kernel."""
    if spec.root is None:
        raise SpecError(("root must be specified",))
    given = spec.root.path
    path = given if given.startswith("/") else f"{bundle}/{given}"
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    except OSError as e:
        why = (e.strerror or "").lower()
        text = f"invalid rootfs: stat {path}: {why}"
        raise InitFailed("rootfs", e.errno, text) from e
    try:
        return _utf8("rootfs", posix.readlink(f"/proc/self/fd/{fd}"))
    finally:
        posix.close(fd)
