"""exec: run one more program in a container."""

from __future__ import annotations

import posix

from libcontainer.ops.exec import ExecOptions, exec
from libcontainer.plan.tenant import Changes

from ..output import BadOption, absolute, state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.making import ExecArgs

_LARGEST_ID = 2**32 - 2  # the one above means "leave it" to the kernel


def run(options: GlobalArgs, args: ExecArgs) -> int:
    """Return the program's own exit status, 0 when detached."""
    return exec(args.id, _changes(args), _options(options, args))


def _options(options: GlobalArgs, args: ExecArgs) -> ExecOptions:
    return ExecOptions(
        root=state_root(options),
        process=None if args.process is None else _read(args.process),
        console_socket=absolute(args.console_socket),
        pidfd_socket=absolute(args.pidfd_socket),
        detach=args.detach,
        pid_file=absolute(args.pid_file),
        preserve_fds=args.preserve_fds,
        cgroup=args.cgroup,
        ignore_paused=args.ignore_paused,
        forward_signals=not args.detach,
        reap_orphans=True,
        hold_signals=True,
    )


def _changes(args: ExecArgs) -> Changes:
    uid, gid = _user(args.user) if args.user else (None, None)  # empty is not given, as in runc
    return Changes(
        args=args.command,
        cwd=args.cwd,
        env=args.env,
        terminal=args.tty,
        uid=uid,
        gid=gid,
        additional_gids=tuple([_group(text) for text in args.additional_gids]),
        capabilities=tuple([_capability(text) for text in args.cap]),
        no_new_privileges=args.no_new_privs,
        apparmor_profile=args.apparmor,
        selinux_label=args.process_label,
    )


def _user(text: str) -> tuple[int, int | None]:
    """Read UID[:GID].  Nothing is left out in favour of 0 (CVE-2026-30892)."""
    uid, colon, gid = text.partition(":")
    return _id(uid, "bad uid"), _id(gid, "bad gid") if colon else None


def _id(text: str, refusal: str) -> int:
    # int() alone would take signs, blanks, underscores and the digits of every script.
    if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= _LARGEST_ID:
        return int(text)
    raise BadOption(f"{refusal}: not a number from 0 to {_LARGEST_ID}: {text!r}")


def _group(text: str) -> int:
    if text[:1] == "-":
        raise BadOption(f"additional-gids must be a positive number {text}")
    return _id(text, "bad additional gid")


def _capability(text: str) -> str:
    name = text.upper()
    return name if name.startswith("CAP_") else f"CAP_{name}"


def _read(path: str) -> str:
    """Return the file's text; `-` has no meaning here, as in runc."""
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError as e:
        raise BadOption(f"open {path}: {(e.strerror or '').lower()}") from e
    found = b""
    try:
        while part := posix.read(fd, 1 << 16):
            found += part
            if len(found) > 1 << 24:
                raise BadOption(f"{path} is larger than 16 MiB")
    finally:
        posix.close(fd)
    try:
        return found.decode()
    except UnicodeDecodeError as e:
        raise BadOption(f"{path} is not UTF-8: byte {e.start}") from e
