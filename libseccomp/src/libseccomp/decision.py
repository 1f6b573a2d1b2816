"""What a profile does with a call, and why: where "operation not permitted" comes from.

The decision is that of the real program, which is compiled and interpreted.  The reason is read
from the profile beside it: which rules name the call, and which of their conditions hold.
"""

from __future__ import annotations

from . import library
from ._record import Record
from .bpf import Program
from .compiler import architectures, compile_profile, largest_numbers
from .constants import ACTION_MASK, ACTIONS, AUDIT_ARCH_64BIT, AUDIT_ARCH_LE, VALUE_MASK, audit_arch
from .errors import NotKnown
from .rules import alternatives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .profile import LinuxSeccomp, LinuxSeccompArg, LinuxSyscall

_NAMES = {number: name for name, number in ACTIONS.items()}  # KILL_THREAD, not KILL, comes last
_HOLDS: dict[str, Callable[[int, int, int], bool]] = {
    "SCMP_CMP_NE": lambda arg, value, two: arg != value,
    "SCMP_CMP_LT": lambda arg, value, two: arg < value,
    "SCMP_CMP_LE": lambda arg, value, two: arg <= value,
    "SCMP_CMP_EQ": lambda arg, value, two: arg == value,
    "SCMP_CMP_GE": lambda arg, value, two: arg >= value,
    "SCMP_CMP_GT": lambda arg, value, two: arg > value,
    # libseccomp masks both sides, so bits of `two` outside the mask mean nothing.
    "SCMP_CMP_MASKED_EQ": lambda arg, value, two: arg & value == two & value,
}


class Decision(Record):
    """What happens to a call."""

    name: str  # of the call; its number in decimal if libseccomp has no name
    number: int
    arch: str  # SCMP_ARCH_*
    args: tuple[int, ...]
    action: str  # SCMP_ACT_*
    value: int  # errno of ERRNO, message of TRACE, else 0
    reason: str

    def __str__(self) -> str:
        args = ", ".join([f"{arg:#x}" for arg in self.args])
        call = f"{self.name}({args})" if args else self.name
        return f"{call} on {self.arch}: {self.result}, {self.reason}"

    @property
    def result(self) -> str:
        """The action in a word or two, such as `SCMP_ACT_ERRNO EPERM`."""
        if self.action == "SCMP_ACT_ERRNO":
            from errno import errorcode

            return f"{self.action} {errorcode.get(self.value, self.value)}"
        return f"{self.action} {self.value}" if self.action == "SCMP_ACT_TRACE" else self.action


class Judge:
    """A compiled profile that answers for any number of calls.

    `machine` compiles for another native architecture than this one.
    """

    def __init__(self, profile: LinuxSeccomp, *, machine: str | None = None) -> None:
        self.profile = profile
        self.architectures = architectures(profile, machine)
        compiled = compile_profile(profile, arch=machine)
        order = library.arch_token(self.architectures[0]) & AUDIT_ARCH_LE
        self.program = Program(compiled.program, little_endian=bool(order))
        self._largest = largest_numbers(profile, machine)

    def decide(
        self, syscall: str | int, args: tuple[int, ...] = (), arch: str | None = None
    ) -> Decision:
        """Return what happens to a call made by `arch`, the filter's native one if None.

        Raises NotKnown if the architecture has no call of that name.
        """
        arch = library.arch_name(library.arch_token(arch or self.architectures[0]))
        name, number = _call(syscall, arch)
        code = self.run(number, args, arch)
        return Decision(
            name=name,
            number=number,
            arch=arch,
            args=args,
            action=_NAMES.get(code & ACTION_MASK, "SCMP_ACT_KILL_PROCESS"),
            value=code & VALUE_MASK,
            reason=self._reason(name, number, args, arch),
        )

    def run(self, number: int, args: tuple[int, ...], arch: str) -> int:
        """Return what the program returns: the kernel's number of an action, value included."""
        return self.program.run(number, audit_arch(library.arch_token(arch)), args)

    def _reason(self, name: str, number: int, args: tuple[int, ...], arch: str) -> str:
        if arch not in self.architectures:
            return "the filter is not for this architecture"
        largest = self._largest.get(library.arch_token(arch))
        if largest is not None and number > largest:
            newest = _call(largest, arch)[0]
            return f"newer than {newest}, the newest call that the profile names"
        named = [(i, r) for i, r in enumerate(self.profile.syscalls) if name in r.names]
        if not named:
            return "the profile does not name it, so its default action"
        wide = bool(library.arch_token(arch) & AUDIT_ARCH_64BIT)
        holding = [i for i, rule in named if _holds(rule, args, wide)]
        if not holding:
            rules = " ".join([f".syscalls[{i}] wants {_wanted(rule)};" for i, rule in named])
            return f"{rules} so the default action"
        return "by " + " and ".join([f".syscalls[{i}]" for i in holding])


def explain(
    profile: LinuxSeccomp,
    syscall: str | int,
    args: tuple[int, ...] = (),
    arch: str | None = None,
    *,
    machine: str | None = None,
) -> Decision:
    """Return what the profile does with one call, and why.

    `arch` is what the call is made by, `machine` what the filter is for; None is this machine.
    For many calls, `Judge` compiles once.  Raises ProfileError, NotKnown.
    """
    return Judge(profile, machine=machine).decide(syscall, args, arch)


def _call(syscall: str | int, arch: str) -> tuple[str, int]:
    if isinstance(syscall, str):
        return syscall, library.real_number(syscall, arch)
    try:
        return library.syscall_name(syscall, arch), syscall
    except NotKnown:
        return str(syscall), syscall


def _holds(rule: LinuxSyscall, args: tuple[int, ...], wide: bool) -> bool:
    ways = alternatives(rule.args)
    return any([all([condition_holds(c, args, wide=wide) for c in way]) for way in ways])


def condition_holds(condition: LinuxSeccompArg, args: tuple[int, ...], *, wide: bool) -> bool:
    """Tell whether a condition holds; 32-bit architectures (not `wide`) compare low halves."""
    arg = args[condition.index] if condition.index < len(args) else 0
    mask = 0xFFFFFFFFFFFFFFFF if wide else 0xFFFFFFFF
    return _HOLDS[condition.op](arg & mask, condition.value & mask, condition.value_two & mask)


def _wanted(rule: LinuxSyscall) -> str:
    joined = " and " if len(alternatives(rule.args)) == 1 else " or "
    return joined.join([_condition(arg) for arg in rule.args])


def _condition(arg: LinuxSeccompArg) -> str:
    if arg.op == "SCMP_CMP_MASKED_EQ":
        return f"argument {arg.index} & {arg.value:#x} == {arg.value_two:#x}"
    sign = {"NE": "!=", "LT": "<", "LE": "<=", "EQ": "==", "GE": ">=", "GT": ">"}
    return f"argument {arg.index} {sign[arg.op.removeprefix('SCMP_CMP_')]} {arg.value:#x}"
