"""From a profile to a filter.

    profile ── check ──> faults, with paths
       │    ── lacks ──> what this host cannot do, with paths
       └── rules ──> libseccomp ──> program ── ours before it ──> CompiledFilter

What a profile leaves open is decided as runc does: see `rules` for the rules; unknown names are
left out; more than 32 names are worth a binary tree.
"""

from __future__ import annotations

from errno import EEXIST

from . import _log, kernel, library, overlap, prefix, unknown
from .constants import (
    FLAG_NEW_LISTENER,
    FLAG_SPEC_ALLOW,
    FLAGS,
)
from .context import Filter
from .errors import CallFailed, NotKnown, ProfileError
from .faults import check
from .program import CompiledFilter
from .rules import by_name, default_number, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .faults import Fault
    from .profile import LinuxSeccomp, LinuxSeccompArg
    from .rules import Way

MAX_INSTRUCTIONS = 4096  # BPF_MAXINSNS of linux/bpf_common.h
TREE_FROM = 33  # rules; below, a list is as fast
CONTRADICTION = "{} has the same conditions with another action already"
_TSYNC = FLAGS["SECCOMP_FILTER_FLAG_TSYNC"]

# API levels of libseccomp by action, with the kernel that first has it.
_LEVELS = {
    "SCMP_ACT_KILL_PROCESS": (3, "Linux 4.14"),
    "SCMP_ACT_LOG": (3, "Linux 4.14"),
    "SCMP_ACT_NOTIFY": (6, "libseccomp 2.5 and Linux 5.7"),
}
_KERNELS = {
    "SECCOMP_FILTER_FLAG_LOG": "Linux 4.14",
    "SECCOMP_FILTER_FLAG_SPEC_ALLOW": "Linux 4.17",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV": "Linux 5.19",
}


def compile_profile(
    profile: LinuxSeccomp, *, arch: str | None = None, refuse_unknown: bool = False
) -> CompiledFilter:
    """Return the filter that the profile describes.

    `arch` (SCMP_ARCH_AARCH64 or aarch64) takes the place of the native architecture, for a
    program to look at on another machine.  `refuse_unknown` makes names that this libseccomp
    does not know faults; without it they are left out and told at debug level.

    Raises ProfileError with every fault, LibraryMissing.
    """
    _refuse(check(profile) or _empty(profile) or list(lacks(profile)))
    _refuse(list(_contradictions(by_name(profile))), EEXIST)
    if refuse_unknown:
        _refuse(list(_unknown_names(profile)))
    with make_context(profile, arch=arch) as context:
        program = context.bpf()
    program = _prefix(profile, arch) + program
    if len(program) > 8 * MAX_INSTRUCTIONS:
        text = f"{len(program) // 8} instructions, the kernel takes {MAX_INSTRUCTIONS}"
        _refuse([(".syscalls", text)])
    notifies = any([rule.action == "SCMP_ACT_NOTIFY" for rule in profile.syscalls])
    return CompiledFilter(program=program, flags=_flags(profile, notifies), notifies=notifies)


def _refuse(faults: list[Fault], errno: int | None = None) -> None:
    if faults:
        raise ProfileError(tuple(faults), errno)


def _contradictions(ways: dict[str, list[Way]]) -> Iterator[Fault]:
    """Say which rules repeat the conditions of another one, but not its action."""
    for name, rules in ways.items():
        seen: dict[tuple[LinuxSeccompArg, ...], int] = {}
        for action, conditions, path in rules:
            if seen.setdefault(conditions, action) != action:
                yield path, CONTRADICTION.format(name)


def _empty(profile: LinuxSeccomp) -> list[Fault]:
    return [] if profile.default_action else [(".defaultAction", "no action is given")]


def lacks(profile: LinuxSeccomp) -> Iterator[Fault]:
    """Say what the profile needs and this library or kernel lacks, by name.

    Nothing is left out silently: a filter without an action or an architecture that it was
    written with is another filter.
    """
    level = library.api_level()
    actions = [(".defaultAction", profile.default_action)]
    actions += [(f".syscalls[{i}].action", r.action) for i, r in enumerate(profile.syscalls)]
    for path, action in actions:
        needs, since = _LEVELS.get(action, (1, ""))
        if level < needs:
            yield path, f"{action} needs API level {needs} ({since}), this host has {level}"
    for i, name in enumerate(profile.architectures):
        if not _has_arch(name):
            has = ".".join(map(str, library.version()))
            yield f".architectures[{i}]", f"{name} is not known to libseccomp {has}"
    for i, name in enumerate(profile.flags or ()):
        # TSYNC is implied: the process that loads has one thread.
        if FLAGS[name] != _TSYNC and not kernel.has_flag(FLAGS[name]):
            yield f".flags[{i}]", f"{name} needs {_KERNELS[name]}"


