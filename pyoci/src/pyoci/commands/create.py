"""create: make a container that waits to be started."""

from __future__ import annotations

from libcontainer.ops.create import create

from ..creation import create_options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.making import CreateArgs


def run(options: GlobalArgs, args: CreateArgs) -> int:
    """Create it; say nothing."""
    create(args.id, create_options(options, args))
    return 0
