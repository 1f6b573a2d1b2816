"""--version: what is installed, in the lines that engines read."""

from __future__ import annotations

import sys

from libcontainer.state import OCI_VERSION

from .. import __version__
from ..output import write
from ..versions import libseccomp_version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs, VersionArgs


def run(options: GlobalArgs, args: VersionArgs) -> int:
    """Print them.  The word `version` in the first line only: Docker looks for it."""
    lines = [
        f"pyoci version {__version__}",
        f"spec: {OCI_VERSION}",
        f"python: {'.'.join([str(n) for n in sys.version_info[:3]])}",
    ]
    if found := libseccomp_version():
        lines.append(f"libseccomp: {found}")
    write("\n".join(lines) + "\n")
    return 0
