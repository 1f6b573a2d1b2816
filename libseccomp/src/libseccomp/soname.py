"""Where libseccomp.so.2 is, found without opening it.

The cache of compiled profiles names the file in its keys, and a hit must not cost a dlopen.  What
`library` opens is what `find` found.
"""

from __future__ import annotations

import posix

SONAME = "libseccomp.so.2"

# Where distributions put it: the loader's cache is not read, it is a binary file of glibc's own.
_FOLDERS = (
    "/usr/lib/{machine}-linux-gnu",  # Debian and its heirs
    "/lib/{machine}-linux-gnu",
    "/usr/lib64",
    "/lib64",
    "/usr/lib",
    "/lib",
    "/usr/local/lib64",
    "/usr/local/lib",
)


def find() -> str | None:
    """Return the path of the library, or None if only the loader may know it.

    LD_LIBRARY_PATH goes first, as it does for the loader.
    """
    asked = posix.environ.get(b"LD_LIBRARY_PATH", b"").decode("utf-8", "surrogateescape")
    from ._machine import machine  # only for who looks

    name = machine()
    folders = [folder for folder in asked.split(":") if folder.startswith("/")]
    for folder in folders + [folder.format(machine=name) for folder in _FOLDERS]:
        path = f"{folder}/{SONAME}"
        try:
            posix.stat(path)
        except OSError:
            continue
        return path
    return None
