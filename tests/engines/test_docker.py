"""Docker with pyoci among its runtimes: a daemon of its own, in a mount namespace of its own."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root, pytest.mark.slow]


def daemon_config(folder, runtime, parent):
    return {
        "data-root": f"{folder}/data",
        "exec-root": f"{folder}/exec",
        "pidfile": f"{folder}/docker.pid",
        "hosts": [f"unix://{folder}/docker.sock"],
        "iptables": False,
        "ip6tables": False,
        "ip-masq": False,
        "bridge": "none",
        "storage-driver": "vfs",
        "cgroup-parent": f"/{parent.name}",
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 4096}},
        "runtimes": {
            "pyoci": {"path": str(runtime), "runtimeArgs": ["--debug", "--systemd-log"]},
            "plain": {"path": str(runtime)},
        },
    }


class Docker:
    """A client of one daemon."""

    def __init__(self, folder, run):
        self.run_command = run
        self.argv = ["docker", "-H", f"unix://{folder}/docker.sock"]

    def __call__(self, *arguments, **options):
        return self.run_command(*self.argv, *arguments, **options)

    def run(self, *arguments, runtime="pyoci", **options):
        return self("run", "--rm", "--runtime", runtime, "--network", "none", *arguments, **options)


def wait_for(docker, daemon, log):
    end = time.monotonic() + 60
    while True:
        try:
            return docker("version", timeout=10)
        except (AssertionError, subprocess.TimeoutExpired):
            if daemon.poll() is not None or time.monotonic() > end:
                pytest.skip(f"needs a dockerd that starts: {log.read_text()[-500:]}")
            time.sleep(0.2)


@pytest.fixture(scope="module")
def docker(runtime, run, image, cgroup_parent):
    for program in ("docker", "dockerd", "containerd", "unshare"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    folder = Path(tempfile.mkdtemp(prefix="pyoci-docker-"))
    (folder / "daemon.json").write_text(json.dumps(daemon_config(folder, runtime, cgroup_parent)))
    log = folder / "log"
    with open(log, "wb") as out:
        daemon = subprocess.Popen(
            ["unshare", "-m", "dockerd", "--config-file", f"{folder}/daemon.json"],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    client = Docker(folder, run)
    try:
        wait_for(client, daemon, log)
        client("import", image, "bb:latest")
        yield client
        assert client("ps", "-aq") == ""
        assert cgroup_parent.containers() == []
    finally:
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(daemon.pid, signal.SIGKILL)
            daemon.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", ["pyoci", "plain"], ids=["with arguments", "plain"])
def test_run_prints_and_ends_as_the_container(docker, name):
    """Also with --debug and --systemd-log, which the daemon passes on."""
    assert docker.run("bb", "echo", "hi", runtime=name) == "hi"
    assert docker.run("bb", "sh", "-c", "exit 3", status=3, runtime=name) == ""


@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param("nosuch", 127, id="not in PATH"),
        pytest.param("/no/such", 127, id="no such file"),
        pytest.param("/plain", 126, id="not executable"),
        pytest.param("/etc", 126, id="a directory"),
    ],
)
@pytest.mark.parametrize("name", ["pyoci", "plain"], ids=["with arguments", "plain"])
def test_what_cannot_be_executed_has_a_status_of_its_own(docker, name, command, status):
    """The client makes it from the words of create's error."""
    docker.run("bb", command, status=status, runtime=name)


def test_run_detached_stop_and_rm(docker):
    """As a service would be run."""
    id = docker("run", "-d", "--runtime", "pyoci", "--network", "none", "bb", "sleep", "1000")
    found = json.loads(docker("inspect", id))[0]
    assert found["State"]["Running"]
    assert found["HostConfig"]["Runtime"] == "pyoci"
    docker("stop", "-t", "0", id)
    assert json.loads(docker("inspect", id))[0]["State"]["ExitCode"] == 137
    docker("rm", id)


def test_logs_and_wait(docker):
    """The daemon gets what the container writes, and its exit status."""
    script = "echo one; exit 4"
    id = docker("run", "-d", "--runtime", "pyoci", "--network", "none", "bb", "sh", "-c", script)
    assert docker("wait", id) == "4"
    assert docker("logs", id) == "one"
    docker("rm", id)


def test_kill_and_start_again(docker):
    """A container that was killed can be started again."""
    id = docker("run", "-d", "--runtime", "pyoci", "--network", "none", "bb", "sleep", "1000")
    docker("kill", id)
    assert docker("wait", id) == "137"
    docker("start", id)
    docker("rm", "-f", id)


def test_pause_top_and_update(docker, memory_limit):
    """While it runs: stopped where it is, looked at, limited."""
    id = docker("run", "-d", "--runtime", "pyoci", "--network", "none", "bb", "sleep", "1000")
    docker("pause", id)
    assert json.loads(docker("inspect", id))[0]["State"]["Status"] == "paused"
    docker("unpause", id)
    assert docker("top", id, "-o", "pid,args").splitlines()[1].split()[1:] == ["sleep", "1000"]
    docker("update", "--memory", "64m", "--memory-swap", "128m", "--pids-limit", "40", id)
    assert memory_limit(json.loads(docker("inspect", id))[0]["State"]["Pid"]) == 64 << 20
    docker("update", "--memory", "256m", "--memory-swap", "512m", id)
    assert memory_limit(json.loads(docker("inspect", id))[0]["State"]["Pid"]) == 256 << 20
    docker("rm", "-f", id)


def test_a_terminal(docker):
    """-t gives a terminal whose output comes back."""
    assert docker.run("-t", "bb", "tty") == "/dev/pts/0"


@pytest.mark.parametrize(
    ("options", "script", "expected"),
    [
        pytest.param(("--user", "1000"), "id -u", "1000", id="user"),
        pytest.param(("--hostname", "there"), "hostname", "there", id="hostname"),
        pytest.param(("--read-only",), "touch /x 2>&1 | wc -l", "1", id="read-only"),
        pytest.param(("--tmpfs", "/mem"), "touch /mem/x && echo ok", "ok", id="tmpfs"),
        pytest.param(
            ("--memory", "64m"),
            "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; true",
            str(64 << 20),
            id="memory",
        ),
        pytest.param(("--pids-limit", "50", "--cpus", "0.5"), "echo ok", "ok", id="pids, cpus"),
        pytest.param(("--pid", "host"), "test $$ != 1 && echo host", "host", id="host's pids"),
        pytest.param(
            ("--security-opt", "no-new-privileges"),
            "grep -c 'NoNewPrivs:.1' /proc/self/status",
            "1",
            id="no new privileges",
        ),
        pytest.param(
            ("--device", "/dev/null:/dev/other"), "ls /dev/other", "/dev/other", id="device"
        ),
        pytest.param(
            ("--sysctl", "net.ipv4.ip_default_ttl=7"),
            "cat /proc/sys/net/ipv4/ip_default_ttl",
            "7",
            id="sysctl",
        ),
    ],
)
def test_options_of_run(docker, options, script, expected):
    """What the user asks of Docker, the container sees."""
    assert docker.run(*options, "bb", "sh", "-c", script) == expected
