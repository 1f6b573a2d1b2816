"""What commands print, and where the state root is."""

from __future__ import annotations

import posix

from libcontainer.errors import ContainerError

from .log import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs

_ROOT = "/run/pyoci"


class BadOption(ContainerError):
    """An option that reads, but cannot be."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return self.text


def write(text: str) -> None:
    """Write to stdout, all of it."""
    write_to(1, text)


def write_to(fd: int, text: str) -> None:
    """Write all of the text."""
    rest = text.encode("utf-8", "surrogateescape")
    while rest:
        rest = rest[posix.write(fd, rest) :]


def absolute(path: str | None) -> str | None:
    """Return a path that means the same after a change of directory."""
    return path if path is None or path.startswith("/") else f"{posix.getcwd()}/{path}"


def read_file(path: str) -> str:
    """Return the text of a file, of stdin for `-`.  Raises BadOption."""
    try:
        # Our own copy of stdin, so that both are closed alike.
        fd = posix.dup(0) if path == "-" else posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as e:
        raise BadOption(f"open {path}: {(e.strerror or '').lower()}") from e
    found = b""
    try:
        while part := posix.read(fd, 1 << 16):
            found += part
            if len(found) > 1 << 24:
                raise BadOption(f"{path} is larger than 16 MiB")
    except OSError as e:
        raise BadOption(f"read {path}: {(e.strerror or '').lower()}") from e
    finally:
        posix.close(fd)
    return found.decode("utf-8", "surrogateescape")


def state_root(options: GlobalArgs) -> str:
    """Return the state root: `--root`, or by runc's rule the same for every call of one user."""
    if options.root is not None:
        path = options.root if options.root.startswith("/") else f"{posix.getcwd()}/{options.root}"
        path = "/" + "/".join([p for p in path.split("/") if p not in ("", ".")])
        if path == "/":
            raise BadOption("Option --root argument should not be set to /")
        return path
    user = environment("XDG_RUNTIME_DIR")
    if user and (posix.geteuid() != 0 or (_nested() and environment("USER") != "root")):
        return f"{user}/pyoci"
    return _ROOT


def made_root(options: GlobalArgs) -> str:
    """Return the state root; make an ordinary user's default one, with the sticky bit.

    Who cleans $XDG_RUNTIME_DIR passes over what has it.  XDG Base Directory Specification.
    """
    root = state_root(options)
    if options.root is None and root != _ROOT:
        try:
            posix.mkdir(root, 0o700)
            posix.chmod(root, 0o1700)
        except OSError:
            pass  # it is there; or create tells, which cannot make its own directory in it
    return root


def _nested() -> bool:
    from libcontainer.idmap import is_nested  # not for root without the variable

    return is_nested()
