"""Where messages go: stderr, a log file, the journal.

At the default level a file gets errors only, one record each in one write: Podman reads the whole
file as one JSON object, containerd takes the last line.
"""

from __future__ import annotations

import posix
import sys
import time

from liboci_cli.reader import printable

_LEVELS = {"error": 0, "warning": 1, "info": 2, "debug": 3}
_STDIO = {"/dev/stdin": 0, "/dev/stdout": 1, "/dev/stderr": 2}
_NAMES = {"warn": "warning", "trace": "debug"}


class BadLog(Exception):
    """What `--log` names cannot be logged to."""

    errno: int | None = None


class Log:
    """The sink of one run of the program."""

    def __init__(
        self, path: str | None, *, json: bool, level: str = "error", journal: bool = False
    ) -> None:
        self.json = json
        self.level = _LEVELS[_NAMES.get(level, level)]
        self.journal = journal
        self.ident = "pyoci"  # of what goes to the journal or to syslog
        self.syslog = False
        self.fd: int | None = None
        if path is not None:
            self._open(path)

    def _open(self, path: str) -> None:
        """Open what `--log` names: a file, or `file:PATH`, `journald:ID`, `syslog:ID`."""
        kind, colon, rest = path.partition(":")
        if not colon or "/" in kind:
            self.fd = _open(path)
        elif kind == "file":
            self.fd = _open(rest)
        elif kind in ("journald", "syslog"):
            self.journal, self.syslog = self.journal or kind == "journald", kind == "syslog"
            self.ident = rest or self.ident
        else:
            raise BadLog(f"unknown log type: {kind}")

    def take_over(self) -> None:
        """Make the libraries' messages ours."""
        sys.oci_log_sink = self.message  # type: ignore[attr-defined]

    def wants(self, level: str) -> bool:
        """Whether messages of that level are logged."""
        return _LEVELS[level] <= self.level

    def details(self, text: str) -> None:
        """Keep what is for the log only, where that is a file and `--debug` is on."""
        if self.fd is not None and self.wants("debug"):
            _write(self.fd, self._record("debug", text))

    def message(self, level: str, text: str) -> None:
        """Write a message if its level is wanted.  Warnings always reach a terminal.

        Records are for a file; on stderr an error is bare text, like the one that ends us.
        """
        wanted = self.wants(level)
        if self.fd is not None and wanted:
            _write(self.fd, self._record(level, text))
        elif wanted or (level == "warning" and posix.isatty(2)):
            prefix = "" if level == "error" else f"{level}: "
            _write(2, f"{prefix}{printable(text)}\n")
        if wanted:
            self._elsewhere(level, text)

    def error(self, text: str, hint: str | None = None, lines: tuple[str, ...] = ()) -> None:
        """Tell the error that ends the program: on stderr, and in the file if there is one.

        `lines` are for people, in place of `text`.
        """
        if self.fd is not None:
            _write(self.fd, self._record("error", text))
        # A hook, and so an image, may have its words in it; they are not to act on a terminal.
        shown = "".join([printable(line) + "\n" for line in lines or (text,)])
        if hint is not None and posix.isatty(2):
            shown += f"hint: {hint}\n"
        _write(2, shown)
        self._elsewhere("error", text)

    def _record(self, level: str, text: str) -> str:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self.json:
            from libcontainer import codec

            return codec.dumps({"level": level, "msg": text, "time": stamp}) + "\n"
        return f'time="{stamp}" level={level} msg={_quoted(text)}\n'

    def _elsewhere(self, level: str, text: str) -> None:
        if self.journal:
            from .journal import send

            self.journal = send(text, level, self.ident)
            if not self.journal and posix.isatty(2):
                _write(2, "warning: there is no journal to log to\n")
        if self.syslog:
            from .journal import send_to_syslog

            self.syslog = send_to_syslog(text, level, self.ident)


def quiet() -> Log:
    """Return the log of a program that does not know its options yet."""
    return Log(None, json=False)


def _open(path: str) -> int:
    """Open a log file for appending; names of descriptors mean what the caller gave us as such.

    A link is not followed: whoever may write in the file's folder could lead the records of root
    into any file.
    """
    if (given := _given(path)) is not None:
        return _duplicate(given, path)
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT | posix.O_NOFOLLOW | posix.O_CLOEXEC
    try:
        return posix.open(path, flags, 0o644)
    except OSError as e:
        from errno import ELOOP  # 50 us, not for every start

        why = "it is a symbolic link" if e.errno == ELOOP else (e.strerror or "").lower()
        raise BadLog(f"open {path}: {why}") from e


def _given(path: str) -> int | None:
    """Return the number of the descriptor that the path names by convention, None for a file."""
    if path in _STDIO:
        return _STDIO[path]
    for folder in ("/dev/fd/", "/proc/self/fd/"):
        number = path.removeprefix(folder)
        if number != path and number.isascii() and number.isdigit() and len(number) < 10:
            return int(number)
    return None


def _duplicate(fd: int, path: str) -> int:
    try:
        # What is closed on exec is ours: the caller cannot have handed it in.
        if posix.get_inheritable(fd):
            return posix.dup(fd)
    except OSError:
        pass
    raise BadLog(f"open {path}: bad file descriptor")


def _write(fd: int, text: str) -> None:
    try:
        posix.write(fd, text.encode("utf-8", "backslashreplace"))
    except OSError:
        pass  # nobody reads; there is nobody else to tell


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{printable(escaped)}"'


def environment(name: str) -> str:
    """Return a variable of our environment, empty when it is not set."""
    return posix.environ.get(name.encode(), b"").decode("utf-8", "surrogateescape")
