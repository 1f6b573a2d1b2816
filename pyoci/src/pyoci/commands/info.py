"""info: versions and the host, for reports of faults."""

from __future__ import annotations

from libcontainer import codec

from ..output import write
from ..versions import own_versions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import InfoArgs

_LABEL = 18  # columns, as youki's
_NAME = 23


def run(options: GlobalArgs, args: InfoArgs) -> int:
    """Print what can be read; what cannot is left out, and no failure."""
    from ..host import pieces  # os and more, which a start of `info` alone pays

    found = [*own_versions(), *pieces()]
    if args.format == "json":
        write(codec.dumps(dict(found), indent="    ") + "\n")
        return 0
    lines = []
    for label, value in found:
        if isinstance(value, str):
            lines.append(f"{label.ljust(_LABEL)}{value}")
        else:
            lines.append(label)
            lines += [f"  {name.ljust(_NAME)}{text}" for name, text in value.items()]
    write("\n".join(lines) + "\n")
    return 0
