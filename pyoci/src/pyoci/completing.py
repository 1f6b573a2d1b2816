"""What a shell asks while a command line is typed."""

from __future__ import annotations

from .main import enable_site
from .output import state_root, write

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

# The statuses in which a command can act; of other commands every container may be meant.
_ACTS_ON = {
    "start": ("created",),
    "exec": ("created", "running"),
    "pause": ("created", "running"),
    "resume": ("paused",),
    "kill": ("created", "running", "paused"),
    "update": ("created", "running", "paused"),
    "events": ("created", "running", "paused"),
    "mounts": ("running",),
    "checkpoint": ("running", "paused"),
}


def answer(asked: str) -> int:
    """Print the completions; `asked` is the shell's word for how."""
    enable_site()
    from liboci_cli.completion import complete

    from .table import TABLE

    try:
        write(complete(asked, "pyoci", TABLE, complete_id=containers) + "\n")
    except Exception:
        return 1  # an error in the middle of what somebody types helps nobody
    return 0


def containers(command: str, options: Mapping[str, Any]) -> list[str]:
    """Return the ids that the command could act on; `options` are the global ones."""
    from libcontainer.errors import ContainerError
    from libcontainer.ops.state import state_document
    from libcontainer.state import container_ids
    from liboci_cli.args import GlobalArgs

    root = state_root(GlobalArgs(root=options.get("root")))
    wanted = _ACTS_ON.get(command)
    if command == "delete" and not options.get("force"):
        wanted = ("created", "stopped")
    found = []
    for id in container_ids(root):
        try:
            status = state_document(id, root=root)["status"]
            if wanted is None or status in wanted:
                found.append(id)
        except ContainerError:
            continue
    return found
