"""state: print a container's state document."""

from __future__ import annotations

from libcontainer import codec
from libcontainer.ops.state import state_document

from ..output import state_root, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs, StateArgs


def run(options: GlobalArgs, args: StateArgs) -> int:
    """Print it as JSON."""
    write(codec.dumps(state_document(args.id, root=state_root(options)), indent="  ") + "\n")
    return 0
