"""The calls by which a process writes its labels."""

from __future__ import annotations

import posix
from struct import pack

from ..kernel import constants as c
from .lastmile import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..lsm import Label


def write_labels(labels: Iterable[Label], *, handle: str, folder: str = "") -> list[Entry]:
    """Return the calls that write labels below a handle of a procfs, and forget the handle.

    The kernel takes a label only from the program that opened the file, so the list opens it; no
    magic link and no mount on the way may lead it elsewhere (CVE-2019-16884).  After the last
    fork, before no_new_privs, and before `R`: the handle must not outlive the list's first part.
    """
    flags = posix.O_WRONLY | posix.O_NOFOLLOW | posix.O_CLOEXEC
    rule = c.RESOLVE_BENEATH | c.RESOLVE_NO_XDEV | c.RESOLVE_NO_MAGICLINKS
    how = "hex:" + pack("<3Q", flags, 0, rule).hex()
    entries = []
    for label in labels:
        length = len(label.text.encode("utf-8", "surrogateescape"))
        path, text = f"text:{folder}{label.file}", f"text:{label.text}"
        entries += [
            Entry("openat2", (f"fd:{handle}", path, how, 24), label.does),
            Entry("write", ("result:-1", text, length), label.does, want=length),
            Entry("close", ("result:-2",), label.does),
        ]
    entries.append(Entry("close", (f"fd:{handle}",), "forget the process's attributes"))
    return entries
