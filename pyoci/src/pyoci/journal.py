"""Messages to the journal and to syslog, for `--systemd-log` and `--log`.  sd_journal_sendv(3).

To the journal through libsystemd itself; systemd-python, where that is installed, makes the same
call, but importing it costs 30 ms a start.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PRIORITIES = {"error": 3, "warning": 4, "info": 6, "debug": 7}  # syslog(3)
_SOCKET = "/run/systemd/journal/socket"
_SYSLOG = "/dev/log"
_USER = 1 << 3  # the facility of ordinary programs, syslog(3)


def send(text: str, level: str, ident: str) -> bool:
    """Send one message; False when there is no journal here, so that nobody tries again."""
    if not posix.access(_SOCKET, posix.F_OK):
        return False
    try:
        from ._abi import ffi

        library: Any = ffi.dlopen("libsystemd.so.0")
    except (ImportError, OSError):
        return _send_by_package(text, level, ident)
    fields = [
        f"MESSAGE={text}",
        f"PRIORITY={_PRIORITIES[level]}",
        f"SYSLOG_IDENTIFIER={ident}",
    ]
    kept = [ffi.from_buffer(field.encode("utf-8", "backslashreplace")) for field in fields]
    vector = ffi.new("struct iovec[]", len(kept))
    for entry, data in zip(vector, kept):
        entry.iov_base, entry.iov_len = ffi.cast("void *", data), len(data)
    return bool(library.sd_journal_sendv(vector, len(kept)) == 0)


def _send_by_package(text: str, level: str, ident: str) -> bool:
    try:
        from systemd import journal  # type: ignore[import-not-found]
    except ImportError:
        return False
    journal.send(text, PRIORITY=_PRIORITIES[level], SYSLOG_IDENTIFIER=ident)
    return True


def send_to_syslog(text: str, level: str, ident: str, path: str = _SYSLOG) -> bool:
    """Send one message to the host's syslog daemon; False when there is none.  RFC 3164."""
    import _socket

    line = f"<{_USER | _PRIORITIES[level]}>{ident}[{posix.getpid()}]: {text}"
    try:
        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM)
        connection.connect(path)
        connection.send(line.encode("utf-8", "backslashreplace"))
        connection.close()
    except OSError:
        return False
    return True
