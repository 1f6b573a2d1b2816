"""Parts of our runtime that no command shows alone, run by its own interpreter."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import spawn

if TYPE_CHECKING:
    from lab import Lab
    from runtimes import Runtime

PROBES = Path(__file__).resolve().parent / "probes"


def _command(lab: Lab, runtime: Runtime, name: str, *arguments: str) -> list[str]:
    """Return the command of a probe: with the interpreter, options and folders of the launcher."""
    if not runtime.interpreter:
        raise spawn.CommandFailed(f"{runtime.name} is not a script of an interpreter")
    script = lab.folder / f"{name}.py"
    if not script.exists():
        text = (PROBES / f"{name}.py").read_text()
        script.write_text(f"import sys\n\nsys.path += {runtime.folders()!r}\n{text}")
    return [*runtime.interpreter, str(script), *arguments]


def run_probe(lab: Lab, runtime: Runtime, name: str, *arguments: str) -> float:
    """Run a probe and return the number that it prints."""
    spawn.run(_command(lab, runtime, name, *arguments), lab.output)
    return float(lab.output.read_text().split()[-1])


class Library:
    """A process that uses the library; asked over a pipe that no container inherits."""

    def __init__(self, lab: Lab, runtime: Runtime, bundle: str) -> None:
        asked, self.asking = os.pipe()
        self.answers, answering = os.pipe()
        root = lab.state_root(runtime)
        self.log = lab.folder / "library"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        argv = _command(lab, runtime, "library", root, bundle, "3", "4")
        # By way of high numbers, since either pipe may itself be at 3 or 4.
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log), flags, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
            (os.POSIX_SPAWN_DUP2, asked, 103),
            (os.POSIX_SPAWN_DUP2, answering, 104),
            (os.POSIX_SPAWN_DUP2, 103, 3),
            (os.POSIX_SPAWN_DUP2, 104, 4),
            (os.POSIX_SPAWN_CLOSE, 103),
            (os.POSIX_SPAWN_CLOSE, 104),
        ]
        self.pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=actions, setpgroup=0)
        os.close(asked)
        os.close(answering)

    def __enter__(self) -> Library:
        return self

    def live(self, identifier: str) -> float:
        """Have one container lived through; return the milliseconds."""
        answer = b""
        with contextlib.suppress(BrokenPipeError):  # told below
            os.write(self.asking, identifier.encode() + b"\n")
        while not answer.endswith(b"\n"):
            ready = select.select([self.answers], [], [], spawn.TIMEOUT)[0]
            part = os.read(self.answers, 4096) if ready else b""
            if not part:
                text = self.log.read_text(errors="replace").strip().splitlines()[-1:]
                raise spawn.CommandFailed(f"library: {text[0] if text else 'no answer'}")
            answer += part
        return float(answer)

    def __exit__(self, *_: object) -> None:
        os.close(self.asking)  # the end of its input ends it
        os.close(self.answers)
        if not spawn.wait(self.pid, 5):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        spawn.reap()
