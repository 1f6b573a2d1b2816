"""From create to delete: what each command does, prints, and leaves."""

import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import termios
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")
SILENT = (0, "", "")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z")


def told(result):
    return result.status, result.stdout, result.stderr


def descriptors(pid):
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def without(config, *kinds):
    """Let a container share these namespaces with the host."""
    linux = config["linux"]
    linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] not in kinds]
    return config


# -- the whole way


def test_a_container_is_created_started_and_deleted(workshop):
    """`create` leaves a process that waits, `start` lets it run, `delete` removes the rest."""
    container = workshop.create("echo hello; exit 3")
    assert container.status == "created"
    assert container.stdout == ""
    assert told(container.start()) == SILENT
    assert container.wait() == 3
    assert container.stdout == "hello\n"
    assert container.status == "stopped"
    assert told(container.delete()) == SILENT


def test_the_state_document_has_the_keys_that_engines_read(workshop, delete_after):
    """`state` prints runc's keys in runc's order, with an absolute bundle and rootfs."""
    config = workshop.config(*FOREVER)
    config["annotations"] = {"org.example.key": "value"}
    container = workshop.create(config)
    delete_after(container)
    state = container.state()
    assert UTC.fullmatch(state.pop("created"))
    assert state.pop("pid") > 1
    assert state == {
        "ociVersion": "1.3.0",
        "id": container.id,
        "status": "created",
        "bundle": str(container.bundle.path),
        "rootfs": str(container.bundle.rootfs),
        "annotations": {"org.example.key": "value"},
        "owner": "root",
    }


def test_the_state_follows_the_life_of_the_container(workshop):
    """created, running, stopped (with pid 0), then no such container."""
    container = workshop.create(FOREVER)
    seen = [container.status]
    container.start()
    seen.append(container.status)
    container.pyoci("kill", "KILL")
    container.wait()
    seen.append(container.status)
    assert container.pid == 0
    container.delete()
    assert seen == ["created", "running", "stopped"]
    assert told(container.pyoci("state")) == (1, "", "container does not exist\n")


def test_a_process_that_ended_and_is_not_reaped_counts_as_stopped(workshop):
    """An engine that has not yet waited for init sees stopped, not running."""
    container = workshop.create("exit 0")
    container.start()
    workshop.until(lambda: container.status == "stopped", "stopped")
    stat = (container.bundle.path / f"{container.id}.pid").read_text()
    assert ") Z " in Path(f"/proc/{stat}/stat").read_text()
    assert container.delete().status == 0


@pytest.mark.parametrize(
    ("script", "status"),
    [
        pytest.param("exit 0", 0, id="0"),
        pytest.param("exit 3", 3, id="3"),
        pytest.param("exit 300", 44, id="300 is 44"),
        pytest.param(
            "exec 2>/dev/null; sh -c 'kill -9 $$'; exit $?",
            137,
            id="a child's signal, by the shell",
        ),
    ],
)
def test_run_ends_as_the_container_did(workshop, script, status):
    """The exit status of `run` is the container's."""
    assert told(workshop.run(script)) == (status, "", "")


def test_run_of_a_killed_container_ends_with_128_and_the_signal(workshop):
    """Killed by SIGKILL, `run` exits with 137."""
    bundle = workshop.bundle(FOREVER)
    id = workshop.id()
    runtime = workshop.spawn("run", "-b", bundle.path, id)
    workshop.until(lambda: '"running"' in workshop.pyoci("state", id).stdout, "running")
    assert told(workshop.pyoci("kill", id, "9")) == SILENT
    assert runtime.wait(timeout=10) == 137


@pytest.mark.parametrize("name", ["TERM", "INT", "HUP", "USR1", "USR2", "QUIT"])
def test_foreground_run_passes_signals_on(workshop, name):
    """What the runtime of a foreground container receives, its init receives."""
    script = f"trap 'exit 7' {name}; echo ready; while :; do sleep 0.02; done"
    bundle = workshop.bundle(script)
    with workshop.spawn("run", "-b", bundle.path, workshop.id(), stdout=subprocess.PIPE) as runtime:
        assert runtime.stdout.readline() == b"ready\n"
        runtime.send_signal(getattr(signal, "SIG" + name))
        assert runtime.wait(timeout=10) == 7


