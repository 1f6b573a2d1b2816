"""restore: bring a container back from files."""

from __future__ import annotations

from ..output import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.checkpointing import RestoreArgs


def run(options: GlobalArgs, args: RestoreArgs) -> int:
    """Refuse."""
    raise BadOption("not built yet: restore")
