"""Moving network devices of the host into a container: `linux.netDevices`.  rtnetlink(7).

A move takes a device down and its addresses away, so they are noted before and set again.  A child
does it: it has a socket in the host's network namespace, then joins the container's and has one
there.  Where the kernel refuses after the move, the device goes back, and so do the ones before it:
a virtual one would end with the namespace.  Routes are not carried.
"""

from __future__ import annotations

import errno
import posix
from struct import pack, unpack_from

from . import _log
from ._record import Record
from .codec import dumps, loads
from .errors import InitFailed
from .kernel import constants as c
from .signals import hold_stops, set_mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from .kernel import Kernel

    Address: TypeAlias = tuple[bytes, dict[int, bytes]]  # struct ifaddrmsg's head, attributes

# include/uapi/linux/netlink.h, rtnetlink.h, if_link.h, if_addr.h, if.h
_ERROR, _DONE = 2, 3
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _GET_ADDRESS = 16, 18, 20, 22
_REQUEST, _ACK, _DUMP, _REPLACE, _CREATE = 0x1, 0x4, 0x300, 0x100, 0x400
_NAME, _NAMESPACE_FD = 3, 28  # IFLA_IFNAME, IFLA_NET_NS_FD
_LABEL = 3  # IFA_LABEL
_CACHE_INFO, _FLAGS = 6, 8  # IFA_CACHEINFO, IFA_FLAGS
_PERMANENT = 0x80  # IFA_F_PERMANENT
_UP = 1  # IFF_UP
_UNIVERSE = 0  # RT_SCOPE_UNIVERSE
_LONGEST = 15  # bytes of a name or label


class Moved(Record):
    """A device that is in the container now."""

    name: str  # on the host
    new: str
    up: bool  # on the host


class Devices:
    """The devices of one container: on the host, or in its network namespace.

    That namespace is held open: what has been moved can be moved back after init has ended.
    """

    def __init__(self, devices: Mapping[str, str], pid: int) -> None:
        """`devices` are names on the host with names inside; those may have a %d for a number."""
        self._devices = devices
        self._moved: list[Moved] = []
        self._namespace = _open(f"/proc/{pid}/ns/net")

    def move(self, kernel: Kernel) -> None:
        """Move all of them into the container, or none.  Raises InitFailed."""
        before = hold_stops()  # what has been moved must be known
        try:
            answer = _in_child(kernel, lambda: _move_all(self._devices, self._namespace, kernel))
            self._moved = [Moved.from_json(moved) for moved in answer.get("moved", ())]
        finally:
            set_mask(before)
        for warning in answer.get("warnings", ()):
            _log.warning(warning)
        if "error" in answer:
            text = f"move network device: {answer['error']}"
            raise InitFailed("netDevices", answer.get("errno", 0), text)

    def move_back(self, kernel: Kernel) -> None:
        """Undo `move`, as far as it can be done; what cannot is told."""
        moved, self._moved = self._moved, []
        if not moved:
            return
        answer = _in_child(kernel, lambda: _move_all_back(moved, self._namespace, kernel))
        for warning in answer.get("warnings", ()):
            _log.warning(warning)
        if "error" in answer:
            _log.warning(f"move the network devices back: {answer['error']}")

    def close(self) -> None:
        """Let the namespace go, and with it what is in it if nobody else is."""
        if self._namespace >= 0:
            posix.close(self._namespace)
            self._namespace = -1