def test_run_passes_stdin_and_output_through(workshop):
    """A foreground container has the runtime's own stdin, stdout and stderr."""
    bundle = workshop.bundle("cat; echo away >&2")
    source = workshop.folder / "input"
    source.write_text("in and out\n")
    with open(source) as stdin:
        result = workshop.run(bundle, stdin=stdin)
    assert told(result) == (0, "in and out\n", "away\n")


def test_run_detached_returns_while_the_container_runs(workshop, delete_after):
    """`run -d` exits after the start, silently, and the container belongs to the caller."""
    bundle = workshop.bundle(FOREVER)
    id = workshop.id()
    pid_file = bundle.path / "pid"
    result = workshop.pyoci("run", "-d", "-b", bundle.path, "--pid-file", pid_file, id)
    assert told(result) == SILENT
    assert json.loads(workshop.pyoci("state", id).stdout)["status"] == "running"
    status = Path(f"/proc/{pid_file.read_text()}/status").read_text()
    assert f"PPid:\t{os.getpid()}\n" in status
    assert told(workshop.pyoci("delete", "--force", id)) == SILENT


def test_run_with_keep_leaves_a_stopped_container(workshop):
    """`run --keep` exits as the container did and does not delete it."""
    bundle, id = workshop.bundle("exit 5"), workshop.id()
    assert workshop.pyoci("run", "--keep", "-b", bundle.path, id).status == 5
    assert json.loads(workshop.pyoci("state", id).stdout)["status"] == "stopped"
    assert told(workshop.pyoci("delete", id)) == SILENT


def test_the_bundle_is_the_working_directory_by_default(workshop):
    """Without --bundle the current directory is the bundle."""
    bundle = workshop.bundle("echo here")
    result = workshop.pyoci("run", workshop.id(), cwd=bundle.path)
    assert told(result) == (0, "here\n", "")


def test_the_document_may_have_another_name(workshop):
    """`--config` names a file of the bundle other than config.json."""
    bundle = workshop.bundle("echo other")
    (bundle.path / "config.json").rename(bundle.path / "other.json")
    assert workshop.inside(bundle, "--config", "other.json") == "other\n"


def test_a_container_needs_nothing_of_the_environment(workshop):
    """The commands work with an empty environment, as Podman calls them."""
    workshop.host = {"XDG_RUNTIME_DIR": ""}
    container = workshop.create("echo fine")
    assert told(container.start()) == SILENT
    assert container.wait() == 0
    assert container.stdout == "fine\n"
    assert told(container.delete()) == SILENT


def test_closed_stdio_does_no_harm(workshop):
    """A caller without 0, 1 and 2 gets a container whose stdio is not some other file."""
    bundle, id = workshop.bundle(FOREVER), workshop.id()
    script = 'exec "$@" 0<&- 1>&- 2>&-'
    argv = workshop.argv("create", "-b", bundle.path, id)
    result, _ = workshop.command(["sh", "-c", script, "sh", *argv])
    assert result.status == 0
    pid = json.loads(workshop.pyoci("state", id).stdout)["pid"]
    assert [os.readlink(f"/proc/{pid}/fd/{n}") for n in range(3)] == ["/dev/null"] * 3
    assert workshop.pyoci("delete", "-f", id).status == 0


# -- whose process it is


def test_init_belongs_to_the_callers_subreaper(workshop, delete_after):
    """Once `create` has ended, init is a child of the next subreaper: here, of this test."""
    container = workshop.create(FOREVER)
    delete_after(container)
    status = Path(f"/proc/{container.pid}/status").read_text()
    assert f"PPid:\t{os.getpid()}\n" in status


def test_the_pid_file_holds_the_pid_and_nothing_else(workshop, delete_after):
    """Decimal, no newline, and the pid that `state` reports."""
    container = workshop.create(FOREVER)
    delete_after(container)
    text = (container.bundle.path / f"{container.id}.pid").read_text()
    assert text == str(container.pid)


def test_no_pid_file_after_a_failure(workshop):
    """Its absence is how conmon knows that create has failed."""
    container = workshop.try_create(("nosuch",))
    assert container.created.status == 1
    assert os.listdir(container.bundle.path) == ["config.json", "rootfs"] or set(
        os.listdir(container.bundle.path)
    ) == {"config.json", "rootfs"}


