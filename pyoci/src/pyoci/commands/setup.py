"""setup: make an engine use this runtime."""

from __future__ import annotations

from ..output import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import SetupArgs


def run(options: GlobalArgs, args: SetupArgs) -> int:
    """Refuse."""
    raise BadOption("not built yet: setup")
