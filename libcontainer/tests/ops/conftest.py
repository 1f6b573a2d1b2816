"""Containers that are only a state file and a process of ours: no cgroup, no namespace."""

import contextlib
import json
import os
import signal
import subprocess

import pytest

from libcgroups.manager import CgroupState
from libcontainer.identity import start_time
from libcontainer.state import SavedState, claim
from libcontainer.testing import NOBODY

# What init does at the start barrier: waits for a byte, then becomes the payload.
WAIT = "head -c 1 <&9 >/dev/null; exec 9<&-; exec sleep 60"


class Box:
    """A container's state, its directory, and its process."""

    def __init__(self, root, id):
        self.root, self.id, self.process = root, id, None
        self.directory = claim(root, id)
        self.path = f"{root}/{id}"

    def save(self, status="created", **changes):
        pid = self.process.pid if self.process else NOBODY
        state = SavedState(
            id=self.id,
            status=status,
            pid=pid,
            start_time=start_time(pid) or 1,
            bundle=self.root,
            rootfs="/nowhere",
            created="then",
            owner=0,
            cgroup=CgroupState(manager="disabled", paths={}),
            private_pids=True,
        ).replace(**changes)
        self.directory.save(state)
        return state

    def wait_at_the_barrier(self):
        """Begin the process as create leaves it."""
        gate = self.directory.make_fifo()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", WAIT],
            preexec_fn=lambda: os.dup2(gate, 9),  # a shell names one digit only
            pass_fds=(9,),
            start_new_session=True,  # so that the shell's own child can be ended with it
        )
        os.close(gate)
        return self

    def run(self):
        """Begin the process as start leaves it."""
        self.process = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
        return self

    def hooks(self, **hooks):
        """Keep a document with hooks of the kinds given, each a line of shell."""
        listed = {
            kind: [{"path": "/bin/sh", "args": ["sh", "-c", text]} for text in lines]
            for kind, lines in hooks.items()
        }
        self.directory.keep_document(json.dumps({"ociVersion": "1.3.0", "hooks": listed}))

    def end(self):
        self.directory.close()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "root")


@pytest.fixture
def box(root):
    """Make containers below the root."""
    made = []

    def make(id="box"):
        made.append(Box(root, id))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def ended():
    """Say by which signal a container's process ended."""

    def wait(box):
        return signal.Signals(-box.process.wait(timeout=5)).name

    return wait
