"""Podman as root with pyoci as its runtime."""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root, pytest.mark.slow]

CONFIG = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime_supports_json = ["crun", "runc", "pyoci"]
[engine.runtimes]
pyoci = ["RUNTIME"]
"""


class Podman:
    """A Podman of its own storage."""

    def __init__(self, folder, runtime, run, parent):
        self.run_command, self.parent = run, parent
        config = folder / "containers.conf"
        config.write_text(CONFIG.replace("RUNTIME", str(runtime)))
        self.environment = {**os.environ, "CONTAINERS_CONF": str(config)}
        self.argv = ["podman", "--root", folder / "storage", "--runroot", folder / "run"]
        self.argv += ["--tmpdir", folder / "tmp", "--storage-driver", "vfs"]
        self.argv += ["--cgroup-manager", "cgroupfs", "--events-backend", "file"]
        self.argv += ["--runtime", runtime]

    def __call__(self, *arguments, **options):
        return self.run_command(*self.argv, *arguments, env=self.environment, **options)

    def make(self, command, *arguments, **options):
        """Run a command that makes a container."""
        own = ("--network", "none", "--cgroup-parent", f"/{self.parent.name}")
        return self(command, *own, *arguments, **options)

    def run(self, *arguments, **options):
        return self.make("run", "--rm", *arguments, **options)


@pytest.fixture(scope="module")
def podman(runtime, run, image, cgroup_parent):
    for program in ("podman", "conmon"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    # A short path: it becomes that of a socket.
    folder = Path(tempfile.mkdtemp(prefix="pyoci-podman-"))
    engine = Podman(folder, runtime, run, cgroup_parent)
    try:
        engine("import", image, "bb:latest")
        yield engine
        assert engine("ps", "-aq") == ""
        assert cgroup_parent.containers("libpod-") == []
    finally:
        subprocess.run(
            [str(a) for a in engine.argv] + ["rm", "-fa", "-t", "0"],
            env=engine.environment,
            timeout=60,
            capture_output=True,
        )
        shutil.rmtree(folder, ignore_errors=True)


def test_run_prints_and_ends_as_the_container(podman):
    """Output and exit status are the container's."""
    assert podman.run("bb", "echo", "hi") == "hi"
    assert podman.run("bb", "sh", "-c", "exit 3", status=3) == ""


@pytest.mark.parametrize(
    ("command", "status"),
    [
        pytest.param("nosuch", 127, id="not in PATH"),
        pytest.param("/no/such", 127, id="no such file"),
        pytest.param("/plain", 126, id="not executable"),
        pytest.param("/etc", 126, id="a directory"),
    ],
)
def test_what_cannot_be_executed_has_a_status_of_its_own(podman, command, status):
    """Podman makes it from the words of create's error."""
    podman.run("bb", command, status=status)


def test_run_detached_stop_and_rm(podman, runtime):
    """As a service would be run."""
    id = podman.make("run", "-d", "bb", "sleep", "1000")
    found = json.loads(podman("inspect", id))[0]
    assert found["State"]["Running"]
    assert found["OCIRuntime"] == str(runtime)
    podman("stop", "-t", "0", id)
    assert json.loads(podman("inspect", id))[0]["State"]["ExitCode"] == 137
    podman("rm", id)
    assert not Path("/run/pyoci", id).exists()


def test_logs_and_wait(podman):
    """conmon gets what the container writes, and its exit status."""
    id = podman.make("run", "-d", "bb", "sh", "-c", "echo one; exit 4")
    assert podman("wait", id) == "4"
    assert podman("logs", id) == "one"
    podman("rm", id)


def test_kill(podman):
    """By a signal that ends it."""
    id = podman.make("run", "-d", "bb", "sleep", "1000")
    podman("kill", id)
    assert podman("wait", id) == "137"
    podman("rm", id)


def test_pause_top_and_update(podman, memory_limit):
    """While it runs: stopped where it is, looked at, limited; a paused one can be killed."""
    id = podman.make("run", "-d", "bb", "sleep", "1000")
    podman("pause", id)
    assert json.loads(podman("inspect", id))[0]["State"]["Status"] == "paused"
    podman("unpause", id)
    assert podman("top", id, "pid", "args").splitlines()[1].split() == ["1", "sleep", "1000"]
    podman("update", "--memory", "64m", id)
    pid = json.loads(podman("inspect", id))[0]["State"]["Pid"]
    assert memory_limit(pid) == 64 << 20
    podman("pause", id)
    podman("kill", id)
    assert podman("wait", id) == "137"
    podman("rm", id)