@pytest.mark.parametrize("manager", ["cgroupfs", "disabled"])
def test_a_create_that_fails_at_its_end_leaves_no_process(workshop, manager):
    """The process that already waits for its start ends, in a cgroup or in none."""
    result = workshop.pyoci(
        "create",
        "-b",
        workshop.bundle(["sleep", "60"]).path,
        "--pid-file",
        "/nonexistent/pid",
        workshop.id(),
        globals=("--cgroup-manager", manager),
    )

    assert (result.status, "write pid file" in result.stderr) == (1, True)
    assert workshop.remains() == {}


def test_a_created_container_keeps_nothing_of_its_caller_open(workshop, delete_after):
    """Only stdio, the start barrier, and the pipe that nobody reads any more."""
    bundle = workshop.bundle(FOREVER)
    reader, writer = os.pipe()
    container = workshop.create(bundle, pass_fds=(reader, writer))
    delete_after(container)
    os.close(writer)
    os.set_blocking(reader, False)
    assert os.read(reader, 1) == b"", "nobody else holds the pipe"
    os.close(reader)
    links = [os.readlink(f"/proc/{container.pid}/fd/{n}") for n in descriptors(container.pid)]
    kinds = sorted([Path(link).name.partition(":")[0] for link in links])
    assert len(kinds) == 5 and {"null", "pipe", "start.fifo"} < set(kinds)


# -- options of create


def test_without_pivot_the_root_is_moved(workshop):
    """--no-pivot works where the root is a ramfs; the container sees the same."""
    bundle = workshop.bundle("ls /; grep -c . /proc/mounts >/dev/null; cat /etc/group")
    assert "root:x:0:" in workshop.inside(bundle, "--no-pivot")


def terminal_config(workshop, *args, **process):
    config = workshop.config(*args)
    config["process"].update(terminal=True, **process)
    return config


def test_a_terminal_reaches_the_console_socket(workshop, console):
    """One message with one descriptor, whose other side is the container's stdio."""
    script = (
        "tty; stty size; test -t 0 && test -t 1 && test -t 2 && echo all; stat -c %u /dev/pts/0"
    )
    config = terminal_config(workshop, "sh", "-c", script, consoleSize={"height": 33, "width": 121})
    container = workshop.create(config, "--console-socket", console.path)
    master = console.master()
    size = fcntl.ioctl(master, termios.TIOCGWINSZ, bytes(8))
    assert struct.unpack("HHHH", size)[:2] == (33, 121)
    container.start()
    said = console.read_to_end()
    assert said.split() == ["/dev/pts/0", "33", "121", "all", "0"]
    assert container.wait() == 0
    assert container.delete().status == 0


@pytest.mark.parametrize("joined", [False, True], ids=["own-pid", "joined-pid"])
def test_the_terminal_is_the_controlling_one_and_the_users(workshop, console, delete_after, joined):
    """A key of the terminal makes a signal, and it belongs to the container's user."""
    config = terminal_config(
        workshop,
        "sh",
        "-c",
        "trap 'exit 9' INT; stat -c %u /dev/pts/0; while :; do sleep 0.02; done",
    )
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    if joined:
        first = workshop.create(FOREVER)
        delete_after(first)
        for namespace in config["linux"]["namespaces"]:
            if namespace["type"] == "pid":
                namespace["path"] = f"/proc/{first.pid}/ns/pid"
    container = workshop.create(config, "--console-socket", console.path)
    master = console.master()
    container.start()
    assert os.read(master, 100) == b"1000\r\n"
    os.write(master, b"\x03")
    assert container.wait() == 9
    assert container.delete().status == 0


# -- start


def test_a_second_start_is_refused(workshop, delete_after):
    """A running container is not started again."""
    container = workshop.create(FOREVER)
    delete_after(container)
    assert told(container.start()) == SILENT
    refused = "cannot start an already running container\n"
    assert told(container.start()) == (1, "", refused)


def test_of_concurrent_starts_exactly_one_wins(workshop):
    """The others are refused in one of two ways: they came too early or too late."""
    container = workshop.create(FOREVER)
    starts = [workshop.spawn("start", container.id, stderr=subprocess.PIPE) for _ in range(4)]
    ends = [(p.communicate(timeout=10)[1], p.returncode) for p in starts]
    assert sorted(status for _, status in ends) == [0, 1, 1, 1]
    assert {text for text, status in ends if status} == {
        b"cannot start an already running container\n"
    }
    assert told(container.delete("-f")) == SILENT


