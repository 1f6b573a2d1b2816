"""delete: remove a container."""

from __future__ import annotations

from libcontainer.ops.delete import delete

from ..output import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import DeleteArgs, GlobalArgs


def run(options: GlobalArgs, args: DeleteArgs) -> int:
    """Remove it, or all whose ids match."""
    root = state_root(options)
    if args.regex:
        from ..matching import each

        return each(args.id, root, lambda id: delete(id, root=root, force=args.force))
    delete(args.id, root=root, force=args.force)
    return 0
