"""A connection to systemd by libsystemd's sd-bus.

No callbacks: a call waits for its reply, and what else arrives meanwhile is kept by the library
until `signals` asks for it.  A connection belongs to the process that opened it.
"""

from __future__ import annotations

import posix
import time
from errno import EAGAIN, EINTR

from .._abi import ffi
from ..errors import BusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_BASIC = {"y": "uint8_t", "b": "int", "i": "int32_t", "u": "uint32_t", "t": "uint64_t",
          "x": "int64_t", "d": "double"}  # fmt: skip
_TIMEOUT = 30  # seconds
_DESTINATION = b"org.freedesktop.systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_PATH = "/org/freedesktop/systemd1"


# Kept for good: cffi unloads a library with its last reference, and a message that is freed after
# that would jump into nothing.
_loaded: list[Any] = []


def _library() -> Any:
    if not _loaded:
        try:
            _loaded.append(ffi.dlopen("libsystemd.so.0"))
        except OSError as e:
            raise BusError("", f"cannot use systemd: {e}") from e
    return _loaded[0]


class Bus:
    """One connection.  `direct` is a socket of systemd itself, without a bus between."""

    def __init__(self, address: str, *, direct: bool = False) -> None:
        self._lib = _library()
        self._ffi: Any = ffi
        self.direct = direct
        self._bus = self._connect(address)

    def _connect(self, address: str) -> Any:
        for attempt in range(7):
            holder = self._ffi.new("sd_bus **")
            self._check(self._lib.sd_bus_new(holder), "sd_bus_new")
            bus = self._ffi.gc(holder[0], self._lib.sd_bus_flush_close_unref)
            self._check(self._lib.sd_bus_set_address(bus, address.encode()), "sd_bus_set_address")
            self._check(self._lib.sd_bus_set_bus_client(bus, not self.direct), "sd_bus_new")
            result = self._lib.sd_bus_start(bus)
            if result != -EAGAIN or attempt == 6:  # the listen queue is full: try later
                self._check(result, f"connect to {address}")
                return bus
            time.sleep(0.1 * 2**attempt)
        raise AssertionError

    def close(self) -> None:
        """Close; harmless the second time."""
        self._bus = None

    def call(
        self,
        member: str,
        signature: str = "",
        *values: Any,
        interface: str = _MANAGER,
        path: str = _PATH,
        destination: bytes | None = _DESTINATION,
    ) -> Message:
        """Call a method and return its reply.  Raises BusError."""
        holder = self._ffi.new("sd_bus_message **")
        self._check(
            self._lib.sd_bus_message_new_method_call(
                self._bus,
                holder,
                self._ffi.NULL if self.direct else destination,
                path.encode(),
                interface.encode(),
                member.encode(),
            ),
            member,
        )
        message = Message(self, holder[0])
        for kind, value in zip(split_signature(signature), values):
            message.append(kind, value)
        return self._send(message, member)

    def _send(self, message: Message, member: str) -> Message:
        error = self._ffi.new("sd_bus_error *")
        reply = self._ffi.new("sd_bus_message **")
        result = self._lib.sd_bus_call(
            self._bus, message.pointer, _TIMEOUT * 1_000_000, error, reply
        )
        if result >= 0:
            return Message(self, reply[0])
        try:
            name = self._text(error.name)
            text = self._text(error.message) or posix.strerror(-result).lower()
        finally:
            self._lib.sd_bus_error_free(error)
        raise BusError(name, f"{member}: {text}", -result)

    def get(self, name: str, interface: str = _MANAGER, path: str = _PATH) -> Any:
        """Return a property that is a text, the manager's or another object's."""
        properties = "org.freedesktop.DBus.Properties"
        reply = self.call("Get", "ss", interface, name, interface=properties, path=path)
        return reply.read_variant("s")

    def subscribe(self) -> None:
        """Ask for the manager's signals.  A direct connection gets them anyway."""
        if self.direct:
            return
        match = "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"
        self.call(
            "AddMatch", "s", match,
            interface="org.freedesktop.DBus", path="/org/freedesktop/DBus",
            destination=b"org.freedesktop.DBus",
        )  # fmt: skip
        self.call("Subscribe")

    def signals(self, member: str, patience: float) -> Iterator[Message]:
        """Yield the manager's signals of one name until `patience` seconds are over."""
        end = time.monotonic() + patience
        while (left := end - time.monotonic()) > 0:
            holder = self._ffi.new("sd_bus_message **")
            did = self._check(self._lib.sd_bus_process(self._bus, holder), "sd_bus_process")
            if holder[0] != self._ffi.NULL:
                message = Message(self, holder[0])
                if message.is_signal(member):
                    yield message
            elif not did:
                result = self._lib.sd_bus_wait(self._bus, int(left * 1_000_000))
                # A signal: its handler in Python runs now, and if it raises nothing we wait on.
                if result != -EINTR:
                    self._check(result, "sd_bus_wait")

    def _check(self, result: int, what: str) -> int:
        if result < 0:
            raise BusError("", f"{what}: {posix.strerror(-result).lower()}", -result)
        return result

    def _text(self, pointer: Any) -> str:
        return "" if pointer == self._ffi.NULL else self._ffi.string(pointer).decode()


