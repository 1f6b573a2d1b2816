"""What `create` and `run` have in common: their options, as libcontainer wants them."""

from __future__ import annotations

import posix

from libcontainer.ops.create import CreateOptions

from .log import environment
from .output import BadOption, absolute, made_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.making import CreateArgs


def create_options(options: GlobalArgs, args: CreateArgs) -> CreateOptions:
    """Return what the command line asks of a new container."""
    if args.preserve_fds < 0:
        raise BadOption(f"preserve-fds must not be negative: {args.preserve_fds}")
    manager = options.cgroup_manager
    return CreateOptions(
        root=made_root(options),
        bundle=args.bundle or ".",
        config=args.config,
        console_socket=absolute(args.console_socket),
        pidfd_socket=absolute(args.pidfd_socket),
        pid_file=absolute(args.pid_file),
        no_pivot=args.no_pivot,
        no_new_keyring=args.no_new_keyring,
        preserve_fds=args.preserve_fds + (handed := _listen_fds()),
        # Handed on under the same numbers; in the container init is the one that is meant.
        extra_env=(f"LISTEN_FDS={handed}", "LISTEN_PID=1") if handed else (),
        systemd_cgroup=manager == "systemd" or (manager is None and options.systemd_cgroup),
        cgroups_disabled=manager == "disabled",
        hold_signals=True,
        rootless={"true": True, "false": False}.get(options.rootless),
    )


def _listen_fds() -> int:
    """Return how many descriptors a socket-activating caller hands on to us.  sd_listen_fds(3)."""
    if environment("LISTEN_PID") != str(posix.getpid()):
        return 0  # meant for somebody before us
    text = environment("LISTEN_FDS")
    return int(text) if text.isascii() and text.isdigit() else 0
