"""pause: stop a container where it is."""

from __future__ import annotations

from libcontainer.ops.pause import pause

from ..output import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.running import PauseArgs


def run(options: GlobalArgs, args: PauseArgs) -> int:
    """Do it; say nothing."""
    pause(args.id, root=state_root(options))
    return 0
