"""Which calls two profiles decide differently, found by asking both programs.

A program cannot be asked about all arguments.  It is asked about those that the profiles speak
of: for every condition its value, the ones beside it, and for a mask the value under it.
"""

from __future__ import annotations

from . import library
from .decision import Judge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .profile import LinuxSeccomp, LinuxSeccompArg

_ALL = 0xFFFFFFFFFFFFFFFF


def differences(
    before: LinuxSeccomp, after: LinuxSeccomp, *, machine: str | None = None
) -> Iterator[str]:
    """Say one line for every call, or group of arguments, that is decided differently."""
    old, new = Judge(before, machine=machine), Judge(after, machine=machine)
    probes = [_probes(before), _probes(after)]
    for arch in dict.fromkeys([*old.architectures, *new.architectures]):
        for number, name in library.known_calls(arch):
            vectors = dict.fromkeys([*probes[0].get(name, ()), *probes[1].get(name, ())])
            seen = set()
            for args in vectors or {(): None}:
                pair = old.run(number, args, arch), new.run(number, args, arch)
                if pair[0] != pair[1] and pair not in seen:
                    seen.add(pair)
                    was, becomes = (j.decide(number, args, arch) for j in (old, new))
                    yield f"{_call(name, args)} on {arch}: {was.result} -> {becomes.result}"


def _call(name: str, args: tuple[int, ...]) -> str:
    return f"{name}({', '.join([f'{arg:#x}' for arg in args])})" if args else name


def _probes(profile: LinuxSeccomp) -> dict[str, list[tuple[int, ...]]]:
    """Return the arguments to try, by name of the call."""
    found: dict[str, list[tuple[int, ...]]] = {}
    for rule in profile.syscalls:
        vectors = list(_vectors(rule.args))
        for name in rule.names:
            found.setdefault(name, []).extend(vectors)
    return found


def _vectors(args: tuple[LinuxSeccompArg, ...]) -> Iterator[tuple[int, ...]]:
    """Yield vectors that meet all conditions where one value can, and those one step away."""
    if not args:
        return
    meets = {arg.index: _meeting(arg) for arg in args}
    size = max(meets) + 1
    base = [meets.get(i, 0) for i in range(size)]
    yield tuple(base)
    for arg in args:
        for value in (arg.value, arg.value - 1, arg.value + 1, arg.value_two, ~arg.value):
            yield (*base[: arg.index], value & _ALL, *base[arg.index + 1 :])


def _meeting(arg: LinuxSeccompArg) -> int:
    steps = {"SCMP_CMP_NE": 1, "SCMP_CMP_LT": -1, "SCMP_CMP_GT": 1}
    if arg.op == "SCMP_CMP_MASKED_EQ":
        return arg.value & arg.value_two
    return (arg.value + steps.get(arg.op, 0)) & _ALL
