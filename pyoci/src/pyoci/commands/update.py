"""update: change a container's limits."""

from __future__ import annotations

from libcontainer.ops.update import update

from ..limits import limits
from ..output import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.running import UpdateArgs


def run(options: GlobalArgs, args: UpdateArgs) -> int:
    """Change them; say nothing."""
    update(
        args.id,
        limits(args),
        root=state_root(options),
        l3_cache_schema=args.l3_cache_schema,
        mem_bw_schema=args.mem_bw_schema,
    )
    return 0
