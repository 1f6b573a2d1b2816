"""update: change a container's limits."""

from __future__ import annotations

from libcontainer.ops.update import update

from ..limits import check_schemata, limits
from ..output import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.running import UpdateArgs


def run(options: GlobalArgs, args: UpdateArgs) -> int:
    """Change them; say nothing."""
    changes = limits(args)
    check_schemata(args)
    update(args.id, changes, root=state_root(options))
    return 0
