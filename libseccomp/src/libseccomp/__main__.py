"""`python -m libseccomp`: look at profiles without a container.

A profile is a file with the `linux.seccomp` object, or a whole config.json; `-` is standard input.
"""

from __future__ import annotations

import argparse
import json
import sys

from . import __version__, library
from .compiler import largest_numbers, make_context
from .decision import Judge
from .difference import differences
from .errors import ProfileError, SeccompError
from .faults import read_profile
from .overlap import overlaps
from .rules import by_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .profile import LinuxSeccomp


def main(argv: list[str] | None = None) -> int:
    """Run one command and return its exit status.

    1: `diff` found a difference; 2: it could not be done, the reason is on standard error.
    """
    options = _parser().parse_args(argv)
    try:
        status = 0
        for line in options.lines(options):
            print(line)
            status = 1 if options.command == "diff" else 0
        return status
    except BrokenPipeError:
        sys.stdout = None  # the reader has seen enough; nothing is left to flush
        return 0
    except (OSError, SeccompError, ValueError) as e:
        print(f"libseccomp: {e}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m libseccomp", description=__doc__)
    parser.add_argument("--version", action="version", version=f"libseccomp {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    explain = commands.add_parser("explain", help="say what happens to a call, and why")
    explain.add_argument("profile")
    explain.add_argument("syscall", help="name or number")
    explain.add_argument("args", nargs="*", type=_number, default=[], help="arguments, 0x for hex")
    _add_where(explain)
    explain.set_defaults(lines=_explain)

    show = commands.add_parser("show", help="print the filter as pseudo code")
    show.add_argument("profile")
    show.add_argument("--bpf", action="store_true", help="print the instructions instead")
    show.add_argument("--machine", metavar="ARCH", help="compile for another machine")
    show.set_defaults(lines=_show)

    diff = commands.add_parser("diff", help="list the calls that two profiles decide differently")
    diff.add_argument("before")
    diff.add_argument("after")
    diff.add_argument("--machine", metavar="ARCH", help="compile for another machine")
    diff.set_defaults(lines=_diff)

    names = commands.add_parser("names", help="list system calls by number")
    names.add_argument("names", nargs="*", help="only these, by name or number")
    names.add_argument("--arch", help="of this architecture, such as aarch64")
    names.set_defaults(lines=_names)
    return parser


def _add_where(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--arch", help="the call is made by this architecture, such as x32")
    parser.add_argument("--machine", metavar="ARCH", help="the filter is for this machine")


def _number(text: str) -> int:
    return int(text, 0) & 0xFFFFFFFFFFFFFFFF  # -1 is what a caller would write for ~0


def _open_profile(path: str) -> LinuxSeccomp:
    """Read a profile, alone or in a config.json.  Raises ProfileError with every fault."""
    if path == "-":
        document = json.load(sys.stdin)
    else:
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
    found, where = document, "$"
    if isinstance(document, dict) and "defaultAction" not in document:
        if "ociVersion" not in document and "linux" not in document:
            raise ProfileError(((path, "neither a profile nor a config.json"),))
        found, where = (document.get("linux") or {}).get("seccomp"), "$.linux.seccomp"
        if found is None:
            raise ProfileError(((where, "the container has no profile, nothing is filtered"),))
    return read_profile(found, where)


def _explain(options: argparse.Namespace) -> Iterator[str]:
    syscall = options.syscall
    judge = Judge(_open_profile(options.profile), machine=options.machine)
    call = int(syscall, 0) if syscall[:1].isdigit() else syscall
    yield str(judge.decide(call, tuple(options.args), options.arch))


def _show(options: argparse.Namespace) -> Iterator[str]:
    profile = _open_profile(options.profile)
    if options.bpf:
        yield from Judge(profile, machine=options.machine).program.text()
        return
    yield from _before(profile, options.machine)
    with make_context(profile, arch=options.machine) as context:
        yield context.pfc().rstrip("\n")


def _before(profile: LinuxSeccomp, machine: str | None) -> Iterator[str]:
    for token, number in largest_numbers(profile, machine).items():
        arch = library.arch_name(token)
        name = library.syscall_name(number, arch)
        yield f"# {arch}: calls above {name} ({number & 0x3FFFFFFF}) fail with ENOSYS before this"
    for name, ways in by_name(profile).items():
        if overlaps(ways):
            yield f"# {name}: decided before this, its rules overlap"


def _diff(options: argparse.Namespace) -> Iterator[str]:
    before, after = _open_profile(options.before), _open_profile(options.after)
    yield from differences(before, after, machine=options.machine)


def _names(options: argparse.Namespace) -> Iterator[str]:
    arch = options.arch or library.native_arch()
    if not options.names:
        for number, name in library.known_calls(arch):
            yield f"{number:6} {name}"
    for asked in options.names:
        if asked.isdigit():
            yield f"{int(asked):6} {library.syscall_name(int(asked), arch)}"
            continue
        yield f"{library.real_number(asked, arch):6} {asked}"


if __name__ == "__main__":
    raise SystemExit(main())
