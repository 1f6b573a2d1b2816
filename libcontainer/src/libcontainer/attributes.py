"""Steps that give the new namespaces what they need: keyring, loopback, names, sysctls."""

from __future__ import annotations

import errno
import posix

from . import _log
from .kernel import constants as c
from .spec.rules.sysctl import sysctl_path
from .step import Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .kernel import Kernel
    from .rootfs.root import Rootfs

_KEYRING_LABEL = "/proc/self/attr/keycreate"
_USER_SEARCH = 0x80000


class SessionKeyring(Step):
    """Give the container a session keyring of its own, out of reach of the caller's keys."""

    name: str
    label: str | None = None  # SELinux label of the keyring

    def describe(self) -> str:
        """Name the keyring."""
        return f"join session keyring {self.name}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Join it, and let a later exec find it by name: that needs the search permission.

        Of its owner, also in a user namespace: who joins it for exec is root there as we are.
        """
        try:
            if self.label is not None:
                kernel.write_file(_KEYRING_LABEL, self.label)
            keyring = kernel.join_session_keyring(self.name)
            if self.label is not None:
                kernel.write_file(_KEYRING_LABEL, "")  # of this one alone
        except OSError as e:
            if e.errno != errno.ENOSYS:
                raise
            _log.warning("this kernel has no keyrings")
            return
        kernel.keyring_permissions(keyring, _USER_SEARCH)


class LoopbackUp(Step):
    """Bring up `lo` in a new network namespace."""

    name: str = "lo"

    def describe(self) -> str:
        """Name the interface."""
        return f"bring the interface {self.name} up"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Set IFF_UP."""
        kernel.link_up(self.name)


class Hostname(Step):
    """Name the host of the container's uts namespace."""

    name: str

    def describe(self) -> str:
        """Name the name."""
        return f"set hostname {self.name}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """By the call: in a user namespace the sysctl is refused."""
        kernel.sethostname(self.name)


class Domainname(Step):
    """Set the NIS domain name of the container's uts namespace."""

    name: str

    def describe(self) -> str:
        """Name the name."""
        return f"set domainname {self.name}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """By the call: in a user namespace the sysctl is refused."""
        kernel.setdomainname(self.name)


class Sysctl(Step):
    """Write a kernel setting of the container's namespaces."""

    key: str
    value: str

    def describe(self) -> str:
        """Say what is written where."""
        return f"write sysctl {self.key} = {self.value}"

    def apply(self, rootfs: Rootfs, kernel: Kernel) -> None:
        """Through the host's own procfs, which the image cannot touch.

        The effect follows the writer's namespaces, not the instance of procfs.
        """
        rule = c.RESOLVE_BENEATH | c.RESOLVE_NO_XDEV | c.RESOLVE_NO_MAGICLINKS
        proc = posix.open("/proc", c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            path = "sys/" + sysctl_path(self.key)
            fd = kernel.openat2(proc, path, posix.O_WRONLY | posix.O_NOFOLLOW, rule)
        except OSError as e:
            raise OSError(e.errno, e.strerror) from e  # the key says as much as the path
        finally:
            posix.close(proc)
        try:
            posix.write(fd, self.value.encode())
        finally:
            posix.close(fd)
