"""What is wrong with a profile, whatever host it will run on.

Every fault is a pair of a path relative to the profile and a text: `(".syscalls[3].action",
'string "SCMP_ACT_X" is not a valid action for seccomp')`.  What the host lacks (an action, a
flag, an architecture) is the compiler's to say.
"""

from __future__ import annotations

from .constants import ACTIONS, ARCHITECTURES, FLAGS, MAX_ERRNO, OPERATORS, VALUE_MASK
from .profile import LinuxSeccomp, is_absent

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .profile import LinuxSeccompArg, LinuxSyscall

    Fault = tuple[str, str]

# What an action may carry; others have no use for a value.  libseccomp keeps clear of MAX_ERRNO.
_LARGEST = {"SCMP_ACT_ERRNO": MAX_ERRNO - 1, "SCMP_ACT_TRACE": VALUE_MASK}


def check(profile: LinuxSeccomp) -> list[Fault]:
    """Return every fault of the profile with its path, or nothing."""
    if is_absent(profile):
        return []
    found = list(_action(profile.default_action, ".defaultAction"))
    if profile.default_action == "SCMP_ACT_NOTIFY":
        found.append((".defaultAction", "SCMP_ACT_NOTIFY cannot be used as default action"))
    found += _value(profile.default_action, profile.default_errno_ret, ".defaultErrnoRet")
    found += _architectures(profile.architectures)
    found += _flags(profile.flags or (), notifies=_notifies(profile))
    found += _listener(profile)
    for i, rule in enumerate(profile.syscalls):
        found += _rule(rule, f".syscalls[{i}]")
    return found


def read_profile(document: object, path: str = "") -> LinuxSeccomp:
    """Return the profile that a JSON document has at `path`.

    Raises ProfileError with every value that is not of the declared type.
    """
    from ._record import faults
    from .errors import ProfileError

    lines = [line.partition(": ") for line in faults(LinuxSeccomp, document, path)]
    if lines:
        raise ProfileError(tuple([(where, text) for where, _, text in lines]))
    return LinuxSeccomp.from_json(document)


def _notifies(profile: LinuxSeccomp) -> bool:
    return any([rule.action == "SCMP_ACT_NOTIFY" for rule in profile.syscalls])


def _action(action: str, path: str) -> Iterator[Fault]:
    if action not in ACTIONS:
        yield path, f'string "{action}" is not a valid action for seccomp'


def _value(action: str, value: int | None, path: str) -> Iterator[Fault]:
    if value is None or action not in ACTIONS:
        return
    largest = _LARGEST.get(action)
    if largest is None:
        yield path, f"errno value specified for action {action}"
    elif value > largest:
        yield path, f"{value} is more than {action} can carry, {largest}"


def _architectures(names: tuple[str, ...]) -> Iterator[Fault]:
    for i, name in enumerate(names):
        if name not in ARCHITECTURES:
            yield f".architectures[{i}]", f'string "{name}" is not a valid arch for seccomp'


def _flags(names: tuple[str, ...], *, notifies: bool) -> Iterator[Fault]:
    for i, name in enumerate(names):
        if name not in FLAGS:
            yield f".flags[{i}]", f'seccomp flag "{name}" is not known'
        elif name == "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" and not notifies:
            # The kernel refuses it without a listener, and only says EINVAL.
            yield f".flags[{i}]", f"{name} needs a rule with SCMP_ACT_NOTIFY"


def _listener(profile: LinuxSeccomp) -> Iterator[Fault]:
    if profile.listener_path:
        return
    if _notifies(profile):
        yield ".listenerPath", "seccomp listenerPath is not set"
    if profile.listener_metadata:
        yield ".listenerMetadata", "seccomp listenerMetadata is set, listenerPath is not"


def _rule(rule: LinuxSyscall, path: str) -> Iterator[Fault]:
    if not rule.names:
        yield f"{path}.names", "no system call is named"
    yield from _action(rule.action, f"{path}.action")
    yield from _value(rule.action, rule.errno_ret, f"{path}.errnoRet")
    for i, arg in enumerate(rule.args):
        yield from _arg(arg, f"{path}.args[{i}]")


def _arg(arg: LinuxSeccompArg, path: str) -> Iterator[Fault]:
    if arg.index > 5:
        yield f"{path}.index", f"a system call has arguments 0 to 5, not {arg.index}"
    if arg.op not in OPERATORS:
        yield f"{path}.op", f'string "{arg.op}" is not a valid operator for seccomp'
