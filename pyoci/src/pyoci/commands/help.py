"""help: the program's help, or a command's."""

from __future__ import annotations

from ..main import enable_site
from ..output import write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import HelpArgs


def run(options: GlobalArgs, args: HelpArgs) -> int:
    """Print it."""
    enable_site()
    from liboci_cli.people import help_text  # click: 40 ms

    from ..table import TABLE

    write(help_text(args.topic, "pyoci", TABLE))
    return 0
