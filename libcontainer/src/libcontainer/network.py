"""Moving network devices of the host into a container: `linux.netDevices`.  rtnetlink(7).

A move takes a device down and its addresses away, so they are noted before and set again.  A child
does it: it has a socket in the host's network namespace, then joins the container's and has one
there.  Where the kernel refuses after the move, the device goes back; routes are not carried.
"""

from __future__ import annotations

import errno
import posix
from struct import pack, unpack_from

from .errors import InitFailed
from .kernel import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .kernel import Kernel

# include/uapi/linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, if.h
_ERROR, _DONE = 2, 3
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _GET_ADDRESS = 16, 18, 20, 22
_REQUEST, _ACK, _DUMP, _REPLACE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
_NAME, _NAMESPACE_FD = 3, 28  # IFLA_IFNAME, IFLA_NET_NS_FD
_CACHE_INFO, _FLAGS = 6, 8  # IFA_CACHEINFO, IFA_FLAGS
_PERMANENT = 0x80  # IFA_F_PERMANENT
_UP = 1  # IFF_UP
_UNIVERSE = 0  # RT_SCOPE_UNIVERSE


def move_devices(devices: Mapping[str, str], pid: int, kernel: Kernel) -> None:
    """Move each device into the network namespace of `pid`, under its new name.

    A name may have a %d, for which the kernel finds a number.  Raises InitFailed.
    """
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    path = f"/proc/{pid}/ns/net"

    def body() -> None:
        try:
            _move_all(devices, path, kernel)
        except OSError as e:
            said = f"{e.errno or 0} {e.strerror}: {e.filename}"
            posix.write(writer, said.encode())

    child = kernel.fork(body)
    posix.close(writer)
    said = posix.read(reader, 4096).decode()
    posix.close(reader)
    _, status = posix.waitpid(child, 0)
    if said or status:
        code, _, text = said.partition(" ")
        fault = text or "the helper ended unexpectedly"
        raise InitFailed("netDevices", int(code or 0), f"move network device: {fault}")


def _move_all(devices: Mapping[str, str], path: str, kernel: Kernel) -> None:
    outside = Routes()
    home = posix.open("/proc/self/ns/net", posix.O_RDONLY | posix.O_CLOEXEC)
    target = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    kernel.setns(target, c.CLONE_NEWNET, path)
    inside = Routes()
    for name, new in devices.items():
        _move(name, new, outside, inside, home=home, target=target)


def _move(name: str, new: str, outside: Routes, inside: Routes, *, home: int, target: int) -> None:
    index = outside.index(name)
    if index is None:
        text = "link not found for interface on runtime namespace"
        raise OSError(errno.ENODEV, text, name)
    if "%d" not in new and inside.index(new) is not None:
        # The kernel would say so too, but only after it has moved the device.
        raise OSError(errno.EEXIST, "there is a device of that name in the container", new)
    addresses = outside.addresses(index)
    before = set(inside.names())
    # Not taken down first: the move does that, and a device that cannot be moved stays as it was.
    outside.move(index, name, new, target)
    arrived = (set(inside.names()) - before).pop() if "%d" in new else new
    found = inside.index(arrived) or index
    try:
        for address in addresses:
            inside.add_address(found, address, arrived)
        inside.up(found, arrived)
    except OSError:
        inside.move(found, arrived, name, home)
        raise


class Routes:
    """A socket of rtnetlink; it stays in the network namespace that it was made in."""

    def __init__(self) -> None:
        import _socket  # rare

        self._socket = _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW, 0)  # NETLINK_ROUTE

    def index(self, name: str) -> int | None:
        """Return the number of a device."""
        try:
            replies = self._ask(_GET_LINK, _ACK, _link(0) + _attribute(_NAME, _text(name)), name)
        except OSError as e:
            if e.errno == errno.ENODEV:
                return None
            raise
        return int(unpack_from("=4xi", replies[0])[0])

    def names(self) -> list[str]:
        """Return the names of all devices."""
        replies = self._ask(_GET_LINK, _DUMP, _link(0), "links")
        return [_attributes(r[16:])[_NAME].rstrip(b"\0").decode() for r in replies]

    def addresses(self, index: int) -> list[bytes]:
        """Return the lasting addresses of a device that are valid everywhere, as messages."""
        found = []
        for reply in self._ask(_GET_ADDRESS, _DUMP, bytes(8), "addresses"):
            family, prefix, flags, scope, owner = unpack_from("=BBBBI", reply)
            attributes = _attributes(reply[8:])
            if _FLAGS in attributes:
                flags = unpack_from("=I", attributes.pop(_FLAGS))[0]
            if owner != index or scope != _UNIVERSE or not flags & _PERMANENT:
                continue
            attributes.pop(_CACHE_INFO, None)  # times, which begin anew
            body = b"".join([_attribute(k, v) for k, v in attributes.items()])
            found.append(pack("=BBBB", family, prefix, 0, scope) + body)
        return found

    def add_address(self, index: int, address: bytes, name: str) -> None:
        """Give a device an address that `addresses` returned."""
        body = address[:4] + pack("=I", index) + address[4:]
        self._ask(_NEW_ADDRESS, _ACK | _CREATE | _REPLACE, body, name)

    def up(self, index: int, name: str) -> None:
        """Take a device up."""
        self._ask(_NEW_LINK, _ACK, _link(index, _UP, _UP), name)

    def move(self, index: int, name: str, new: str, namespace: int) -> None:
        """Move a device and rename it, in one message."""
        body = _attribute(_NAMESPACE_FD, pack("=I", namespace)) + _attribute(_NAME, _text(new))
        self._ask(_NEW_LINK, _ACK, _link(index) + body, name)

    def _ask(self, kind: int, flags: int, body: bytes, what: str) -> list[bytes]:
        """Send one message; return the bodies of the replies.  Raises OSError naming `what`."""
        self._socket.send(pack("=IHHII", 16 + len(body), kind, flags | _REQUEST, 1, 0) + body)
        found: list[bytes] = []
        while True:
            data: Any = self._socket.recv(1 << 16)
            while data:
                length, kind = unpack_from("=IH", data)
                content, data = data[16:length], data[(length + 3) & ~3 :]
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    code = -unpack_from("=i", content)[0]
                    if code:
                        raise OSError(code, posix.strerror(code).lower(), what)
                    return found
                found.append(content)


def _link(index: int, flags: int = 0, change: int = 0) -> bytes:
    """Return a struct ifinfomsg."""
    return pack("=BxHiII", 0, 0, index, flags, change)


def _attribute(kind: int, value: bytes) -> bytes:
    length = 4 + len(value)
    return pack("=HH", length, kind) + value + bytes(-length % 4)


def _attributes(data: bytes) -> dict[int, bytes]:
    found = {}
    while len(data) >= 4:
        length, kind = unpack_from("=HH", data)
        found[kind & 0x3FFF] = data[4:length]  # without NLA_F_NESTED and its like
        data = data[(length + 3) & ~3 :]
    return found


def _text(name: str) -> bytes:
    return name.encode() + b"\0"
