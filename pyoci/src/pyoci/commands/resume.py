"""resume: let a paused container go on."""

from __future__ import annotations

from libcontainer.ops.resume import resume

from ..output import state_root

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.running import ResumeArgs


def run(options: GlobalArgs, args: ResumeArgs) -> int:
    """Do it; say nothing."""
    resume(args.id, root=state_root(options))
    return 0