def _unknown_names(profile: LinuxSeccomp) -> Iterator[Fault]:
    for i, rule in enumerate(profile.syscalls):
        for j, name in enumerate(rule.names):
            try:
                library.syscall_number(name)
            except NotKnown as e:
                yield f".syscalls[{i}].names[{j}]", str(e)


def _has_arch(name: str) -> bool:
    try:
        library.arch_token(name)
    except NotKnown:
        return False
    return True


def _flags(profile: LinuxSeccomp, notifies: bool) -> int:
    flags = FLAG_NEW_LISTENER if notifies else 0
    if profile.flags is None:
        return flags | (FLAG_SPEC_ALLOW if kernel.has_flag(FLAG_SPEC_ALLOW) else 0)
    for name in profile.flags:
        if FLAGS[name] != _TSYNC:
            flags |= FLAGS[name]
    return flags


def make_context(profile: LinuxSeccomp, *, arch: str | None = None) -> Filter:
    """Return a libseccomp context with the profile's rules; the caller closes it.

    It lacks what `prefix` puts before the program, which libseccomp cannot express.
    """
    context = Filter(default=default_number(profile))
    try:
        # no_new_privs is the document's own business, and who loads has one thread.
        context.no_new_privs = 0
        _add_architectures(context, profile, arch)
        if sum([len(rule.names) for rule in profile.syscalls]) >= TREE_FROM:
            context.optimize = 2
        _add_rules(context, profile)
    except BaseException:
        context.close()
        raise
    return context


def architectures(profile: LinuxSeccomp, arch: str | None = None) -> list[str]:
    """Return the architectures of the filter, the native one (or `arch`) first, each once."""
    first = library.native_arch() if arch is None else library.arch_name(library.arch_token(arch))
    return list(dict.fromkeys([first, *profile.architectures]))


def _add_architectures(context: Filter, profile: LinuxSeccomp, arch: str | None) -> None:
    native, wanted = library.native_arch(), architectures(profile, arch)
    if wanted[0] != native:
        # First out, then in: a context has one byte order, that of its architectures.
        context.remove_arch(native)
    for name in wanted:
        try:
            if not context.has_arch(name):
                context.add_arch(name)
        except CallFailed as e:
            path = ".architectures"
            if name in profile.architectures:
                path += f"[{profile.architectures.index(name)}]"
            text = f"{name} cannot stand in one filter with {wanted[0]}"
            raise ProfileError(((path, text),), e.errno) from e


def _add_rules(context: Filter, profile: LinuxSeccomp) -> None:
    default, skipped = default_number(profile), []
    for name, ways in by_name(profile).items():
        try:
            number = library.syscall_number(name)
        except NotKnown:
            skipped.append(name)
            continue
        if not overlap.overlaps(ways):
            _add_rule(context, name, number, ways)
        elif (blind := min(overlap.strictest(ways), default, key=overlap.strictness)) != default:
            # The block before the filter decides wherever arguments can be seen.  Where they
            # cannot, as in the memory that socketcall points to, nothing better is known.
            context.add_rule(blind, number)
    if skipped:
        _log.debug(f"seccomp: unknown system calls left out: {', '.join(skipped)}")


def _add_rule(context: Filter, name: str, number: int, ways: list[Way]) -> None:
    for action, conditions, path in ways:
        try:
            context.add_rule(action, number, *conditions)
        except CallFailed as e:
            text = f"rule for {name}: {e}"
            if e.errno == EEXIST:
                text = CONTRADICTION.format(name)
            raise ProfileError(((path, text),), e.errno) from e


def largest_numbers(profile: LinuxSeccomp, arch: str | None = None) -> dict[int, int]:
    """Return, by architecture token, above which number calls fail with ENOSYS.

    Nothing if the default action already decides about them.
    """
    if not unknown.is_wanted(default_number(profile)):
        return {}
    return prefix.largest_numbers(names(profile), architectures(profile, arch))


def _prefix(profile: LinuxSeccomp, arch: str | None) -> bytes:
    where = architectures(profile, arch)
    return prefix.make_prefix(names(profile), by_name(profile), where, default_number(profile))
