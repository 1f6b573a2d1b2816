"""Rules for `process`, and for the process of `exec`."""

from __future__ import annotations

from .apart import apart
from .words import is_list_format, quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..idmapping import LinuxIDMapping
    from ..linux import Linux
    from ..process import Process

# include/uapi/asm-generic/resource.h; the numbers are those of both of our architectures.
RLIMITS = {
    "RLIMIT_CPU": 0,
    "RLIMIT_FSIZE": 1,
    "RLIMIT_DATA": 2,
    "RLIMIT_STACK": 3,
    "RLIMIT_CORE": 4,
    "RLIMIT_RSS": 5,
    "RLIMIT_NPROC": 6,
    "RLIMIT_NOFILE": 7,
    "RLIMIT_MEMLOCK": 8,
    "RLIMIT_AS": 9,
    "RLIMIT_LOCKS": 10,
    "RLIMIT_SIGPENDING": 11,
    "RLIMIT_MSGQUEUE": 12,
    "RLIMIT_NICE": 13,
    "RLIMIT_RTPRIO": 14,
    "RLIMIT_RTTIME": 15,
}
_OOM_SCORES = range(-1000, 1001)
_LARGEST_SIDE = 65535  # characters of a terminal: struct winsize, asm-generic/termios.h
_NO_ID = 2**32 - 1  # (uid_t)-1: setresuid(2) would leave the id as it is, that of root


def faults(process: Process, linux: Linux, path: str) -> Iterator[str]:
    """Yield what is wrong with a process of a container with that `linux` object."""
    return apart(
        _cwd(process),
        _args(process),
        _env(process),
        _console_size(process, f"{path}.consoleSize"),
        _ids(process, f"{path}.user"),
        _user(process, linux),
        _rlimits(process, f"{path}.rlimits"),
        _oom_score(process, path),
        _scheduling(process, path),
        _affinity(process, f"{path}.execCPUAffinity"),
    )


def _cwd(process: Process) -> Iterator[str]:
    if not process.cwd:
        yield "Cwd property must not be empty"
    elif not process.cwd.startswith("/"):
        yield "Cwd must be an absolute path"


def _args(process: Process) -> Iterator[str]:
    if not process.args:
        yield "args must not be empty"


def _env(process: Process) -> Iterator[str]:
    for text in process.env:
        if "=" not in text:
            yield f"invalid environment variable: missing '=': {quote(text)}"
        elif text[0] == "=":
            yield f"invalid environment variable: name cannot be empty: {quote(text)}"


def _console_size(process: Process, path: str) -> Iterator[str]:
    # Without a terminal the specification has it ignored.
    if not process.terminal or process.console_size is None:
        return
    for key, number in (
        ("height", process.console_size.height),
        ("width", process.console_size.width),
    ):
        if number > _LARGEST_SIDE:
            yield f"{path}.{key}: must not be above {_LARGEST_SIDE}, got {number}"


def _ids(process: Process, path: str) -> Iterator[str]:
    user = process.user
    groups = [(f"additionalGids[{i}]", gid) for i, gid in enumerate(user.additional_gids)]
    for key, number in (("uid", user.uid), ("gid", user.gid), *groups):
        if number == _NO_ID:
            yield f"{path}.{key}: {number} is no id"


def _user(process: Process, linux: Linux) -> Iterator[str]:
    # With a path, or without a user namespace of its own, the maps are somewhere on the host.
    if not (linux.uid_mappings or linux.gid_mappings):
        return
    if not any([n.type == "user" and not n.path for n in linux.namespaces]):
        return
    for call, kind, number, mappings in (
        ("setuid", "uid", process.user.uid, linux.uid_mappings),
        ("setgid", "gid", process.user.gid, linux.gid_mappings),
    ):
        if mappings and not _is_mapped(number, mappings):
            yield f"cannot {call} to unmapped {kind} {number} in user namespace"


def _is_mapped(number: int, mappings: tuple[LinuxIDMapping, ...]) -> bool:
    return any([m.container_id <= number < m.container_id + m.size for m in mappings])


def _rlimits(process: Process, path: str) -> Iterator[str]:
    seen = set()
    for i, limit in enumerate(process.rlimits):
        if limit.type not in RLIMITS:
            yield f"wrong rlimit value: {limit.type}"
        elif limit.type in seen:
            yield f"{path}[{i}].type: {limit.type} is given twice"
        seen.add(limit.type)
        if limit.soft > limit.hard:
            yield f"{path}[{i}].soft: above the hard limit, {limit.soft} > {limit.hard}"


def _oom_score(process: Process, path: str) -> Iterator[str]:
    score = process.oom_score_adj
    if score is not None and score not in _OOM_SCORES:
        yield f"{path}.oomScoreAdj: must be between -1000 and 1000, got {score}"


def _scheduling(process: Process, path: str) -> Iterator[str]:
    if process.scheduler is not None or process.io_priority is not None:
        from . import scheduling  # rare: not worth its import every time

        yield from scheduling.faults(process, path)


def _affinity(process: Process, path: str) -> Iterator[str]:
    affinity = process.exec_cpu_affinity
    if affinity is None:
        return
    for key, cpus in (("initial", affinity.initial), ("final", affinity.final)):
        if cpus and not is_list_format(cpus):
            yield f"{path}.{key}: not a list of CPUs below 65536, got {quote(cpus)}"
