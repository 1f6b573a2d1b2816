"""A runtime that is killed, and runtimes that run at once.

SIGKILL may come between any two system calls of `create`.  Afterwards `delete --force` must find
and remove whatever was made, and the id must be free again.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import time

import pytest

from .conftest import reap_zombies

pytestmark = [pytest.mark.e2e, pytest.mark.root]

SILENT = (0, "", "")
DELAYS = 25  # kills at random moments
LONGEST = 0.05  # seconds; create takes less
# What main makes, says and commits, one call after the other.
CALLS = ("mkdir", "mknodat", "clone3", "write", "renameat", "pipe2", "flock", "wait4")


@pytest.fixture
def bundle(workshop):
    config = workshop.config("sh", "-c", "exit 3")
    config["linux"]["resources"].update(
        memory={"limit": 32 << 20}, pids={"limit": 100}, cpu={"quota": 50000, "period": 100000}
    )
    return workshop.bundle(config)


def told(result):
    return result.status, result.stdout, result.stderr


def check_removable(workshop, bundle, id):
    """Delete by force, see that all has gone, and run a container of the same id."""
    assert told(workshop.pyoci("delete", "--force", id)) == SILENT
    assert workshop.remains() == {}
    assert told(workshop.pyoci("run", "-b", bundle.path, id)) == (3, "", "")


def test_create_may_be_killed_at_any_moment(workshop, bundle):
    """After a kill at a random moment, `delete --force` leaves nothing."""
    moments = random.Random(7)
    for _ in range(DELAYS):
        id = workshop.id()
        runtime = workshop.spawn("create", "-b", bundle.path, id)
        time.sleep(moments.uniform(0, LONGEST))
        runtime.kill()
        runtime.wait()
        check_removable(workshop, bundle, id)


@pytest.mark.parametrize("command", ["create", "run"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_stop_undoes_what_is_half_made(workshop, bundle, command, number):
    """While a hook runs: it ends, nothing is left, and the exit status says which signal it was."""
    marker = workshop.folder / "hook"
    script = f"echo $$ >{marker}; exec sleep 30"
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    bundle.write()
    runtime = workshop.spawn(command, "-b", bundle.path, workshop.id(), stderr=subprocess.PIPE)
    workshop.until(lambda: marker.exists() and marker.read_text(), "the hook")
    runtime.send_signal(number)

    said = runtime.communicate(timeout=10)[1].decode()

    assert runtime.returncode == 128 + number
    assert said.startswith(f"{command} failed: ") and said.count("\n") == 1
    assert not os.path.exists(f"/proc/{marker.read_text().strip()}")
    assert workshop.remains() == {}


def test_a_request_to_stop_at_any_moment(workshop, bundle):
    """Nothing is left, and nothing but one line is said."""
    moments = random.Random(8)
    for i in range(DELAYS):
        number = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)[i % 3]
        id = workshop.id()
        # A file: a container that is there in time keeps it.
        with open(workshop.folder / "said", "w+") as said:
            runtime = workshop.spawn("create", "-b", bundle.path, id, stderr=said)
            time.sleep(moments.uniform(0, LONGEST))
            runtime.send_signal(number)
            runtime.wait(timeout=10)
            said.seek(0)
            lines = said.readlines()
        # Before our first line the interpreter has its own words for SIGINT.
        assert len(lines) <= 1 or number == signal.SIGINT
        if runtime.returncode == 0:  # too late
            check_removable(workshop, bundle, id)
        assert workshop.remains() == {}


def requests_at_any_call(workshop, strace, arguments, again):
    """Ask a command to stop, before each of its last calls of every kind, and yield how it ends.

    `again` is called after each end, with its call.
    """
    counts = count_calls(workshop, strace, (*CALLS, "close"), *arguments)
    again("none")
    for call, count in counts.items():
        # What comes before belongs to the start.
        for n in range(max(1, count - 25), count + 1):
            inject = f"inject={call}:signal=TERM:when={n}"
            result = traced(workshop, strace, *arguments, options=("-o", "/dev/null", "-e", inject))
            yield result.status, (call, n, result.stderr)
            again((call, n))


@pytest.mark.slow
def test_create_is_asked_to_stop_at_any_call(workshop, bundle, strace):
    """Either the container is there and create says so, or it says no and nothing is left."""
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "exit 0"]}
    bundle.config["hooks"] = {"createRuntime": [hook]}
    bundle.write()
    id = workshop.id()
    create = ("create", "--pid-file", workshop.folder / "pid", "-b", bundle.path, id)

    def check(call):
        assert workshop.remains() == {}, call

    def tidy(call):
        if workshop.states():
            assert told(workshop.pyoci("delete", id)) == SILENT
        check(call)

    seen = set()
    for status, what in requests_at_any_call(workshop, strace, create, tidy):
        assert status in (0, 128 + signal.SIGTERM), what
        assert (status == 0) == (workshop.states() != []), what
        seen.add(status)
    assert seen == {0, 128 + signal.SIGTERM}


@pytest.mark.slow
def test_run_is_asked_to_stop_at_any_call(workshop, bundle, strace):
    """Before the program runs it is undone, then the program gets it; nothing is left."""

    def check(call):
        assert workshop.remains() == {}, call

    run = ("run", "-b", bundle.path, workshop.id())
    seen = {status for status, _ in requests_at_any_call(workshop, strace, run, check)}
    assert seen == {3, 128 + signal.SIGTERM}


@pytest.mark.slow
def test_exec_is_asked_to_stop_at_any_call(workshop, strace):
    """Either the process runs and exec says so, or it says no and there is none."""
    container = workshop.create(["sleep", "1000"])
    assert container.start().status == 0
    pid_file = workshop.folder / "pid"
    exec = ("exec", "-d", "--pid-file", pid_file, container.id, "sleep", "999")

    def pids():
        return json.loads(workshop.pyoci("ps", "-f", "json", container.id).stdout)

    def tidy(call):
        if len(pids()) == 2:
            os.kill(int(pid_file.read_text()), signal.SIGKILL)
        workshop.until(lambda: len(pids()) == 1, "the end of the process")
        reap_zombies()  # init cannot end before
        assert pids() == [container.pid], call

    seen = set()
    for status, what in requests_at_any_call(workshop, strace, exec, tidy):
        assert status in (0, 128 + signal.SIGTERM), what
        if status:  # who had just been forked may still be on its way out
            workshop.until(lambda: len(pids()) == 1, f"no process after {what}")
        else:
            assert len(pids()) == 2, what
        seen.add(status)
    assert seen == {0, 128 + signal.SIGTERM}
    assert told(container.delete("--force")) == SILENT


def test_a_request_to_stop_while_it_is_deleted(workshop, bundle):
    """The end of a foreground container is waited for: it is deleted, and its status is ours."""
    marker = workshop.folder / "hook"
    script = f"echo $$ >{marker}; sleep 0.3"
    bundle.config["hooks"] = {"poststop": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    bundle.write()
    runtime = workshop.spawn("run", "-b", bundle.path, workshop.id())
    workshop.until(lambda: marker.exists() and marker.read_text(), "the hook")
    runtime.send_signal(signal.SIGTERM)

    assert runtime.wait(timeout=10) == 3
    assert workshop.remains() == {}


def test_a_caller_that_ignores_the_ends_of_children(workshop, bundle):
    """Without SIGCHLD nobody can be waited for, so it is at its default whatever the caller has."""
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/true"}]}
    bundle.write()

    def ignore():
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)

    runtime = workshop.spawn("run", "-b", bundle.path, workshop.id(), preexec_fn=ignore)

    assert runtime.wait(timeout=10) == 3


@pytest.fixture
def strace():
    found = shutil.which("strace")
    if found is None:
        pytest.skip("needs strace")
    return found


def traced(workshop, strace, *arguments, options):
    argv = workshop.argv(*arguments)
    result, _ = workshop.command([strace, "-qq", *options, *argv])
    if "ptrace" in result.stderr.lower():
        pytest.skip("needs ptrace")
    return result


def count_calls(workshop, strace, calls, *arguments):
    """Return how often a command makes each of these calls."""
    log = workshop.folder / "strace"
    traced(workshop, strace, *arguments, options=("-o", log, "-e", f"trace={','.join(calls)}"))
    names = re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE)
    return {call: names.count(call) for call in calls}


def kill_at(workshop, strace, call, n, *arguments):
    """Run a command that is killed as it makes a call for the nth time."""
    inject = f"inject={call}:signal=KILL:when={n}"
    return traced(workshop, strace, *arguments, options=("-o", "/dev/null", "-e", inject))


@pytest.mark.slow
def test_create_may_be_killed_at_any_call(workshop, bundle, strace):
    """Killed before each call that makes, says or commits something."""
    id = workshop.id()
    counts = count_calls(workshop, strace, CALLS, "create", "-b", bundle.path, id)
    assert workshop.pyoci("delete", "-f", id).status == 0
    assert counts["clone3"] == 1 and counts["mkdir"] > 1 and counts["renameat"] > 1
    failed = {}
    for call, count in counts.items():
        for n in range(1, count + 1):
            id = workshop.id()
            kill_at(workshop, strace, call, n, "create", "-b", bundle.path, id)
            try:
                check_removable(workshop, bundle, id)
            except AssertionError as e:
                failed[call, n] = str(e)
                workshop.clear()
    assert failed == {}


@pytest.mark.slow
def test_delete_may_be_killed_and_repeated(workshop, bundle, strace):
    """Killed before any call that kills or removes, a second `delete --force` does the rest."""
    calls = ("rmdir", "unlink", "unlinkat", "pidfd_send_signal", "kill", "poll")
    first = workshop.create(bundle)
    counts = count_calls(workshop, strace, calls, "delete", "--force", first.id)
    assert counts["rmdir"] > 1
    failed = {}
    for call, count in counts.items():
        for n in range(1, count + 1):
            container = workshop.create(bundle)
            kill_at(workshop, strace, call, n, "delete", "--force", container.id)
            result = told(container.delete("--force"))
            if result != SILENT or (left := workshop.remains()):
                failed[call, n] = result, left
                workshop.clear()
    assert failed == {}


@pytest.mark.slow
def test_start_may_be_killed_and_repeated(workshop, bundle, strace):
    """The container then still waits, or it runs: never anything between."""
    calls = ("openat", "flock", "write", "poll", "close")
    first = workshop.create(bundle)
    counts = count_calls(workshop, strace, calls, "start", first.id)
    assert first.wait() == 3 and first.delete().status == 0
    assert counts["write"] == 1
    for call, count in counts.items():
        # What comes before belongs to the interpreter's own start.
        for n in range(max(1, count - 5), count + 1):
            container = workshop.create(bundle)
            kill_at(workshop, strace, call, n, "start", container.id)
            # It may have been told to run, and be about to.
            started = "an already running container", "a container that has stopped"
            refused = [(1, "", f"cannot start {why}\n") for why in started]
            assert told(container.start()) in (SILENT, *refused)
            assert container.wait() == 3
            assert told(container.delete()) == SILENT


@pytest.mark.parametrize(
    "call", ["unshare", "setsid", "open_tree", "move_mount", "fsopen", "pivot_root"]
)
def test_init_may_be_killed(workshop, bundle, strace, call):
    """create notices, says so in one line, and leaves nothing."""
    if call == "unshare":
        bundle.config["linux"]["namespaces"].append({"type": "cgroup"})
        bundle.write()
    options = ("-f", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when=1")
    create = ("create", "-b", bundle.path, workshop.id())
    result = traced(workshop, strace, *create, options=options)
    text = "create failed: container init ended unexpectedly\n"
    assert told(result) == (1, "", text)
    assert workshop.remains() == {}


def test_an_interrupted_create_undoes_what_it_did(workshop):
    """Ctrl-C while a hook runs: create ends, without a trace of Python, and nothing is left."""
    begun = workshop.folder / "begun"
    config = workshop.config("true")
    args = ["hook", "-c", f"echo $$ >{begun}; exec sleep 1000"]
    config["hooks"] = {"prestart": [{"path": "/bin/sh", "args": args}]}
    bundle = workshop.bundle(config)
    errors = workshop.folder / "errors"
    with open(errors, "wb") as err:
        runtime = workshop.spawn("create", "-b", bundle.path, workshop.id(), stderr=err)
    workshop.until(lambda: begun.exists() and begun.read_text(), "the hook")
    runtime.send_signal(signal.SIGINT)
    assert runtime.wait(timeout=10) != 0
    assert "Traceback" not in errors.read_text()
    assert workshop.remains() == {}


def test_a_claimed_directory_alone_is_removed(workshop):
    """What a create leaves that was killed right after it claimed its id."""
    (workshop.root / "claimed").mkdir(parents=True)
    assert told(workshop.pyoci("state", "claimed")) == (1, "", "container does not exist\n")
    assert told(workshop.pyoci("list", "-f", "json")) == (0, "[]\n", "")
    assert told(workshop.pyoci("delete", "--force", "claimed")) == SILENT
    assert workshop.states() == []


def test_one_create_of_an_id_wins(workshop):
    """The others are told that it exists."""
    for _ in range(5):
        bundle, id = workshop.bundle(("sleep", "1000")), workshop.id()
        files = [workshop.folder / f"{id}-{n}" for n in range(3)]
        runtimes = []
        for path in files:
            with open(path, "wb") as out:
                runtimes.append(workshop.spawn("create", "-b", bundle.path, id, stderr=out))
        assert sorted([r.wait(timeout=20) for r in runtimes]) == [0, 1, 1]
        said = [path.read_text() for path in files]
        text = "create failed: container with given ID already exists\n"
        assert sorted(said) == ["", text, text]
        assert json.loads(workshop.pyoci("state", id).stdout)["status"] == "created"
        assert told(workshop.pyoci("delete", id)) == SILENT


def test_twenty_creates_at_once(workshop):
    """Different ids do not disturb each other."""
    bundle = workshop.bundle("exit 3")
    ids = [workshop.id() for _ in range(20)]
    runtimes = [workshop.spawn("create", "-b", bundle.path, id) for id in ids]
    assert [r.wait(timeout=30) for r in runtimes] == [0] * 20
    listed = json.loads(workshop.pyoci("list", "-f", "json").stdout)
    assert {(c["id"], c["status"]) for c in listed} == {(id, "created") for id in ids}
    runtimes = [workshop.spawn("start", id) for id in ids]
    assert [r.wait(timeout=30) for r in runtimes] == [0] * 20
    for found in listed:
        assert workshop.reap(found["pid"]) == 3
    runtimes = [workshop.spawn("delete", id) for id in ids]
    assert [r.wait(timeout=30) for r in runtimes] == [0] * 20


def test_delete_during_create(workshop):
    """delete --force while another creates: in the end one of the two has had its way."""
    for delay in (0.005, 0.015, 0.02, 0.025, 0.03):
        bundle, id = workshop.bundle(("sleep", "1000")), workshop.id()
        creator = workshop.spawn("create", "-b", bundle.path, id, stderr=subprocess.DEVNULL)
        time.sleep(delay)
        assert workshop.pyoci("delete", "--force", id).status == 0
        creator.wait(timeout=20)
        assert told(workshop.pyoci("delete", "--force", id)) == SILENT
        assert workshop.remains() == {}


@pytest.mark.parametrize("kind", ["prestart", "createContainer"])
def test_a_create_that_hangs_in_a_hook_is_deleted_by_force(workshop, kind):
    """Nothing holds up delete --force for long; the id is free, and stays the new container's."""
    begun, hold = workshop.folder / "begun", workshop.folder / "hold"
    hold.touch()
    config = workshop.config("sleep", "1000")
    text = f"touch {begun}; while [ -e {hold} ]; do sleep 0.05; done"
    config["hooks"] = {kind: [{"path": "/bin/sh", "args": ["sh", "-c", text]}]}
    bundle, id = workshop.bundle(config), workshop.id()
    creator = workshop.spawn("create", "-b", bundle.path, id, stderr=subprocess.DEVNULL)
    workshop.until(begun.exists)

    assert workshop.pyoci("delete", "--force", id, timeout=10).status == 0

    assert workshop.states() == []
    again = workshop.create(["sleep", "1000"], id=id)
    hold.unlink()
    assert creator.wait(timeout=10) == 1
    assert again.status == "created"
    assert told(again.delete()) == SILENT
    assert workshop.remains() == {}


