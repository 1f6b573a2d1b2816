"""The machine that we run on, as we see it.  Copied unchanged, like `_record.py`."""

from __future__ import annotations

import posix
from struct import calcsize


def machine() -> str:
    """Return the machine that this interpreter was built for.

    uname(2) alone does not tell: under a 32-bit personality (setarch, linux32) it names the machine
    that 32-bit programs see, also to a 64-bit one.
    """
    name = posix.uname().machine
    if calcsize("P") != 8:
        return name
    if name[:1] == "i" and name[2:] == "86":
        return "x86_64"
    return "aarch64" if name[:3] == "arm" else name