def test_start_after_the_waiting_process_was_killed(workshop):
    """`start` says that it has stopped; reaped or not makes no difference."""
    container = workshop.create(FOREVER)
    os.kill(container.pid, signal.SIGKILL)
    workshop.until(lambda: container.status == "stopped", "stopped")
    refused = "cannot start a container that has stopped\n"
    assert told(container.start()) == (1, "", refused)
    assert container.wait() == -9
    assert told(container.start()) == (1, "", refused)
    assert container.delete().status == 0


def test_a_command_that_the_kernel_cannot_execute_ends_the_container(workshop):
    """`start` succeeds, the text is on the container's stderr, and its exit status is 1."""
    bundle = workshop.bundle(("/bin/nonsense",))
    (bundle.rootfs / "bin" / "nonsense").write_bytes(b"\x00\x01\x02nothing that runs")
    (bundle.rootfs / "bin" / "nonsense").chmod(0o755)
    container = workshop.create(bundle)
    assert told(container.start()) == SILENT
    assert container.wait() == 1
    assert container.stderr == "exec /bin/nonsense: exec format error\n"
    assert container.delete().status == 0


# -- delete


def test_a_created_container_is_deleted_without_force(workshop):
    """Engines rely on it, though the specification says only stopped ones."""
    container = workshop.create(FOREVER)
    assert told(container.delete()) == SILENT


def test_a_running_container_is_only_deleted_by_force(workshop):
    """Without --force it is refused and goes on."""
    container = workshop.create(FOREVER)
    container.start()
    refused = f"cannot delete container {container.id} that is not stopped: running\n"
    assert told(container.delete()) == (1, "", refused)
    assert container.status == "running"
    assert told(container.delete("--force")) == SILENT
    assert container.pyoci("state").status == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param((), (1, "", "container does not exist\n"), id="plain"),
        pytest.param(("--force",), SILENT, id="--force"),
        pytest.param(("-f",), SILENT, id="-f"),
    ],
)
def test_deleting_an_unknown_container(workshop, options, expected):
    """An error, but with --force silent success: containerd and Podman delete twice."""
    assert told(workshop.pyoci("delete", *options, workshop.id())) == expected


def test_options_may_follow_the_id(workshop):
    """`delete ID --force`, as containerd's shim writes it."""
    container = workshop.create(FOREVER)
    assert told(workshop.pyoci("delete", container.id, "--force")) == SILENT


def test_delete_ends_what_runs_on_without_init(workshop):
    """With a shared pid namespace processes outlive init; delete ends them."""
    config = workshop.config("sh", "-c", "sleep 1000 & exit 0")
    container = workshop.create(without(config, "pid"))
    container.start()
    assert container.wait() == 0
    assert container.status == "stopped"
    assert told(container.delete()) == SILENT


def test_an_id_is_free_again_after_delete(workshop):
    """The same id can be created as soon as delete has returned."""
    bundle, id = workshop.bundle("exit 0"), workshop.id()
    for _ in range(3):
        container = workshop.create(bundle, id=id)
        assert told(container.delete()) == SILENT


def test_the_bundle_may_go_before_the_container(workshop):
    """state, kill and delete do not read the bundle."""
    container = workshop.create(FOREVER)
    container.start()
    (container.bundle.path / "config.json").unlink()
    assert container.status == "running"
    assert told(container.delete("-f")) == SILENT


def test_a_damaged_state_is_deleted_by_force(workshop):
    """Each command names the fault; `delete --force` removes what it can find."""
    container = workshop.create("exit 0")
    container.start()
    container.wait()
    assert told(container.delete()) == SILENT
    folder = workshop.root / container.id
    folder.mkdir()
    (folder / "state.json").write_text('{"id": 3')
    result = container.pyoci("state")
    assert (result.status, result.stdout) == (1, "")
    assert "state.json" in result.stderr
    listed = workshop.pyoci("list", "-f", "json")
    assert (listed.status, listed.stdout) == (0, "[]\n")
    assert listed.stderr.startswith(f"load container {container.id}: ")
    assert told(container.delete("--force")) == SILENT
