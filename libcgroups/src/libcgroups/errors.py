"""What can go wrong.

    CgroupError
    ├─ ControlFileError     path, value, errno    the kernel refused a control file
    ├─ ControllerMissing    controller            a limit needs a controller that is not there
    └─ BusError             name                  systemd refused, or the bus did

`errno` is an attribute of all of them, None where the kernel did not say.
"""

from __future__ import annotations

import posix


class CgroupError(Exception):
    """A cgroup could not be made, limited, read or removed as asked."""

    errno: int | None = None

    @classmethod
    def because(cls, text: str, errno: int | None) -> CgroupError:
        """Return an error with a text of its own and the kernel's errno."""
        found = cls(text)
        found.errno = errno
        return found


class ControlFileError(CgroupError):
    """The kernel refused to read or write a control file, or to make or remove a cgroup.

    `value` is what was to be written, None where nothing was; `cgroup` is the cgroup's path
    below its mount point, for the text.
    """

    def __init__(
        self, path: str, value: str | None, errno: int, cgroup: str = "", call: str = "read"
    ) -> None:
        super().__init__(path, value, errno, cgroup, call)
        self.path, self.value, self.errno, self.cgroup, self.call = path, value, errno, cgroup, call

    def __str__(self) -> str:
        folder, _, name = self.path.rpartition("/")
        if self.value is not None:
            what = f'write "{self.value}" to {name} of {self.cgroup or folder}'
        elif self.call == "read":
            what = f"read {name} of {self.cgroup or folder}"
        else:
            what = f"{self.call} {self.path}"
        return f"{what}: {posix.strerror(self.errno or 0).lower()}"


class ControllerMissing(CgroupError):
    """A limit was asked for whose controller is not mounted, not enabled or not delegated.

    `hint` says what to do about it, if anything can be done.
    """

    def __init__(self, controller: str, what: str, hint: str = "") -> None:
        super().__init__(controller, what, hint)
        self.controller, self.what, self.hint = controller, what, hint

    def __str__(self) -> str:
        return f"{self.what}{': ' if self.hint else ''}{self.hint}"


class BusError(CgroupError):
    """A call over D-Bus failed; `name` is the error's D-Bus name."""

    def __init__(self, name: str, text: str, errno: int | None = None) -> None:
        super().__init__(name, text, errno)
        self.name, self.text, self.errno = name, text, errno

    def __str__(self) -> str:
        return self.text
