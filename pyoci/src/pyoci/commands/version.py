"""version, --version: what is installed, in the lines that engines read."""

from __future__ import annotations

from ..output import write
from ..versions import own_versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import VersionArgs


def run(options: GlobalArgs, args: VersionArgs) -> int:
    """Print them.  The word `version` in the first line only: Docker looks for it."""
    (name, own), *others = own_versions()
    lines = [f"{name} {own}", *[f"{what}: {text}" for what, text in others]]
    write("\n".join(lines) + "\n")
    return 0
