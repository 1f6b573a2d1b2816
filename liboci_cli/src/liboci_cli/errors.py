"""What can go wrong while a command line is read: one thing, wrong usage.

The texts are runc's, because scripts and engines know them: Podman asks whether `restore` takes
`--lsm-mount-context` by looking for `flag needs an argument`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .args import GlobalArgs


class UsageError(Exception):
    """The command line cannot be understood.

    `exit_status` is 1, or 3 for an unknown command.  `command` is the command whose part was
    being read, None for the global part.  `globals` are the global options if those could be
    read: a caller that was given `--log` owes its log the error too.  `word` is the command or
    option that nobody knows, without dashes; `people.hint` looks for what was meant.
    """

    errno: int | None = None  # as on every error of these libraries; no kernel is involved here

    def __init__(
        self,
        text: str,
        exit_status: int = 1,
        command: str | None = None,
        globals: GlobalArgs | None = None,
        word: str | None = None,
    ) -> None:
        super().__init__(text, exit_status, command, globals, word)
        self.text, self.exit_status = text, exit_status
        self.command, self.globals, self.word = command, globals, word

    def __str__(self) -> str:
        return self.text