class Message:
    """A message, to write or to read in the order of its signature."""

    __slots__ = ("_check", "_ffi", "_lib", "pointer")

    def __init__(self, bus: Bus, pointer: Any) -> None:
        self._ffi, self._lib, self._check = bus._ffi, bus._lib, bus._check
        self.pointer = self._ffi.gc(pointer, self._lib.sd_bus_message_unref)

    def append(self, signature: str, value: Any) -> None:
        """Append a value of one complete type; a variant is a pair of signature and value."""
        kind = signature[0]
        if signature == "ay":
            data = self._ffi.new("char[]", bytes(value))
            self._done(self._lib.sd_bus_message_append_array(self.pointer, b"y", data, len(value)))
        elif kind == "a":
            self._open("a", signature[1:])
            for item in value:
                self.append(signature[1:], item)
            self._close()
        elif kind == "(":
            self._open("r", signature[1:-1])
            for part, item in zip(split_signature(signature[1:-1]), value):
                self.append(part, item)
            self._close()
        elif kind == "v":
            self._open("v", value[0])
            self.append(*value)
            self._close()
        else:
            self._append_basic(kind, value)

    def _append_basic(self, kind: str, value: Any) -> None:
        if kind in ("s", "o"):
            data = self._ffi.new("char[]", value.encode("utf-8", "surrogateescape"))
        else:
            data = self._ffi.new(_BASIC[kind] + " *", value)
        self._done(self._lib.sd_bus_message_append_basic(self.pointer, kind.encode(), data))

    def _open(self, kind: str, contents: str) -> None:
        self._done(
            self._lib.sd_bus_message_open_container(self.pointer, kind.encode(), contents.encode())
        )

    def _close(self) -> None:
        self._done(self._lib.sd_bus_message_close_container(self.pointer))

    def read(self, kind: str) -> Any:
        """Return the next value, of a basic type."""
        is_text = kind in ("s", "o")
        holder = self._ffi.new("char **" if is_text else _BASIC[kind] + " *")
        self._done(self._lib.sd_bus_message_read_basic(self.pointer, kind.encode(), holder))
        return self._ffi.string(holder[0]).decode() if is_text else holder[0]

    def read_variant(self, kind: str) -> Any:
        self._done(self._lib.sd_bus_message_enter_container(self.pointer, b"v", kind.encode()))
        value = self.read(kind)
        self._done(self._lib.sd_bus_message_exit_container(self.pointer))
        return value

    def is_signal(self, member: str) -> bool:
        return bool(
            self._lib.sd_bus_message_is_signal(
                self.pointer, b"org.freedesktop.systemd1.Manager", member.encode()
            )
        )

    def _done(self, result: int) -> None:
        self._check(result, "D-Bus message")


def split_signature(signature: str) -> list[str]:
    """Split into complete types: "sa(sv)b" is "s", "a(sv)", "b"."""
    found, start, depth = [], 0, 0
    for at, letter in enumerate(signature):
        depth += (letter == "(") - (letter == ")")
        if not depth and letter != "a":
            found.append(signature[start : at + 1])
            start = at + 1
    return found


def open_bus(*, user: bool) -> Bus:
    """Connect to the system's systemd, or to the user's.

    The bus first, then systemd's own socket: that is there without a bus daemon too.
    """
    errors = []
    for address, direct in _user_addresses() if user else _SYSTEM_ADDRESSES:
        try:
            return Bus(address, direct=direct)
        except BusError as e:
            errors.append(e)
    if not errors:
        raise BusError(
            "", "cannot reach the user's systemd: neither DBUS_SESSION_BUS_ADDRESS nor "
            "XDG_RUNTIME_DIR is set"
        )  # fmt: skip
    raise errors[0]


_SYSTEM_ADDRESSES = (
    ("unix:path=/run/dbus/system_bus_socket", False),
    ("unix:path=/run/systemd/private", True),
)


def _user_addresses() -> list[tuple[str, bool]]:
    found = []
    if address := posix.environ.get(b"DBUS_SESSION_BUS_ADDRESS"):
        found.append((address.decode(), False))
    if folder := posix.environ.get(b"XDG_RUNTIME_DIR"):
        found.append((f"unix:path={folder.decode()}/bus", False))
        found.append((f"unix:path={folder.decode()}/systemd/private", True))
    return found
