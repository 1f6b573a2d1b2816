"""completion: the script by which a shell completes our command lines."""

from __future__ import annotations

from liboci_cli.completion import completion_script

from ..output import BadOption, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import CompletionArgs


def run(options: GlobalArgs, args: CompletionArgs) -> int:
    """Print it."""
    shell = args.name or args.shell
    if shell is None:
        raise BadOption("which shell: bash, zsh or fish")
    write(completion_script(shell, "pyoci"))
    return 0
