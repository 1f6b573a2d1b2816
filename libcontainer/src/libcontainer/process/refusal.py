"""Words for a call of the last mile that the kernel has refused.  runc's, where it has any."""

from __future__ import annotations

import posix

from ..errors import InitFailed, StepFailed
from ..plan.lastmile import CHDIR
from .command import cwd_failed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..errors import ContainerError
    from ..plan.lastmile import Entry
    from ..plan.process import Command


def call_failed(entry: Entry, code: int, command: Command, path: str = "") -> ContainerError:
    """Return the error for an entry that failed with that errno, 0 for an unexpected result.

    `path` is the program that was found for the command.
    """
    why = posix.strerror(code).lower() if code else "unexpected result"
    if entry.call == "faccessat2":
        return InitFailed("command", code, f'exec: "{command.args[0]}": {why}')
    if entry.call == "execve":
        return InitFailed("command", code, f"exec {path}: {why}")
    if entry.does == CHDIR:
        return cwd_failed(command.cwd, code)
    return StepFailed(entry.does, code, why)
