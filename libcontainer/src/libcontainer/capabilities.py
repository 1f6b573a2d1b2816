"""Capabilities: names, numbers, and the sets of a process.  include/uapi/linux/capability.h."""

from __future__ import annotations

from libcgroups.files import read_text

from . import _log
from ._record import Record, u64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .spec.process import LinuxCapabilities

NAMES = tuple(
    (
        "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP "
        "LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER "
        "SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE "
        "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP "
        "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF "
        "CHECKPOINT_RESTORE"
    ).split()
)
SYS_ADMIN = 1 << NAMES.index("SYS_ADMIN")
# To change groups, ids and sets.
TO_REDUCE = sum([1 << NAMES.index(name) for name in ("SETGID", "SETUID", "SETPCAP")])
# With one of these in the host's user namespace a process may open what it has mapped: proc(5),
# /proc/PID/map_files.
OPENS_MAPPED = SYS_ADMIN | 1 << NAMES.index("CHECKPOINT_RESTORE")


class CapabilitySets(Record):
    """The five sets as bit masks; bit n is the capability of number n."""

    bounding: u64 = 0
    effective: u64 = 0
    permitted: u64 = 0
    inheritable: u64 = 0
    ambient: u64 = 0


def sets(
    wanted: LinuxCapabilities | None, available: int
) -> tuple[CapabilitySets, tuple[str, ...]]:
    """Return the sets that can be had, and the names that cannot.

    `available` is the runtime's bounding set.  Names that nobody knows, or that the runtime does
    not have itself, are not an error (runtime-spec: "SHOULD NOT fail"); the caller tells them to
    the user.  An ambient one that the kernel would refuse is left out, with a warning.  An absent
    object is five empty sets.
    """
    refused: list[str] = []
    if wanted is None:
        return CapabilitySets(), ()

    def mask(names: tuple[str, ...]) -> int:
        bits = 0
        for name in names:
            number = _NUMBERS.get(name)
            if number is None or not available >> number & 1:
                if name not in refused:
                    refused.append(name)
            else:
                bits |= 1 << number
        return bits

    permitted, inheritable = mask(wanted.permitted), mask(wanted.inheritable)
    ambient = mask(wanted.ambient)
    # The kernel raises only what is both; anything else would fail there, one by one.
    raised = ambient & permitted & inheritable
    for name, number in _NUMBERS.items():
        if (ambient ^ raised) >> number & 1:
            _log.warning(f"can't raise ambient capability {name}: operation not permitted")
    found = CapabilitySets(
        bounding=mask(wanted.bounding),
        effective=mask(wanted.effective),
        permitted=permitted,
        inheritable=inheritable,
        ambient=raised,
    )
    return found, tuple(refused)


def unavailable(names: tuple[str, ...]) -> str:
    """Say which capabilities cannot be had, as runc does."""
    return f"ignoring unknown or unavailable capabilities: [{' '.join(names)}]"


_NUMBERS = {"CAP_" + name: number for number, name in enumerate(NAMES)}


def bounding_set() -> int:
    """Return the caller's own, a bit for each number.  Raises OSError."""
    # Cheaper than 41 prctl(2) calls, and the only place that tells it.
    text = read_text("/proc/self/status")
    return int(text[text.index("CapBnd:") + 7 :].split(None, 1)[0], 16)
