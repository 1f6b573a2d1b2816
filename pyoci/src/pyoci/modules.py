"""All of our modules in one file, so that a start does not look for each of them.

Finding, checking and reading one compiled module costs CPython 45 us more than running what it
read, and a create needs a hundred.  So the launcher's set-up writes them into one file, next to
the launcher:

    8 bytes     length of the whole file
    8 bytes     length of the head
    head        marshal: (what it is for, code of `loader.py`, index)
    the rest    marshal of each module's code

It is for one version of the interpreter and for the folders that the launcher has on its path.
The index has an entry for each module, `loader.Entry`, and for extensions of others that we need:
the import system would look for those in every folder of the path.  A module whose source has
changed since is not taken from here: Python's own finders read it, as if this file were not
there.  So nothing is ever stale, and deleting the file does no harm.
"""

from __future__ import annotations
import __future__

import ast
import hashlib
import marshal
import os
import sys
from importlib.util import find_spec

from .loader import is_current

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import CodeType
    from typing import Any

    from .loader import Entry

HEADER = 8
LOADER = "pyoci.loader"
DIGEST = ""  # in the index, beside the modules: of the rest of the file
# Our libraries stand alone, so each has a copy; here they stand together, and one will do.
_SHARED = "._record"
# What we import of others' compiled code; some are part of the interpreter, some files of it.
EXTENSIONS = (
    *("_json", "_cffi_backend", "_blake2", "_posixsubprocess", "_socket", "_struct"),
    *("fcntl", "math", "resource", "select"),
)


def write(path: str, modules: Mapping[str, str], folders: Sequence[str]) -> None:
    """Write the file for `modules`, the source path of each by its name, unless it is current.

    `folders` are those that the launcher has on its path.  An older file is replaced at once.
    """
    tag = (_version(), *folders)
    if not _is_current(path, tag, modules):
        _replace(path, _content(tag, modules))


def _content(tag: tuple[str, ...], modules: Mapping[str, str]) -> bytes:
    entries: dict[str, Entry] = {}
    codes: dict[str, bytes] = {}
    equals: dict[bytes, str] = {}
    for name, source in modules.items():
        with open(source, "rb") as file:
            found = os.fstat(file.fileno())
            text = file.read()
        tree = ast.parse(text)
        needs = tuple(_needs(tree, name, modules))
        codes[name] = marshal.dumps(_compiled(tree, source))
        entries[name] = (
            *(source, found.st_mtime_ns, found.st_size, source.endswith("/__init__.py")),
            *(0, len(codes[name]), needs),
            equals.setdefault(text, name) if name.endswith(_SHARED) else None,
        )
    others = dict(_extensions())
    rest = b"".join(codes.values())

    def head(start: int) -> bytes:
        placed = {n: marshal.dumps(e) for n, e in (_placed(entries, start) | others).items()}
        # Set-up asks for it, a start does not: that would cost more than all of it saves.
        placed[DIGEST] = hashlib.blake2b(rest).digest()
        return marshal.dumps((tag, codes.get(LOADER, b""), placed))

    # Offsets are of one width, so that the head is as long with them as without.
    length = len(head(0))
    content = _number(length) + head(2 * HEADER + length) + rest
    return _number(HEADER + len(content)) + content


def _number(value: int) -> bytes:
    return value.to_bytes(HEADER, "little")


def _replace(path: str, content: bytes) -> None:
    new = f"{path}.{os.getpid()}"
    # Whatever the umask: what others could write for a moment, they could write for ever.
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644), "wb") as file:
        try:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # a power cut must not leave one of that length without content
            os.chmod(new, 0o644)
            os.replace(new, path)
        except BaseException:
            os.unlink(new)
            raise


def sources(folders: Iterable[str], packages: Iterable[str]) -> dict[str, str]:
    """Return the source path of every module of `packages`, found below `folders`, by its name."""
    found = {}
    for package in packages:
        home = next(f for f in folders if os.path.isfile(f"{f}/{package}/__init__.py"))
        for here, below, names in os.walk(f"{home}/{package}"):
            below[:] = sorted(b for b in below if b != "__pycache__")
            for name in sorted(n for n in names if n.endswith(".py")):
                dotted = os.path.relpath(f"{here}/{name}", home)[:-3].replace("/", ".")
                found[dotted.removesuffix(".__init__")] = f"{here}/{name}"
    return found


def _compiled(tree: ast.Module, source: str) -> CodeType:
    """Compile without docstrings, a third of the size, and without importing `__future__`.

    That import costs a start 0.1 ms, and what it says is only for the compiler.
    """
    flags = 0
    for node in list(tree.body):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
            tree.body.remove(node)
    code: CodeType = compile(tree, source, "exec", flags=flags, dont_inherit=True, optimize=2)
    return code


def _needs(tree: ast.Module, name: str, modules: Mapping[str, str]) -> Iterator[str]:
    """Yield the modules of `modules` that one imports at its top, in its order."""
    is_package = modules[name].endswith("/__init__.py")
    package = name.split(".") if is_package else name.split(".")[:-1]
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from [alias.name for alias in node.names if alias.name in modules]
        elif isinstance(node, ast.ImportFrom):
            home = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*home, *([node.module] if node.module else [])])
            for found in (base, *[f"{base}.{alias.name}" for alias in node.names]):
                if found in modules and found != name:
                    yield found


def _extensions() -> Iterator[tuple[str, Any]]:
    for name in EXTENSIONS:
        spec = find_spec(name)
        if spec is not None and spec.has_location and spec.origin is not None:
            found = os.stat(spec.origin)
            yield name, (spec.origin, found.st_mtime_ns, found.st_size)


def _is_current(path: str, tag: tuple[str, ...], modules: Mapping[str, str]) -> bool:
    try:
        with open(path, "rb") as file:
            found = os.fstat(file.fileno())
            whole, head = [int.from_bytes(file.read(HEADER), "little") for _ in range(2)]
            its_tag, _, index = marshal.loads(file.read(head))
            digest = hashlib.blake2b(file.read()).digest()
    except (OSError, ValueError, TypeError, EOFError, OverflowError, MemoryError):
        return False
    # Somebody else's would be executed with our rights.
    if found.st_uid != os.geteuid() or found.st_mode & 0o022:
        return False
    if its_tag != tag or whole != found.st_size or index.pop(DIGEST, b"") != digest:
        return False
    entries = {name: marshal.loads(entry) for name, entry in index.items()}
    wanted = {**modules, **{name: entry[0] for name, entry in _extensions()}}
    placed = {name: entry[0] for name, entry in entries.items()}
    return placed == wanted and all(is_current(entry) for entry in entries.values())


def _placed(entries: Mapping[str, Entry], start: int) -> dict[str, Any]:
    placed = {}
    for name, entry in entries.items():
        placed[name] = (*entry[:4], start, *entry[5:])
        start += entry[5]
    return placed


def _version() -> str:
    """Return what must be the same for code to be read."""
    return sys.version
