"""events: what a container uses, as runc's lines of JSON."""

from __future__ import annotations

import posix

from libcontainer import codec
from libcontainer.ops.events import events

from ..output import state_root, write
from ..quantities import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.running import EventsArgs


def run(options: GlobalArgs, args: EventsArgs) -> int:
    """Print a line for each; on a terminal keep a table up to date instead."""
    interval = duration("interval", args.interval)
    live = not args.stats and posix.isatty(1)
    found = events(
        args.id,
        root=state_root(options),
        interval=None if args.stats else interval,
        at_once=live,
    )
    if live:
        from ..live import show

        return show(args.id, found)
    for event in found:
        write(codec.dumps(event) + "\n")
    return 0
