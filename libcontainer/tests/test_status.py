"""What a container is doing, asked of the kernel."""

import json
import os
import subprocess

import pytest

from libcgroups.manager import CgroupState
from libcontainer.identity import start_time
from libcontainer.state import SavedState, claim, open_directory
from libcontainer.status import document, hook_document, owner_name, status_of
from libcontainer.testing import NOBODY


@pytest.fixture
def child():
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    yield process
    process.communicate()


@pytest.fixture
def directory(tmp_path):
    with claim(str(tmp_path), "box") as made:
        yield made


def saved(pid=NOBODY, started=1, **changes):
    return SavedState(
        id="box",
        status="created",
        pid=pid,
        start_time=started,
        bundle="/b",
        rootfs="/b/rootfs",
        created="then",
        owner=0,
        cgroup=CgroupState(manager="disabled", paths={}),
        private_pids=True,
    ).replace(**changes)


def test_created_while_init_waits(child, directory):
    """
    A reader at the start barrier is an init that waits.
    """
    gate = directory.make_fifo()

    assert status_of(saved(child.pid, start_time(child.pid)), directory) == "created"

    os.close(gate)
    assert status_of(saved(child.pid, start_time(child.pid)), directory) == "running"


def test_running_without_a_barrier(child, directory):
    """
    Nobody waits: it has been started.
    """
    assert status_of(saved(child.pid, start_time(child.pid)), directory) == "running"


def test_stopped_when_init_is_gone(child, directory):
    """
    Gone, a zombie, or another process of the same pid.
    """
    started = start_time(child.pid)
    assert status_of(saved(), directory) == "stopped"
    assert status_of(saved(child.pid, started - 1), directory) == "stopped"

    child.stdin.close()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)

    assert status_of(saved(child.pid, started), directory) == "stopped"


def test_creating_as_long_as_somebody_creates(tmp_path, directory):
    """
    Whoever creates holds the lock; without one the creator was killed.
    """
    with open_directory(str(tmp_path), "box") as other:
        directory.lock()
        assert status_of(saved(status="creating"), other) == "creating"
        directory.unlock()
        assert status_of(saved(status="creating"), other) == "stopped"


@pytest.mark.parametrize(
    ("changes", "status", "expected"),
    [
        pytest.param({}, "running", {"pid": 42}, id="plain"),
        pytest.param({}, "stopped", {"pid": 0}, id="no-pid-when-stopped"),
        pytest.param(
            {"annotations": {"a": "b"}}, "paused", {"pid": 42, "annotations": {"a": "b"}},
            id="annotations",
        ),
        pytest.param(
            {"cgroup": CgroupState(manager="systemd", paths={}, unit="box.scope")}, "created",
            {"pid": 42, "systemd-scope": "box.scope"}, id="scope",
        ),
    ],
)  # fmt: skip
def test_the_state_document(changes, status, expected):
    """
    runc's keys; optional ones only where there is something to say.
    """
    found = document(saved(42, **changes), status)

    assert (
        found
        == {
            "ociVersion": "1.3.0",
            "id": "box",
            "status": status,
            "bundle": "/b",
            "rootfs": "/b/rootfs",
            "created": "then",
            "owner": "root",
        }
        | expected
    )
    assert list(found)[:7] == "ociVersion id pid status bundle rootfs created".split()


def test_what_a_hook_reads():
    """
    The specification's keys, without a pid when there is none.
    """
    base = {"ociVersion": "1.3.0", "id": "box", "bundle": "/b"}

    assert json.loads(hook_document(saved(42), "running")) == base | {
        "status": "running",
        "pid": 42,
    }
    assert json.loads(hook_document(saved(42, annotations={"a": "b"}), "stopped")) == base | {
        "status": "stopped",
        "annotations": {"a": "b"},
    }


@pytest.mark.parametrize(("uid", "name"), [(0, "root"), (4_000_000_000, "#4000000000")])
def test_owners(uid, name):
    """
    A user of the host by name, or by number where there is none.
    """
    assert owner_name(uid) == name
