"""ps: a container's processes."""

from __future__ import annotations

from libcontainer import codec
from libcontainer.ops.ps import ps

from ..output import state_root, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.running import PsArgs


def run(options: GlobalArgs, args: PsArgs) -> int:
    """Print their pids as JSON, a table of our own, or ps(1)'s lines about them."""
    pids = ps(args.id, root=state_root(options))
    if args.format == "json":
        write(codec.dumps(list(pids)) + "\n")
    elif args.options:
        from ..processes import filtered

        write(filtered(pids, args.options))
    else:
        from ..processes import table

        write(table(pids))
    return 0