def _in_child(kernel: Kernel, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Do the work in a child, which may change its namespace; return what it said."""
    reader, writer = posix.pipe2(posix.O_CLOEXEC)

    def body() -> None:
        try:
            answer = work()
        except OSError as e:
            answer = {"errno": e.errno or 0, "error": f"{e.strerror}: {e.filename}"}
        posix.write(writer, dumps(answer).encode())

    child = kernel.fork(body)
    posix.close(writer)
    said = b""
    while part := posix.read(reader, 1 << 16):
        said += part
    posix.close(reader)
    posix.waitpid(child, 0)
    if not said:
        return {"error": "the helper ended unexpectedly"}
    found: dict[str, Any] = loads(said.decode())
    return found


def _both_sides(namespace: int, kernel: Kernel) -> tuple[Routes, Routes]:
    """Return the host's side and the container's, having moved to that."""
    outside = Routes(_open("/proc/self/ns/net"), "on the host")
    kernel.setns(namespace, c.CLONE_NEWNET, "network namespace of the container")
    return outside, Routes(namespace, "in the container")


def _move_all(devices: Mapping[str, str], namespace: int, kernel: Kernel) -> dict[str, Any]:
    outside, inside = _both_sides(namespace, kernel)
    moved: list[Moved] = []
    try:
        for name, new in devices.items():
            index = outside.index(name)
            if index is None:
                text = "link not found for interface on runtime namespace"
                raise OSError(errno.ENODEV, text, name)
            up = outside.is_up(index, name)
            moved.append(Moved(name, _move(index, name, new, outside, inside, up=True), up))
    except OSError as e:
        warnings = _all_back(moved, outside, inside)
        error = f"{e.strerror}: {e.filename}"
        return {"errno": e.errno or 0, "error": error, "warnings": warnings}
    return {"moved": [device.to_json() for device in moved]}


def _move_all_back(moved: list[Moved], namespace: int, kernel: Kernel) -> dict[str, Any]:
    return {"warnings": _all_back(moved, *_both_sides(namespace, kernel))}


def _all_back(moved: list[Moved], outside: Routes, inside: Routes) -> list[str]:
    """Best effort: return what was refused, and so is lost or without its addresses."""
    warnings = []
    for device in reversed(moved):
        try:
            index = inside.index(device.new)
            if index is None:
                raise OSError(errno.ENODEV, "it is not there any more", device.new)
            _move(index, device.new, device.name, inside, outside, up=device.up)
        except OSError as e:
            said = f"{e.strerror} ({e.filename})"
            warnings.append(f"move network device {device.name} back to the host: {said}")
    return warnings


def _move(index: int, name: str, new: str, here: Routes, there: Routes, *, up: bool) -> str:
    """Move a device with its addresses, or leave it as it was; return the name that it got."""
    if "%d" not in new and there.index(new) is not None:
        # The kernel would say so too, but only after it has moved the device.
        raise OSError(errno.EEXIST, f"there is a device of that name {there.place}", new)
    was_up = here.is_up(index, name)
    addresses = here.addresses(index)
    before = set(there.names())
    # Not taken down first: the move does that, and a device that cannot be moved stays as it was.
    here.move(index, name, new, there)
    arrived = (set(there.names()) - before).pop() if "%d" in new else new
    found = there.index(arrived) or index
    try:
        there.dress(found, arrived, [_relabelled(a, name, arrived) for a in addresses], up=up)
    except OSError:
        there.move(found, arrived, name, here)
        here.dress(here.index(name) or index, name, addresses, up=was_up)
        raise
    return arrived


def _relabelled(address: Address, old: str, new: str) -> Address:
    """Return an address whose label follows the device's name, as at a rename by the kernel.

    Old tools know an address by its label, and the device by what that begins with.
    """
    head, attributes = address
    label = attributes.get(_LABEL, b"").rstrip(b"\0")
    if not label.startswith(old.encode()):
        return address
    rest = label[len(old.encode()) :]  # `:1` and the like, which tells them apart: kept whole
    kept = new.encode()[: _LONGEST - len(rest)]
    return head, attributes | {_LABEL: kept + rest + b"\0"}


def _open(path: str) -> int:
    return posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)


class Routes:
    """A socket of rtnetlink; it stays in the network namespace that it was made in."""

    def __init__(self, namespace: int, place: str) -> None:
        """`namespace` is a descriptor of that namespace, `place` its name for errors."""
        import _socket  # rare

        self.namespace, self.place = namespace, place
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

    def is_up(self, index: int, name: str) -> bool:
        """Tell whether a device is up, as far as its owner decides that."""
        flags: int = unpack_from("=8xI", self._ask(_GET_LINK, _ACK, _link(index), name)[0])[0]
        return bool(flags & _UP)

    def names(self) -> list[str]:
        """Return the names of all devices."""
        replies = self._ask(_GET_LINK, _DUMP, _link(0), "links")
        return [_attributes(r[16:])[_NAME].rstrip(b"\0").decode() for r in replies]

    def addresses(self, index: int) -> list[Address]:
        """Return the lasting addresses of a device that are valid everywhere."""
        found: list[Address] = []
        for reply in self._ask(_GET_ADDRESS, _DUMP, bytes(8), "addresses"):
            family, prefix, flags, scope, owner = unpack_from("=BBBBI", reply)
            attributes = _attributes(reply[8:])
            if _FLAGS in attributes:
                flags = unpack_from("=I", attributes.pop(_FLAGS))[0]
            if owner != index or scope != _UNIVERSE or not flags & _PERMANENT:
                continue
            attributes.pop(_CACHE_INFO, None)  # times, which begin anew
            found.append((pack("=BBBB", family, prefix, 0, scope), attributes))
        return found

    def dress(self, index: int, name: str, addresses: list[Address], *, up: bool) -> None:
        """Give a device addresses that `addresses` returned, and take it up if it is to be."""
        for head, attributes in addresses:
            body = b"".join([_attribute(k, v) for k, v in attributes.items()])
            message = head + pack("=I", index) + body
            self._ask(_NEW_ADDRESS, _ACK | _CREATE | _REPLACE, message, name)
        if up:
            self._ask(_NEW_LINK, _ACK, _link(index, _UP, _UP), name)

    def move(self, index: int, name: str, new: str, there: Routes) -> None:
        """Move a device and rename it, in one message."""
        target = _attribute(_NAMESPACE_FD, pack("=I", there.namespace))
        body = target + _attribute(_NAME, _text(new))
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
