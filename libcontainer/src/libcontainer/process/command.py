"""Finding the payload's program, its arguments and environment, before there is no way back.

create must say that a command is missing: engines make their exit status from its text
(runc's words).  The search goes through the root's handle; the last word on permissions
has the stub's faccessat2, under the payload's own credentials.
"""

from __future__ import annotations

import errno
import posix
import stat

from ..codec import dumps
from ..errors import InitFailed
from ..kernel import constants as c
from ..rootfs import resolve

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..kernel import Kernel
    from ..plan.process import Command

_PATH_MAX = 4096  # include/uapi/linux/limits.h
_STRING_LIMIT = 131072  # bytes, with the NUL: MAX_ARG_STRLEN
_TOTAL_LIMIT = 6 << 20  # bytes: three quarters of _STK_LIM, however large the stack may grow
_EXECUTABLE = 0o111


def environment(command: Command, kernel: Kernel, root: int) -> tuple[str, ...]:
    """Return the payload's environment: the last of equal names, and HOME where there is none.

    Raises InitFailed for an entry that is not NAME=VALUE.
    """
    last: dict[str, str] = {}
    for entry in command.env:
        name, equals, value = entry.partition("=")
        if not equals or not name:
            what = "missing '='" if not equals else "name cannot be empty"
            text = f"invalid environment variable: {what}: {dumps(entry)}"
            raise InitFailed("environment", None, text)
        last[name] = value
    if not last.get("HOME"):
        last["HOME"] = _home(command.uid, kernel, root)
    return tuple([f"{name}={value}" for name, value in last.items()])


def find(command: Command, env: tuple[str, ...], kernel: Kernel, root: int) -> str:
    """Return the path that the payload is executed by.

    One that is relative starts at the working directory.  Raises InitFailed in runc's words.
    """
    cwd = command.cwd
    name = command.args[0]
    if not name:
        raise InitFailed("command", errno.ENOENT, 'exec: "": executable file not found in $PATH')
    if "/" in name:
        _judge(name, kernel, root, cwd)
        return name
    path = next((e[5:] for e in env if e.startswith("PATH=")), "")
    refused: InitFailed | None = None
    for folder in path.split(":") if path else ():
        candidate = f"{folder or '.'}/{name}"
        try:
            _judge(candidate, kernel, root, cwd)
            return candidate
        except InitFailed as e:
            if e.errno == errno.EACCES:
                refused = InitFailed("command", e.errno, f'exec: "{name}": permission denied')
    if refused is not None:
        raise refused
    text = f'exec: "{name}": executable file not found in $PATH'
    raise InitFailed("command", errno.ENOENT, text)


def open_cwd(path: str, kernel: Kernel, root: int) -> int | None:
    """Return a handle of the working directory; None if only the payload's user may enter it.

    Raises InitFailed.
    """
    try:
        return resolve.open_path(kernel, root, path, flags=c.O_PATH | posix.O_DIRECTORY)
    except OSError as e:
        if e.errno == errno.EACCES:
            return None
        raise cwd_failed(path, e.errno) from e


def cwd_failed(path: str, code: int | None) -> InitFailed:
    """Return the error for a working directory that cannot be made, found or entered."""
    why = posix.strerror(code).lower() if code else "unexpected result"
    return InitFailed("cwd", code, f'chdir to cwd ("{path}") set in config.json failed: {why}')


def check_size(args: tuple[str, ...], env: tuple[str, ...]) -> None:
    """Refuse what execve would refuse with E2BIG, when nobody listens any more.

    Raises InitFailed.
    """
    sizes, total = _sizes(args, env)
    if total <= _STRING_LIMIT:  # always allowed, whatever the stack limit
        return
    import resource  # loaded by `load_for`

    soft = resource.getrlimit(resource.RLIMIT_STACK)[0]
    limit = _TOTAL_LIMIT if soft < 0 else max(_STRING_LIMIT, min(soft // 4, _TOTAL_LIMIT))
    if max(sizes) > _STRING_LIMIT or total > limit:
        raise InitFailed("command", errno.E2BIG, f'exec: "{args[0]}": argument list too long')


def load_for(command: Command) -> None:
    """Import what checking a long command needs, while something can still be imported."""
    # HOME may come to it, of a length that only the image knows.
    if _sizes(command.args, command.env)[1] > _STRING_LIMIT // 2:
        import resource  # noqa: F401


def _sizes(args: tuple[str, ...], env: tuple[str, ...]) -> tuple[list[int], int]:
    """Return the bytes of each string, and of all with their pointers."""
    sizes = [len(text.encode("utf-8", "surrogateescape")) + 1 for text in (*args, *env)]
    return sizes, sum(sizes) + 8 * len(sizes)


def _judge(path: str, kernel: Kernel, root: int, cwd: str) -> None:
    try:
        whole = path if path.startswith("/") else f"{cwd}/{path}"
        fd = resolve.open_path(kernel, root, whole)
    except OSError as e:
        text = f'exec: "{path}": stat {path}: {posix.strerror(e.errno or 0).lower()}'
        raise InitFailed("command", e.errno, text) from e
    with resolve.Handle(fd):
        found = posix.fstat(fd).st_mode
    if stat.S_ISDIR(found):
        # runc's words of two times: engines make 126 of the one or of the other.
        text = f'exec: "{path}": is a directory: permission denied'
        raise InitFailed("command", errno.EISDIR, text)
    if not stat.S_ISREG(found) or not found & _EXECUTABLE:
        raise InitFailed("command", errno.EACCES, f'exec: "{path}": permission denied')


def _home(uid: int, kernel: Kernel, root: int) -> str:
    """Return the home directory that the image's /etc/passwd gives `uid`, else `/`.

    The file is the image's: it may be a device, endless, or nonsense.  Opening a device acts, and
    who asks here may be outside the container's cgroup: so it is judged first, then opened.
    """
    try:
        with resolve.Handle(resolve.open_path(kernel, root, "/etc/passwd")) as found:
            if not stat.S_ISREG(posix.fstat(found).st_mode):
                return "/"
            fd = posix.open(f"/proc/self/fd/{found}", posix.O_RDONLY | posix.O_CLOEXEC)
        with resolve.Handle(fd):
            text = posix.read(fd, 1 << 20).decode(errors="surrogateescape")
    except OSError:
        return "/"
    for line in text.split("\n"):
        fields = line.split(":")
        if len(fields) >= 6 and fields[2] == str(uid) and 0 < len(fields[5]) < _PATH_MAX:
            return fields[5].replace("\0", "") or "/"
    return "/"
