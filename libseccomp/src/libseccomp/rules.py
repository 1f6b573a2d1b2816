"""A profile's rules by system call, as numbers: what is left of them after the easy decisions.

* A rule with the default action says nothing.
* Several conditions on one argument are alternatives, as in runc: every condition of such an
  entry becomes a rule of its own.  Old Docker profiles rely on it.
* A rule without conditions outweighs all others for the call, the first of them, as in
  libseccomp.  A comparison under an empty mask always holds, so it is none.
"""

from __future__ import annotations

from errno import EPERM

from .constants import ACTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .profile import LinuxSeccomp, LinuxSeccompArg

    # An action, conditions that all must hold, and the path of the profile's entry.
    Way = tuple[int, tuple[LinuxSeccompArg, ...], str]

_CARRY_VALUE = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")


def action_number(action: str, value: int | None) -> int:
    """Return the action as the kernel has it.  Without a value ERRNO and TRACE mean EPERM."""
    if action not in _CARRY_VALUE:
        return ACTIONS[action]
    return ACTIONS[action] | (EPERM if value is None else value)


def default_number(profile: LinuxSeccomp) -> int:
    """Return the default action as the kernel has it."""
    return action_number(profile.default_action, profile.default_errno_ret)


def names(profile: LinuxSeccomp) -> list[str]:
    """Return all calls that the profile names, each once."""
    return list(dict.fromkeys([name for rule in profile.syscalls for name in rule.names]))


def alternatives(args: tuple[LinuxSeccompArg, ...]) -> list[tuple[LinuxSeccompArg, ...]]:
    """Return lists of conditions, any of which has to hold as a whole."""
    if len({arg.index for arg in args}) == len(args):
        return [args]
    return [(arg,) for arg in args]


def by_name(profile: LinuxSeccomp) -> dict[str, list[Way]]:
    """Return what decides about each call, in the profile's order."""
    default = default_number(profile)
    found: dict[str, list[Way]] = {}
    for i, rule in enumerate(profile.syscalls):
        action = action_number(rule.action, rule.errno_ret)
        if action != default:
            ways = [(action, all_of, f".syscalls[{i}]") for all_of in alternatives(rule.args)]
            for name in rule.names:
                found.setdefault(name, []).extend(ways)
    return {name: _outweighed(ways) for name, ways in found.items()}


def _outweighed(ways: list[Way]) -> list[Way]:
    for action, conditions, path in ways:
        if all([c.op == "SCMP_CMP_MASKED_EQ" and not c.value for c in conditions]):
            return [(action, (), path)]
    return ways
