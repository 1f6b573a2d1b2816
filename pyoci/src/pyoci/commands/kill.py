"""kill: signal a container."""

from __future__ import annotations

from libcontainer.ops.kill import kill
from libcontainer.signals import parse_signal

from ..output import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs, KillArgs


def run(options: GlobalArgs, args: KillArgs) -> int:
    """Send the signal."""
    signal = parse_signal(args.signal)
    root = state_root(options)
    if args.regex:
        from ..matching import each

        return each(args.id, root, lambda id: kill(id, signal, root=root, all=args.all))
    kill(args.id, signal, root=root, all=args.all)
    return 0
