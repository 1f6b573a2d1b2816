"""What a list of device rules comes to.

A v1 cgroup has a default (allow all or deny all) and a set of exceptions.  Rules are applied to
that in order, as the kernel does with lines written to devices.allow and devices.deny:

* a rule of type "a" sets the default and forgets the exceptions;
* a rule that differs from the default adds an exception;
* a rule that agrees with the default takes away what it covers from the exceptions.  It cannot
  take away a part of a wider one: `deny c 1:3` after `allow c 1:*` is an error, which the kernel
  would silently ignore.

The result does not depend on an order any more, so it can be written to a v1 cgroup, made into a
program for a v2 cgroup, or compared with another.
"""

from __future__ import annotations

from .errors import CgroupError
from .files import read_text
from .resources import LinuxDeviceCgroup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    # type ("b", "c"), major, minor; -1 is any
    Key = tuple[str, int, int]

READ, WRITE, MKNOD = 2, 4, 1  # BPF_DEVCG_ACC_*
_LETTERS = (("r", READ), ("w", WRITE), ("m", MKNOD))
ANY = -1

# Making any node is harmless, using it is not; then what every container needs: null, zero, full,
# random, urandom, tty, console, ptmx and the ptys, and tun, whose node many images make.
_CHARACTER = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, ANY), (10, 200))
DEFAULT_RULES = (
    LinuxDeviceCgroup(True, "c", ANY, ANY, "m"),
    LinuxDeviceCgroup(True, "b", ANY, ANY, "m"),
) + tuple([LinuxDeviceCgroup(True, "c", major, minor, "rwm") for major, minor in _CHARACTER])


class DeviceAccess:
    """A default and the exceptions from it."""

    __slots__ = ("allow", "exceptions")

    def __init__(self, allow: bool = False, exceptions: dict[Key, int] | None = None) -> None:
        self.allow = allow
        self.exceptions = {} if exceptions is None else exceptions  # to letters, as a bit set

    def add(self, rule: LinuxDeviceCgroup, index: int = 0) -> None:
        """Apply one more rule.  `index` is its place in the list, for messages."""
        access = parse_access(rule.access, index)
        kind = rule.type or "a"
        if kind == "a":
            self.allow, self.exceptions = rule.allow, {}
            return
        if kind not in ("b", "c"):
            raise CgroupError(f"invalid cgroup device type {kind!r}")
        key = (kind, _number(rule.major), _number(rule.minor))
        if rule.allow != self.allow:
            self.exceptions[key] = self.exceptions.get(key, 0) | access
        else:
            self._take_away(key, access)

    def _take_away(self, key: Key, access: int) -> None:
        for other, letters in list(self.exceptions.items()):
            if not letters & access:
                continue
            if _covers(key, other):
                self._set(other, letters & ~access)
            elif _covers(other, key):
                raise CgroupError(
                    f"cannot punch hole in existing wildcard rule: {_text(key, access)} "
                    f"inside {_text(other, letters)}"
                )

    def _set(self, key: Key, letters: int) -> None:
        if letters:
            self.exceptions[key] = letters
        else:
            del self.exceptions[key]

    def allows_everything(self) -> bool:
        return self.allow and not self.exceptions

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DeviceAccess)
            and self.allow == other.allow
            and self.exceptions == other.exceptions
        )

    __hash__ = None  # type: ignore[assignment]  # it changes

    def __repr__(self) -> str:
        lines = [_text(key, access) for key, access in sorted(self.exceptions.items())]
        return f"<{'allow' if self.allow else 'deny'} all except {', '.join(lines) or 'nothing'}>"


def resolve(rules: Iterable[LinuxDeviceCgroup]) -> DeviceAccess:
    """Return what `rules` come to, the rules that every container needs after them.

    Raises CgroupError for a rule that cannot be meant.
    """
    access = DeviceAccess()
    index = 0
    for rule in rules:
        access.add(rule, index)
        index += 1
    for rule in DEFAULT_RULES:
        access.add(rule)
    return access


def parse_list(text: str) -> DeviceAccess:
    """Read a v1 `devices.list`.

    With allow-all as default the kernel prints that line only and hides the exceptions.
    """
    access = DeviceAccess()
    for line in text.splitlines():
        kind, numbers, letters = line.split(" ")
        if kind == "a":
            return DeviceAccess(allow=True)
        major, minor = [ANY if n == "*" else int(n) for n in numbers.split(":")]
        access.exceptions[(kind, major, minor)] = parse_access(letters, 0)
    return access


def transition(
    current: DeviceAccess | None, target: DeviceAccess
) -> Iterator[tuple[bool, list[str]]]:
    """Return the lines that lead from one to the other: (allow, ["c 1:3 rwm"]).

    Only what differs: a running program never loses a device for a moment.  `current` is None
    where it is unknown.
    """
    if current is None or current.allow or target.allow:
        # The exceptions from allow-all cannot be read back, so nothing is known of them.
        yield target.allow, ["a"]
        current = DeviceAccess(target.allow)
    if gone := _lines(current, target):
        yield target.allow, gone
    if new := _lines(target, current):
        yield not target.allow, new


def _lines(one: DeviceAccess, other: DeviceAccess) -> list[str]:
    """Return what exceptions the one has and not the other."""
    return [
        _text(key, left)
        for key, access in sorted(one.exceptions.items())
        if (left := access & ~other.exceptions.get(key, 0))
    ]


def parse_access(letters: str | None, index: int) -> int:
    """Return the bit set of "rwm" letters."""
    if not letters:
        raise CgroupError(f"device access at {index} field cannot be empty")
    found = 0
    for letter, bit in _LETTERS:
        if letter in letters:
            found |= bit
    if letters.strip("rwm"):
        raise CgroupError(f"invalid device access {letters!r}")
    return found


def in_user_namespace() -> bool:
    """Tell whether we are in a user namespace other than the host's."""
    return read_text("/proc/self/uid_map").split() != ["0", "0", "4294967295"]


def access_letters(access: int) -> str:
    return "".join([letter for letter, bit in _LETTERS if access & bit])


def _number(value: int | None) -> int:
    if value is None or value == ANY:
        return ANY
    if not 0 <= value < 2**31:
        raise CgroupError(f"invalid device number {value}")
    return value


def _covers(wide: Key, narrow: Key) -> bool:
    return wide[0] == narrow[0] and all([w in (ANY, n) for w, n in zip(wide[1:], narrow[1:])])


def _text(key: Key, access: int) -> str:
    kind, major, minor = key
    numbers = ":".join(["*" if n == ANY else str(n) for n in (major, minor)])
    return f"{kind} {numbers} {access_letters(access)}"
