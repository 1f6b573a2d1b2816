"""What can go wrong, as types.

    SeccompError
    ├─ LibraryMissing    no libseccomp.so.2, or one before 2.5
    ├─ ProfileError      the profile, or what it needs and this host lacks; faults with paths
    ├─ CallFailed        libseccomp or the kernel refused a call: call, what, errno
    └─ NotKnown          no such system call or architecture, by name or number

Every error keeps its arguments, so it can be pickled and copied; `errno` is an attribute on all
of them, None if neither the library nor the kernel gave one.
"""

from __future__ import annotations


class SeccompError(Exception):
    """Something about a filter could not be done."""

    errno: int | None = None


class LibraryMissing(SeccompError):
    """libseccomp cannot be used on this host; the text says what to install."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}, install libseccomp 2.5 or later (Debian: libseccomp2)"


class ProfileError(SeccompError):
    """The profile is wrong or asks for what this host lacks; `faults` are (path, text) pairs."""

    def __init__(self, faults: tuple[tuple[str, str], ...], errno: int | None = None) -> None:
        super().__init__(faults, errno)
        self.faults, self.errno = faults, errno

    def __str__(self) -> str:
        return "; ".join([f"{path}: {text}" for path, text in self.faults])


class CallFailed(SeccompError):
    """A call was refused; `call` is its name, `what` it was asked for."""

    def __init__(self, call: str, what: str, errno: int) -> None:
        super().__init__(call, what, errno)
        self.call, self.what, self.errno = call, what, errno

    def __str__(self) -> str:
        from posix import strerror

        asked = f" {self.what}" if self.what else ""
        return f"{self.call}{asked}: {strerror(self.errno or 0).lower()}"


class NotKnown(SeccompError):
    """libseccomp knows no such thing; `kind` is "system call" or "architecture"."""

    def __init__(self, kind: str, name: str | int, arch: str | None = None) -> None:
        super().__init__(kind, name, arch)
        self.kind, self.name, self.arch = kind, name, arch

    def __str__(self) -> str:
        where = f" of {self.arch}" if self.arch else ""
        return f"no {self.kind} {self.name}{where} is known to libseccomp"
