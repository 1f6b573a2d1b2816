"""create: make a container that waits to be started."""

from __future__ import annotations

from libcontainer.ops.create import create

from ..creation import create_options
from ..log import environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.making import CreateArgs


def run(options: GlobalArgs, args: CreateArgs) -> int:
    """Create it; say nothing."""
    made = create_options(options, args)
    if environment("NOTIFY_SOCKET"):
        from libcontainer.readiness import announce  # rare

        announce(args.id, made)
    create(args.id, made)
    return 0
