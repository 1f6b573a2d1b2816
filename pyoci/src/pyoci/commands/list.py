"""list: every container below the state root."""

from __future__ import annotations

from libcontainer import codec
from libcontainer.ops.list import list_containers
from libcontainer.state import container_ids

from ..output import state_root, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from liboci_cli.args import GlobalArgs, ListArgs

_COLUMNS = ("ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER")
_NARROWEST, _GAP = 12, 3  # as runc's tables, for scripts that cut columns


def run(options: GlobalArgs, args: ListArgs) -> int:
    """Print a table, JSON, or ids only."""
    root = state_root(options)
    try:
        if args.quiet:
            write("".join([id + "\n" for id in container_ids(root)]))
            return 0
        found = list_containers(root=root)
    except FileNotFoundError:
        if options.root is not None:
            raise
        found = ()  # nobody has created one yet
    if args.quiet:
        return 0
    if args.format == "json":
        write(codec.dumps(list(found)) + "\n")
    else:
        write(_table(found))
    return 0


def _table(found: tuple[dict[str, Any], ...]) -> str:
    rows = [_COLUMNS]
    for c in found:
        rows.append((c["id"], str(c["pid"]), c["status"], c["bundle"], c["created"], c["owner"]))
    widths = [max(_NARROWEST, *[len(r[i]) + _GAP for r in rows]) for i in range(len(_COLUMNS))]
    lines = ["".join([cell.ljust(w) for cell, w in zip(row, widths)]).rstrip() for row in rows]
    return "\n".join(lines) + "\n"
