"""Loads our modules from the file that `modules.py` writes.

Its code is in that file, too, and the launcher runs it from there: nothing is looked for before
the first of our modules.  Imports nothing but what an interpreter has when it starts.

What a module imports at its top is loaded before it, and without the import system's own steps:
those cost 17 us for each module, and a create needs a hundred of them.
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

    # Of one module: path of the source, its mtime in ns and size; whether it is a package; offset
    # and length of the code; the modules of the file that it imports at its top; and what those
    # that are equal share, so that one serves for all.
    # Of an extension: path, mtime and size, no more.
    Entry = tuple[str, int, int, bool, int, int, tuple[str, ...], str | None]
    # Each entry is written down apart: most starts need few of them.
    Index = dict[str, bytes]


_Spec: Any = type(sys.__spec__)
_Module = type(sys)


class Loader:
    """Finds and loads our modules.  First in `sys.meta_path`."""

    def __init__(self, fd: int, index: Index) -> None:
        self.fd, self.index = fd, index
        self._busy: set[str] = set()
        self._shared: dict[str | None, ModuleType] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module of ours is, None for any other and for a changed one."""
        entry = self._entry(name)
        if entry is None:
            return None
        if len(entry) == 3:
            return _extension(name, entry[0])
        if name not in self._busy:
            self._load_first(name, entry[6])
        return self._spec(name, entry)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Return an equal module that is there; else leave it to the import system."""
        return self._shared.get(spec.loader_state[7])

    def exec_module(self, module: ModuleType) -> None:
        """Run the module's code in it, unless it is another's that has run."""
        spec = module.__spec__
        if spec is not None and spec.name == module.__name__:
            self._run(module, spec.loader_state)

    def _entry(self, name: str) -> Entry | None:
        """Return what the file says of a module; None if that does not hold any more."""
        written = self.index.get(name)
        if written is None:
            return None
        entry: Entry = marshal.loads(written)
        return entry if is_current(entry) else None

    def _load_first(self, name: str, needs: Iterable[str]) -> None:
        self._busy.add(name)
        try:
            for other in needs:
                if other not in sys.modules and other not in self._busy:
                    self._load(other)
        finally:
            self._busy.discard(name)

    def _load(self, name: str) -> None:
        """Load a module as `import` would.  One that has changed is left to whoever imports it."""
        parent, _, last = name.rpartition(".")
        if parent and parent not in sys.modules and parent not in self._busy:
            self._load(parent)
        entry = self._entry(name)
        if entry is None or (parent and parent not in sys.modules):
            return
        self._load_first(name, entry[6])
        if name in sys.modules:
            return  # what it needs has needed it
        module = self._shared.get(entry[7]) or self._made(name, entry)
        sys.modules[name] = module
        if parent:
            setattr(sys.modules[parent], last, module)

    def _made(self, name: str, entry: Entry) -> ModuleType:
        module = _Module(name)
        spec = self._spec(name, entry)
        module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, entry[0]
        module.__package__ = spec.parent
        if spec.submodule_search_locations is not None:
            module.__path__ = spec.submodule_search_locations
        sys.modules[name] = module
        try:
            self._run(module, entry)
        except BaseException:
            del sys.modules[name]
            raise
        return module

    def _run(self, module: ModuleType, entry: Entry) -> None:
        exec(self._code(entry), module.__dict__)
        if entry[7] is not None:
            self._shared[entry[7]] = module

    def _code(self, entry: Entry) -> CodeType:
        try:
            code: CodeType = marshal.loads(posix.pread(self.fd, entry[5], entry[4]))
        except (ValueError, EOFError, TypeError):
            # Damaged: slower, never wrong.
            with open(entry[0], "rb") as file:
                code = compile(file.read(), entry[0], "exec", dont_inherit=True)
        return code

    def _spec(self, name: str, entry: Entry) -> ModuleSpec:
        spec: ModuleSpec = _Spec(name, self, origin=entry[0], is_package=entry[3])
        spec.has_location = True
        spec.loader_state = entry
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(entry[0][: -len("/__init__.py")])
        return spec


def is_current(entry: Entry) -> bool:
    """Whether a file is as it was when its entry was written."""
    try:
        found = posix.stat(entry[0])
    except OSError:
        return False
    return found.st_mtime_ns == entry[1] and found.st_size == entry[2]


def _extension(name: str, path: str) -> ModuleSpec:
    loader = sys.modules["_frozen_importlib_external"].ExtensionFileLoader(name, path)
    spec: ModuleSpec = _Spec(name, loader, origin=path)
    spec.has_location = True
    return spec


def install(fd: int, index: Index) -> int:
    """Take our modules from the open file, unless this text has changed since it was written.

    Return the descriptor if it is not needed, else -1.
    """
    if not is_current(marshal.loads(index["pyoci.loader"])):
        return fd
    if fd <= 2:
        # The caller left stdio closed.  It must stay so until main opens it, on /dev/null.
        import fcntl

        taken, fd = fd, fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
        posix.close(taken)
    sys.meta_path.insert(0, Loader(fd, index))
    return -1
