"""Put the runtime where engines find it: the launcher, and what must be true of its path.

The launcher is a file of few lines that starts the interpreter without `site`, which costs
from 3 to 60 ms at each of an engine's three or four starts per container, and therefore names
the folders itself:

    #!/path/to/python3.11 -ISBXutf8
    import _signal, gc, marshal, posix, sys
    sys.path += ['/path/to/site-packages']
    ...

isolated from the user's environment (I), no site (S), no bytecode written (B: root must not leave
files in a user's checkout), UTF-8 whatever the locale says (Xutf8).
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from importlib.util import find_spec

from . import modules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

OURS = ("pyoci", "libcontainer", "libcgroups", "libseccomp", "liboci_cli")
# What ours import: usually all in one folder, but a distribution may part purelib from platlib.
THEIRS = ("attrs", "attr", "cattrs", "click", "_cffi_backend")
FLAGS = "-ISBXutf8"

# fs/binfmt_script.c: the kernel reads 256 bytes of the file, the line's end included.
LONGEST_LINE = 255
# Characters that mean something in sh's double quotes or would end a Python string.
_UNQUOTABLE = frozenset("\"'`$\\\n\0")

_BODY = """\
import _signal, gc, marshal, posix, sys

gc.disable()  # a run is over before a collection would find anything
if _signal.getsignal(2) is _signal.default_int_handler:
    _signal.signal(2, _signal.SIG_DFL)  # no trace of a start that is interrupted
folders = {folders!r}
sys.path += folders
fd = -1
try:
    fd = posix.open({modules!r}, posix.O_RDONLY | posix.O_CLOEXEC)
    sizes = posix.read(fd, 16)
    size = int.from_bytes(sizes[8:], "little")
    tag, loader, index = marshal.loads(posix.read(fd, min(size, 1 << 20)))
    whole = int.from_bytes(sizes[:8], "little") == posix.fstat(fd).st_size
    if whole and tag == (sys.version, *folders):
        names = {{"__name__": "pyoci.loader"}}
        exec(marshal.loads(loader), names)
        fd = names["install"](fd, index)
except Exception:
    pass  # no such file, or not ours: slower, never wrong
if fd >= 0:
    posix.close(fd)
from pyoci.main import main

