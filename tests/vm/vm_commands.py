"""Commands on running containers, on pure cgroup v2, by the file system and by systemd."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        not os.path.exists("/sys/fs/cgroup/cgroup.controllers"), reason="needs cgroup v2 alone"
    ),
]
M = 1 << 20
DRIVERS = [
    pytest.param((), "/pyoci-commands", id="cgroupfs"),
    pytest.param(("--systemd-cgroup",), "system.slice:pyoci:commands", id="systemd"),
]


class Running:
    """A running container, and the files of its cgroup."""

    def __init__(self, pyoci, bundle, options, path, *args):
        def change(document):
            document["linux"]["cgroupsPath"] = path
            document["linux"]["resources"] |= {
                "memory": {"limit": 128 * M, "swap": 256 * M},
                "cpu": {"quota": 50000, "period": 100000},
                "pids": {"limit": 60},
            }

        self.pyoci, self.id = pyoci, "commands"
        pyoci.create(self.id, bundle(*args, change=change), options=options)
        pyoci("start", self.id)
        pid = json.loads(pyoci("state", self.id).stdout)["pid"]
        line = Path(f"/proc/{pid}/cgroup").read_text().strip()
        self.cgroup = Path("/sys/fs/cgroup" + line.partition("::")[2])

    def __getitem__(self, file):
        return (self.cgroup / file).read_text().strip()

    def update(self, *options):
        return self.pyoci("update", *options, self.id, check=False)


@pytest.mark.parametrize(("options", "path"), DRIVERS)
def test_update(pyoci, bundle, options, path):
    """
    An update changes what it names, builds on the one before, and comes through a daemon-reload.
    """
    box = Running(pyoci, bundle, options, path, "sleep", "1000")

    assert box.update("--memory", "64m", "--pids-limit", "50").returncode == 0
    # The sum of memory and swap stays: 256 - 64.
    assert [box["memory.max"], box["memory.swap.max"], box["pids.max"]] == [
        str(64 * M),
        str(192 * M),
        "50",
    ]
    assert box.update("--memory-swap", "96m").returncode == 0
    assert [box["memory.max"], box["memory.swap.max"]] == [str(64 * M), str(32 * M)]
    assert box.update("--cpu-quota", "20000").returncode == 0
    assert box["cpu.max"] == "20000 100000"
    assert box.update("--cpu-period", "50000", "--cpu-share", "512").returncode == 0
    assert box["cpu.max"] == "20000 50000"
    if options:
        subprocess.run(["systemctl", "daemon-reload"], check=True, timeout=60)
        assert [box["memory.max"], box["pids.max"]] == [str(64 * M), "50"]


@pytest.mark.parametrize(("options", "path"), DRIVERS)
def test_refused_update_is_undone(pyoci, bundle, options, path):
    """
    What was set before the refused limit gets its old value back.
    """
    box = Running(pyoci, bundle, options, path, "sleep", "1000")
    file = Path("/tmp/limits.json")
    file.write_text('{"pids":{"limit":7},"unified":{"memory.nonsense":"1"}}')

    done = box.update("--resources", str(file))

    assert done.returncode == 1
    assert "memory.nonsense" in done.stderr
    assert box["pids.max"] == "60"


@pytest.mark.parametrize(("options", "path"), DRIVERS)
def test_pause_and_resume(pyoci, bundle, options, path):
    """
    A paused container is frozen, is listed as paused, dies of SIGKILL.
    """
    box = Running(pyoci, bundle, options, path, "sleep", "1000")

    pyoci("pause", box.id)
    assert "frozen 1" in box["cgroup.events"]
    assert json.loads(pyoci("state", box.id).stdout)["status"] == "paused"
    pids = json.loads(pyoci("ps", "--format", "json", box.id).stdout)
    assert len(pids) == 1
    pyoci("resume", box.id)
    assert "frozen 0" in box["cgroup.events"]
    pyoci("pause", box.id)
    pyoci("kill", box.id, "KILL")
    for _ in range(100):
        if json.loads(pyoci("state", box.id).stdout)["status"] == "stopped":
            return
        time.sleep(0.1)
    pytest.fail("a paused container does not die of SIGKILL")


def test_events(pyoci, bundle):
    """
    Measurements with v2's keys, a kill for memory, and the end.
    """
    box = Running(pyoci, bundle, *DRIVERS[0].values, "sh", "-c", "sleep 8; tail /dev/zero; sleep 3")
    (box.cgroup / "memory.max").write_text(str(8 * M))
    (box.cgroup / "memory.swap.max").write_text("0")
    once = json.loads(pyoci("events", "--stats", box.id).stdout)
    assert once["data"]["memory"]["usage"]["limit"] == 8 * M
    assert once["data"]["cpu"]["usage"]["total"] > 0

    done = pyoci("events", "--interval", "3s", box.id)

    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]
    assert kinds.count("oom") == 1
    assert kinds.count("stats") >= 2


def test_log_to_the_journal(pyoci):
    """
    `--log journald:ID` and `--systemd-log` tell the journal what ended the program.
    """
    named = pyoci("state", "nobody", options=("--log", "journald:vm-web"), check=False)
    also = pyoci("state", "nobody", options=("--systemd-log",), check=False)

    assert named.stderr == also.stderr == "container does not exist\n"
    for name in ("vm-web", "pyoci"):
        command = ["journalctl", "-t", name, "-o", "cat", "-n", "1", "--no-pager"]
        for _ in range(50):
            done = subprocess.run(command, capture_output=True, text=True, timeout=60)
            if done.stdout == "container does not exist\n":
                break
            time.sleep(0.2)
        assert done.stdout == "container does not exist\n"
