"""All of our modules in one file, so that a start does not look for each of them.

Finding, checking and reading one compiled module costs CPython 45 us more than running what it
read, and a create needs 80.  So the launcher's set-up writes them into one file, next to the
launcher:

    8 bytes     length of the index
    index       marshal: name -> (source path, is a package, mtime in ns, size, offset, length)
    the rest    marshal of each module's code

A module whose source has changed since is not taken from here: Python's own finders read it, as
if this file were not there.  So nothing is ever stale, and deleting the file does no harm.
"""

from __future__ import annotations

import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.machinery import ModuleSpec
    from types import CodeType, ModuleType
    from typing import Any

    Index = dict[str, tuple[str, bool, int, int, int, int]]

_Spec: Any = type(sys.__spec__)
_HEADER = 8


class Finder:
    """Finds our modules in the file.  First in `sys.meta_path`."""

    def __init__(self, fd: int, index: Index) -> None:
        self.fd, self.index = fd, index

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of ours is, None for any other and for a changed one."""
        entry = self.index.get(name)
        if entry is None:
            return None
        source, is_package, mtime, size, _, _ = entry
        try:
            found = posix.stat(source)
        except OSError:
            return None
        if found.st_mtime_ns != mtime or found.st_size != size:
            return None
        spec: ModuleSpec = _Spec(name, self, origin=source, is_package=is_package)
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(source[: -len("/__init__.py")])
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave making the module to the import system."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code in it."""
        _, _, _, _, offset, length = self.index[module.__name__]
        code: CodeType = marshal.loads(posix.pread(self.fd, length, offset))
        exec(code, module.__dict__)


def install(path: str) -> None:
    """Take our modules from the file at `path`, if it is one that this interpreter can read."""
    try:
        fd, tag, index = _open(path)
    except (OSError, ValueError, TypeError, EOFError):
        return  # slower, never wrong
    if tag == _tag():
        sys.meta_path.insert(0, Finder(fd, index))


def write(path: str, modules: Iterable[tuple[str, str]]) -> None:
    """Write the file for `modules`, name and source path of each, unless it is current.

    An older one is replaced at once.  Docstrings are left out: they are a third of the size.
    """
    import os

    modules = list(modules)
    if _is_current(path, modules):
        return
    index: Index = {}
    codes = []
    for name, source in modules:
        with open(source, "rb") as file:
            found = os.fstat(file.fileno())
            code = compile(file.read(), source, "exec", dont_inherit=True, optimize=2)
        codes.append(marshal.dumps(code))
        is_package = source.endswith("/__init__.py")
        index[name] = (source, is_package, found.st_mtime_ns, found.st_size, 0, len(codes[-1]))
    # The offsets are of one width, so that the index is as long with them as without.
    head = marshal.dumps((_tag(), _placed(index, 0)))
    head = marshal.dumps((_tag(), _placed(index, _HEADER + len(head))))
    new = f"{path}.{os.getpid()}"
    # Whatever the umask: what others could write for a moment, they could write for ever.
    mode = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with open(os.open(new, mode, 0o644), "wb") as file:
        file.write(len(head).to_bytes(_HEADER, "little") + head + b"".join(codes))
    os.chmod(new, 0o644)
    os.replace(new, path)


def sources(folders: Iterable[str], packages: Iterable[str]) -> list[tuple[str, str]]:
    """Return name and source path of every module of `packages`, found below `folders`."""
    import os

    found = []
    for package in packages:
        home = next(f for f in folders if os.path.isfile(f"{f}/{package}/__init__.py"))
        for here, below, names in os.walk(f"{home}/{package}"):
            below[:] = sorted(b for b in below if b != "__pycache__")
            for name in sorted(n for n in names if n.endswith(".py")):
                dotted = os.path.relpath(f"{here}/{name}", home)[:-3].replace("/", ".")
                found.append((dotted.removesuffix(".__init__"), f"{here}/{name}"))
    return found


def _open(path: str) -> tuple[int, str, Index]:
    fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    if fd <= 2:
        # The caller left stdio closed.  It must stay so until main opens it, on /dev/null.
        import fcntl

        taken, fd = fd, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        posix.close(taken)
    size = posix.fstat(fd).st_size
    length = int.from_bytes(posix.read(fd, _HEADER), "little")
    tag, index = marshal.loads(posix.read(fd, min(length, size)))
    *_, (_, _, _, _, offset, length) = index.values()
    if offset + length != size:
        raise ValueError("cut short")
    return fd, tag, index


def _is_current(path: str, modules: list[tuple[str, str]]) -> bool:
    try:
        fd, tag, index = _open(path)
    except (OSError, ValueError, TypeError, EOFError):
        return False
    finder = Finder(fd, index)
    current = tag == _tag() and index.keys() == {name for name, _ in modules}
    current = current and all(finder.find_spec(name) is not None for name in index)
    posix.close(fd)
    return current


def _placed(index: Index, start: int) -> Index:
    placed = {}
    for name, (source, is_package, mtime, size, _, length) in index.items():
        placed[name] = (source, is_package, mtime, size, start, length)
        start += length
    return placed


def _tag() -> str:
    """Return what must be the same for code to be read: the interpreter's version."""
    return sys.version
