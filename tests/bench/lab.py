"""Where the containers live while they are measured, and how all of them go again."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import signal
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import spawn
from bundles import Bundles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from runtimes import Runtime

CGROUPS = Path("/sys/fs/cgroup")


class Lab:
    """Folders, bundles and live containers; leaving the context removes them all."""

    def __init__(self, *, rest: float) -> None:
        """`rest` in seconds: the kernel tears the last container's namespaces down behind it,
        and without rest the next one pays for that."""
        self.rest_time = rest
        self.prefix = f"pyoci-bench-{os.getpid()}"
        self._numbers = itertools.count(1)
        self._live: dict[str, Runtime] = {}
        self.folder = self.states = Path()

    def __enter__(self) -> Lab:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-"))
        # The states where they are by default, usually a tmpfs.
        below = "/run" if os.access("/run", os.W_OK) else str(self.folder)
        self.states = Path(tempfile.mkdtemp(prefix=f"{self.prefix}-", dir=below))
        self.output = self.folder / "output"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType
    ) -> None:
        # A second Ctrl-C must not leave what the first wanted gone.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for identifier in list(self._live):
            self.discard(identifier)
        spawn.end_descendants()
        remove_cgroups(self.prefix)
        shutil.rmtree(self.states, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def open_bundles(self, spec_writer: str) -> None:
        folder = self.folder / "bundles"
        folder.mkdir()
        self.bundles = Bundles(folder, spec_writer)

    def state_root(self, runtime: Runtime) -> str:
        """Return the runtime's state directory: nobody else's containers are in it."""
        return str(self.states / runtime.name)

    def rest(self) -> None:
        spawn.reap()
        time.sleep(self.rest_time)

    def command(self, runtime: Runtime, *words: str, timeout: float = spawn.TIMEOUT) -> float:
        """Run one command of a runtime; return the milliseconds it took."""
        argv = [runtime.path, "--root", self.state_root(runtime), *words]
        return spawn.run(argv, self.output, timeout=timeout) * 1000

    def claim(self, runtime: Runtime) -> str:
        """Return a new container's id; from now on it is removed at the end."""
        identifier = f"{self.prefix}-{next(self._numbers)}"
        self._live[identifier] = runtime
        return identifier

    def create(self, runtime: Runtime, bundle: str) -> Container:
        """Create a container that waits to be started."""
        identifier = self.claim(runtime)
        pid_file = self.folder / "pid"
        words = ("create", "--bundle", bundle, "--pid-file", str(pid_file), identifier)
        try:
            took = self.command(runtime, *words)
        except BaseException:
            self.discard(identifier)
            raise
        return Container(self, runtime, identifier, int(pid_file.read_text()), took)

    def forget(self, identifier: str) -> None:
        """A container has been deleted."""
        self._live.pop(identifier, None)

    def discard(self, identifier: str) -> None:
        """Remove a container by force, whatever has become of it; nothing if it has gone."""
        runtime = self._live.pop(identifier, None)
        if runtime is not None:
            # Best effort: what this does not find, the end of the lab does.
            with contextlib.suppress(spawn.CommandFailed):
                self.command(runtime, "delete", "--force", identifier)
            spawn.reap()


class Container:
    """One container of a lab; leaving its context removes it by force unless it is deleted."""

    def __init__(self, lab: Lab, runtime: Runtime, identifier: str, pid: int, took: float) -> None:
        """`took` is what create took, in milliseconds."""
        self.lab, self.runtime, self.id, self.pid, self.took = lab, runtime, identifier, pid, took

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self.lab.discard(self.id)

    def start(self) -> float:
        return self.lab.command(self.runtime, "start", self.id)

    def delete(self) -> float:
        took = self.lab.command(self.runtime, "delete", self.id)
        self.lab.forget(self.id)
        return took

    def wait(self) -> None:
        """Wait until the container's process has ended."""
        if not spawn.wait(self.pid, spawn.TIMEOUT):
            raise spawn.CommandFailed(f"{self.runtime.name}: the container does not end")
        spawn.reap()

    def kill(self) -> None:
        """End the container without its runtime, which may take its time over it."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.wait()


def remove_cgroups(prefix: str) -> None:
    """Remove the cgroups with this in their name, the innermost first."""
    for folder, _, _ in os.walk(CGROUPS, topdown=False):
        if prefix in folder:
            # Best effort: a cgroup stays busy for a moment after its last process.
            for _ in range(20):
                try:
                    os.rmdir(folder)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.05)


def proportional_memory(pids: Sequence[int]) -> float:
    """Return what processes cost, in bytes: pages shared by n count as an nth."""
    total = 0
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
    return total
