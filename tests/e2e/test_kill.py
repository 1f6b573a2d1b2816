"""kill, and what a paused container does: signals by name and number, to one and to all."""

import signal
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")
SILENT = (0, "", "")


def told(result):
    return result.status, result.stdout, result.stderr


def without(config, *kinds):
    """Let a container share these namespaces with the host."""
    linux = config["linux"]
    linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] not in kinds]
    return config


# -- kill


@pytest.mark.parametrize(
    ("given", "number"),
    [
        ("KILL", 9),
        ("SIGKILL", 9),
        ("sigusr1", 10),
        ("usr2", 12),
        ("9", 9),
        ("15", 15),
        (None, 15),
        ("RTMIN+1", signal.SIGRTMIN + 1),
        ("SIGRTMAX", signal.SIGRTMAX),
    ],
)
def test_kill_takes_names_and_numbers(workshop, given, number):
    """With or without SIG, in any case, by number; SIGTERM without one."""
    config = without(workshop.config(*FOREVER), "pid")
    container = workshop.create(config)
    container.start()
    assert told(container.pyoci("kill", *([given] if given else []))) == SILENT
    assert container.wait() == -number
    assert container.delete().status == 0


@pytest.mark.parametrize("given", ["NOSUCH", "SIG", "65", "-9", "1x", ""])
def test_kill_refuses_an_unknown_signal(workshop, delete_after, given):
    """The container goes on."""
    container = workshop.create(FOREVER)
    delete_after(container)
    container.start()
    result = (
        container.pyoci("kill", "--", given) if given == "-9" else container.pyoci("kill", given)
    )
    assert (result.status, result.stdout) == (1, "")
    assert result.stderr == f'unknown signal "{given}"\n'
    assert container.status == "running"


def test_signal_zero_only_tests(workshop, delete_after):
    """`kill ID 0` succeeds while init is there."""
    container = workshop.create(FOREVER)
    delete_after(container)
    container.start()
    assert told(container.pyoci("kill", "0")) == SILENT
    assert container.status == "running"


def test_kill_reaches_a_created_container(workshop):
    """SIGKILL ends the process that waits; the container is then stopped."""
    container = workshop.create(FOREVER)
    assert told(container.pyoci("kill", "KILL")) == SILENT
    assert container.wait() == -9
    assert container.status == "stopped"
    result = container.start()
    assert told(result) == (1, "", "cannot start a container that has stopped\n")
    assert container.delete().status == 0


def test_kill_of_a_stopped_container_says_so(workshop):
    """`container not running`, exit 1; with --all it is fine, since engines call it at the end."""
    container = workshop.create("exit 0")
    container.start()
    container.wait()
    assert told(container.pyoci("kill", "9")) == (1, "", "container not running\n")
    assert told(workshop.pyoci("kill", "--all", container.id, "9")) == SILENT
    assert container.delete().status == 0


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(("-a",), id="--all"), pytest.param((), id="SIGKILL without a pid namespace")],
)
def test_kill_reaches_every_process(workshop, arguments):
    """Where init's end would not be theirs, the others are signalled as well."""
    config = workshop.config("sh", "-c", "sleep 1000 & sleep 1001 & echo ready; exec sleep 1002")
    container = workshop.create(without(config, "pid"))
    container.start()
    workshop.until(lambda: container.stdout == "ready\n", "ready")
    group = cgroup_of(container.pid, "pids")
    pids = [int(pid) for pid in (group / "cgroup.procs").read_text().split()]
    assert len(pids) == 3
    assert told(workshop.pyoci("kill", *arguments, container.id, "KILL")) == SILENT
    assert [workshop.reap(pid) for pid in sorted(pids)] == [-9, -9, -9]
    assert container.delete().status == 0


def test_kill_all_sends_any_signal_to_all(workshop):
    """`kill --all ID TERM` reaches init and its children."""
    config = workshop.config("sh", "-c", "sleep 1000 & echo ready; exec sleep 1002")
    container = workshop.create(without(config, "pid"))
    container.start()
    workshop.until(lambda: container.stdout == "ready\n", "ready")
    pids = [int(p) for p in (cgroup_of(container.pid, "pids") / "cgroup.procs").read_text().split()]
    assert told(workshop.pyoci("kill", "--all", container.id, "TERM")) == SILENT
    assert [workshop.reap(pid) for pid in sorted(pids)] == [-15, -15]
    assert container.delete().status == 0


def cgroup_of(pid, controller):
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            folder = Path("/sys/fs/cgroup") / names
            return Path(f"{folder}{path}")
    pytest.skip(f"needs the cgroup v1 controller {controller}")


# -- paused


def freeze(container, word):
    folder = cgroup_of(container.pid, "freezer")
    (folder / "freezer.state").write_text(word)
    return folder / "freezer.state"


def test_a_frozen_container_is_paused(workshop):
    """Whoever froze the cgroup, `state` and `list` say paused, and delete and start refuse."""
    container = workshop.create(FOREVER)
    container.start()
    freeze(container, "FROZEN")
    assert container.status == "paused"
    assert "paused" in workshop.pyoci("list").stdout
    refused = f"cannot delete container {container.id} that is not stopped: paused\n"
    assert told(container.delete()) == (1, "", refused)
    refused = "cannot start a container in the paused state\n"
    assert told(container.start()) == (1, "", refused)
    assert told(container.delete("--force")) == SILENT


def test_a_paused_container_dies_of_sigkill(workshop):
    """The frozen process of v1 is thawed, or it would never die."""
    container = workshop.create(FOREVER)
    container.start()
    freeze(container, "FROZEN")
    assert told(container.pyoci("kill", "KILL")) == SILENT
    assert container.wait() == -9
    assert container.delete().status == 0