def test_exec_and_its_statuses(podman):
    """The program's own status, and Podman's where there is no program."""
    id = podman.make("run", "-d", "bb", "sleep", "1000")
    assert podman("exec", "-e", "A=b", "-u", "1000", id, "sh", "-c", "echo $A; id -u") == "b\n1000"
    for command, status in (("false", 1), ("nosuch", 127), ("/no/such", 127), ("/plain", 126)):
        podman("exec", id, command, status=status)
    podman("exec", id, "/etc", status=126)
    podman("rm", "-f", "-t", "0", id)


def test_create_and_start(podman):
    """In two steps, and started a second time."""
    id = podman.make("create", "bb", "echo", "again")
    assert podman("start", "-a", id) == "again"
    assert podman("start", "-a", id) == "again"
    podman("rm", id)


def test_a_terminal(podman):
    """-t gives a terminal whose output comes back."""
    assert podman.run("-t", "bb", "tty") == "/dev/pts/0"


@pytest.mark.parametrize(
    ("options", "script", "expected"),
    [
        pytest.param(("--user", "1000"), "id -u", "1000", id="user"),
        pytest.param(("--hostname", "there"), "hostname", "there", id="hostname"),
        pytest.param(("--read-only",), "touch /x 2>&1 | wc -l", "1", id="read-only"),
        pytest.param(
            ("--tmpfs", "/mem"), "touch /mem/x && stat -f -c %T /mem", "tmpfs", id="tmpfs"
        ),
        pytest.param(("--env", "A=b"), "echo $A", "b", id="env"),
        pytest.param(
            ("--memory", "64m"),
            "cd /sys/fs/cgroup; cat memory/memory.limit_in_bytes memory.max 2>/dev/null; true",
            str(64 << 20),
            id="memory",
        ),
        pytest.param(("--pids-limit", "50"), "echo ok", "ok", id="pids"),
        pytest.param(
            ("--cap-drop", "all"),
            "grep CapEff /proc/self/status | tr -d '\t'",
            "CapEff:0000000000000000",
            id="capabilities",
        ),
        pytest.param(
            ("--uidmap", "0:100000:2000"),
            "cut -c 1-21 /proc/self/uid_map",
            "0     100000",
            id="user namespace",
        ),
        pytest.param(("--pid", "host"), "test $$ != 1 && echo host", "host", id="host's pids"),
        pytest.param(("--ipc", "host", "--uts", "host"), "echo ok", "ok", id="host's ipc"),
        pytest.param(("--privileged",), "ls -d /dev/null", "/dev/null", id="privileged"),
        pytest.param(("--init",), "echo ok", "ok", id="init"),
        pytest.param(
            ("--sysctl", "net.ipv4.ip_default_ttl=7"),
            "cat /proc/sys/net/ipv4/ip_default_ttl",
            "7",
            id="sysctl",
        ),
    ],
)
def test_options_of_run(podman, options, script, expected):
    """What the user asks of Podman, the container sees."""
    if "--init" in options and not Path("/usr/libexec/podman/catatonit").exists():
        pytest.skip("needs catatonit")
    assert podman.run(*options, "bb", "sh", "-c", script) == expected


def test_a_pod(podman):
    """Members join the namespaces of the first container by path."""
    try:
        podman(
            "pod",
            "create",
            "--name",
            "p",
            "--network",
            "none",
            "--cgroup-parent",
            f"/{podman.parent.name}",
            "--infra-image",
            "bb",
            "--infra-command",
            "/bin/sleep 1000",
        )
    except AssertionError as e:
        pytest.skip(f"needs a podman that makes pods of a local image: {e}")
    try:
        script = "readlink /proc/self/ns/net >/dev/null; hostname"
        assert podman("run", "--rm", "--pod", "p", "bb", "sh", "-c", script)
    finally:
        podman("pod", "rm", "-f", "-t", "0", "p")
