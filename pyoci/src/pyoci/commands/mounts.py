"""mounts: add mounts to a running container, or take them away."""

from __future__ import annotations

from libcontainer.ops.mounts import add_mounts, remove_mounts

from ..output import read_file, state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.running import MountsArgs


def run(options: GlobalArgs, args: MountsArgs) -> int:
    """Do it; say nothing."""
    act = add_mounts if args.action == "add" else remove_mounts
    act(args.id, read_file(args.file), root=state_root(options))
    return 0
