"""run: create and start; in the foreground wait, and be what the container's process was."""

from __future__ import annotations

from libcontainer.ops.run import run as run_container

from ..creation import create_options
from ..log import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.making import RunArgs


def run(options: GlobalArgs, args: RunArgs) -> int:
    """Return the container's own exit status."""
    return run_container(
        args.id,
        create_options(options, args),
        detach=args.detach,
        keep=args.keep,
        subreaper=not args.no_subreaper,
        reap_orphans=True,
        notify_socket=environment("NOTIFY_SOCKET"),
    )
