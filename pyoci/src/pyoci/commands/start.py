"""start: let a created container run."""

from __future__ import annotations

from libcontainer.ops.start import start, start_service

from ..log import environment
from ..output import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs, StartArgs


def run(options: GlobalArgs, args: StartArgs) -> int:
    """Start it; say nothing."""
    if manager := environment("NOTIFY_SOCKET"):
        start_service(args.id, root=state_root(options), notify_socket=manager)
    else:
        start(args.id, root=state_root(options))
    return 0
