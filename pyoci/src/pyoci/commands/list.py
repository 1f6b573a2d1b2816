"""list: every container below the state root."""

from __future__ import annotations

import posix
from errno import ENOENT

from libcontainer import codec
from libcontainer.ops.list import list_containers

from ..output import BadOption, state_root, write

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
        found = list_containers(root=root, unreadable=_tell)
    except OSError as e:
        if e.errno != ENOENT or options.root is not None:
            raise BadOption(f"open {root}: {(e.strerror or '').lower()}") from e
        found = ()  # nobody has created one yet
    if args.quiet:
        write("".join([c["id"] + "\n" for c in found]))
        return 0
    if args.format == "json":
        write(codec.dumps(list(found)) + "\n")
    elif posix.isatty(1):
        from ..people import listed

        write(listed(found))
    else:
        write(_table(found))
    return 0


def _tell(text: str) -> None:
    """Say what is left out: a list that is silently shorter would be wrong."""
    posix.write(2, (text + "\n").encode("utf-8", "backslashreplace"))


def _table(found: tuple[dict[str, Any], ...]) -> str:
    rows = [_COLUMNS]
    for c in found:
        rows.append((c["id"], str(c["pid"]), c["status"], c["bundle"], c["created"], c["owner"]))
    widths = [max(_NARROWEST, *[len(r[i]) + _GAP for r in rows]) for i in range(len(_COLUMNS))]
    lines = ["".join([cell.ljust(w) for cell, w in zip(row, widths)]).rstrip() for row in rows]
    return "\n".join(lines) + "\n"
