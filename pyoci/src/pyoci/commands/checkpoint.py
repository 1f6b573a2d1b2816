"""checkpoint: write a container to files."""

from __future__ import annotations

from ..output import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.checkpointing import CheckpointArgs


def run(options: GlobalArgs, args: CheckpointArgs) -> int:
    """Refuse."""
    raise BadOption("not built yet: checkpoint")