def test_a_killed_foreground_run_leaves_a_container(workshop):
    """It is still there, and can be deleted by force."""
    bundle, id = workshop.bundle(("sleep", "1000")), workshop.id()
    runtime = workshop.spawn("run", "-b", bundle.path, id)
    workshop.until(lambda: '"running"' in workshop.pyoci("state", id).stdout, "running")
    runtime.send_signal(signal.SIGKILL)
    runtime.wait()
    assert json.loads(workshop.pyoci("state", id).stdout)["status"] == "running"
    assert told(workshop.pyoci("delete", "--force", id)) == SILENT


def test_a_killed_create_spares_who_was_in_its_cgroup_before(workshop, strace):
    """A second create for the same cgroup, killed before it was refused, harms nobody."""
    config = workshop.config("sleep", "1000")
    config["linux"]["cgroupsPath"] = f"/{workshop.token}-shared"
    first = workshop.create(config)
    assert first.start().status == 0
    bundle = workshop.bundle(config)
    for n in range(1, 5):
        id = workshop.id()
        kill_at(workshop, strace, "mkdir", n, "create", "-b", bundle.path, id)
        assert told(workshop.pyoci("delete", "--force", id)) == SILENT
        assert first.status == "running"
    assert told(first.delete("--force")) == SILENT
