"""Messages to the journal, for `--systemd-log`.  sd_journal_sendv(3).

Through libsystemd itself; systemd-python, where that is installed, makes the same call, but
importing it costs 30 ms a start.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PRIORITIES = {"error": 3, "warning": 4, "info": 6, "debug": 7}  # syslog(3)
_SOCKET = "/run/systemd/journal/socket"


def send(text: str, level: str) -> bool:
    """Send one message; False when there is no journal here, so that nobody tries again."""
    if not posix.access(_SOCKET, posix.F_OK):
        return False
    try:
        from ._abi import ffi

        library: Any = ffi.dlopen("libsystemd.so.0")
    except (ImportError, OSError):
        return _send_by_package(text, level)
    fields = [
        f"MESSAGE={text}",
        f"PRIORITY={_PRIORITIES[level]}",
        "SYSLOG_IDENTIFIER=pyoci",
    ]
    kept = [ffi.from_buffer(field.encode("utf-8", "backslashreplace")) for field in fields]
    vector = ffi.new("struct iovec[]", len(kept))
    for entry, data in zip(vector, kept):
        entry.iov_base, entry.iov_len = ffi.cast("void *", data), len(data)
    return bool(library.sd_journal_sendv(vector, len(kept)) == 0)


def _send_by_package(text: str, level: str) -> bool:
    try:
        from systemd import journal  # type: ignore[import-not-found]
    except ImportError:
        return False
    journal.send(text, PRIORITY=_PRIORITIES[level], SYSLOG_IDENTIFIER="pyoci")
    return True