sys.exit(main())
"""


class SetupError(Exception):
    """The runtime cannot be set up here."""

    errno: int | None = None


def write_launcher(target: str, python: str | None = None) -> None:
    """Write an executable at `target` that starts the runtime with `python` and its packages.

    `python` must be of the environment that this process runs in; None takes its own
    interpreter.  A launcher of the same text is left alone, another file is replaced at once.
    Beside it goes the file that the modules are read from, `TARGET.modules`.
    """
    folders = package_folders()
    beside = os.path.abspath(target) + ".modules"
    text = launcher_text(python or versioned(sys.executable), folders, beside).encode()
    try:
        # First: an older launcher takes only modules of its own folders.
        modules.write(beside, modules.sources(folders, OURS), folders)
    except OSError as e:
        raise SetupError(f"write the launcher's modules: {beside}: {e.strerror}") from e
    if not _is_current(target, text):
        try:
            _replace(target, text)
        except SetupError:
            if not os.path.isfile(target):
                os.unlink(beside)  # of no use to anybody
            raise


def _is_current(target: str, text: bytes) -> bool:
    try:
        with open(target, "rb") as old:
            found = os.fstat(old.fileno())
            ours = found.st_uid == os.geteuid() and found.st_mode & 0o777 == 0o755
            return ours and old.read() == text
    except OSError:
        return False  # missing or unreadable: written next, or the reason is found there


def launcher_text(python: str, folders: Sequence[str], beside: str) -> str:
    """Return the launcher for an interpreter and the folders to append to its path.

    `beside` is the file that our modules are read from.
    """
    for path in (python, *folders, beside):
        try:
            path.encode()
        except UnicodeEncodeError:
            raise SetupError(f"write the launcher: {path!a} is not UTF-8") from None
    body = _BODY.format(folders=list(folders), modules=beside)
    line = f"#!{python} {FLAGS}"
    if not any(c.isspace() for c in python) and len(line.encode()) <= LONGEST_LINE:
        return f"{line}\n{body}"
    if bad := _UNQUOTABLE.intersection(python):
        raise SetupError(f"write the launcher: {min(bad)!r} in the interpreter's path {python!r}")
    # sh reads the first line as `:` and then leaves by exec; Python reads a string to its end.
    return f"#!/bin/sh\n''':'\nexec \"{python}\" {FLAGS} \"$0\" \"$@\"\n'''\n{body}"


def versioned(python: str) -> str:
    """Return the interpreter's name that has its version, if its folder offers it.

    The folders in a launcher are of one version, so `python3` may not become another one.
    """
    named = os.path.join(os.path.dirname(python), "python{}.{}".format(*sys.version_info))
    return named if os.path.exists(named) and os.path.samefile(named, python) else python


def package_folders() -> list[str]:
    """Return the folders that our packages and their dependencies are imported from.

    `src` folders for an editable install, site-packages for wheels.  They are appended to the
    path, not put before it: else any file in site-packages could shadow the standard library.
    """
    folders = []
    for name in OURS + THEIRS:
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise SetupError(f"find {name}: not installed for {sys.executable}")
        home = os.path.dirname(spec.origin)
        folders.append(os.path.dirname(home) if spec.submodule_search_locations else home)
    return list(dict.fromkeys(folders))


def untrusted_parents(path: str, owners: Iterable[int] = (0,)) -> Iterator[str]:
    """Say why somebody other than `owners` decides what `path` is, one line for each place.

    Walks from the root to `path`, and to where each symbolic link on the way leads: who may
    write in one of the folders can put another file in the place of the next.  A folder with
    the sticky bit only lets the owner of an entry do that.  Raises OSError if a part is missing.
    """
    trusted = frozenset(owners)
    # Not abspath: `..` behind a link leads elsewhere than the text says.
    for place in dict.fromkeys(_places(os.path.join(os.getcwd(), path))):
        found = os.lstat(place)
        mode = found.st_mode
        if found.st_uid not in trusted:
            yield f"{place}: owned by uid {found.st_uid}"
        elif stat.S_ISLNK(mode) or (stat.S_ISDIR(mode) and mode & stat.S_ISVTX):
            continue
        elif mode & stat.S_IWOTH:
            yield f"{place}: writable by everybody"
        elif mode & stat.S_IWGRP and (found.st_gid != 0 or _has_acl(place)):
            yield f"{place}: writable by a group or an access list"


def _places(path: str) -> Iterator[str]:
    """Yield what the kernel looks up on the way to `path`, the links themselves included."""
    here, waiting, links = "/", path.split("/")[::-1], 0
    yield here
    while waiting:
        part = waiting.pop()
        if part == "..":
            here = os.path.dirname(here)
        elif part not in ("", "."):
            place = os.path.join(here, part)
            yield place
            if not os.path.islink(place):
                here = place
                continue
            if (links := links + 1) > 40:  # as the kernel, fs/namei.c MAXSYMLINKS
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            goal = os.readlink(place)
            here = "/" if goal.startswith("/") else here
            waiting += goal.split("/")[::-1]


def _has_acl(place: str) -> bool:
    # With an access list the group bits of the mode are the list's mask, not the group's.
    try:
        return "system.posix_acl_access" in os.listxattr(place, follow_symlinks=False)
    except OSError:
        return False  # a file system without extended attributes has no lists


def _replace(target: str, text: bytes) -> None:
    # Beside the target, so that the rename stays in one file system; an engine that starts the
    # runtime meanwhile sees the old file or the new one.
    draft = f"{target}.{os.getpid()}"
    try:
        with open(draft, "xb") as file:
            file.write(text)
            os.fchmod(file.fileno(), 0o755)
        os.replace(draft, target)
    except OSError as e:
        if os.path.exists(draft):
            os.unlink(draft)
        raise SetupError(f"write the launcher: {target}: {e.strerror}") from e


def main(arguments: Sequence[str]) -> int:
    """Run `python -m pyoci.setup launcher PATH`, which is what `just setup` ends with."""
    if len(arguments) != 2 or arguments[0] != "launcher":
        print("usage: python -m pyoci.setup launcher PATH", file=sys.stderr)
        return 1
    try:
        write_launcher(arguments[1])
    except SetupError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
