"""Hooks, as real processes."""

import json
import os
import signal
import time

import pytest

from libcontainer.errors import HookFailed
from libcontainer.hooks import STANDARD_PATH, run_hooks
from libcontainer.spec.hooks import Hook

STATE = '{"ociVersion":"1.3.0","id":"box"}'


def sh(text, **more):
    return Hook(path="/bin/sh", args=("sh", "-c", text), **more)


@pytest.fixture
def run(tmp_path):
    """Run hooks in a folder of their own; return the folder."""

    def call(*hooks, state=STATE, kind="prestart", **more):
        run_hooks(kind, hooks, state, cwd=str(tmp_path), **more)
        return tmp_path

    return call


def test_a_hook_reads_the_state(run, no_leak):
    """
    The state document comes on stdin, with an end.
    """
    assert (run(sh("cat > got")) / "got").read_text() == STATE


def test_hooks_run_in_order(run):
    """
    One after the other, each in the folder asked for.
    """
    folder = run(sh("echo 1 >> log"), sh("echo 2 >> log; pwd >> log"))

    assert (folder / "log").read_text() == f"1\n2\n{folder}\n"


def test_arguments_begin_with_the_name(run, tmp_path):
    """
    `args` is the whole argv; without it the path is.
    """
    script = tmp_path / "script"
    script.write_text('#!/bin/sh\necho "$# $*" >> log\n')
    script.chmod(0o755)

    run(Hook(path=str(script)), Hook(path=str(script), args=("name", "a", "b")))

    assert (tmp_path / "log").read_text() == "0 \n2 a b\n"
    run(Hook(path="/bin/sh", args=("other", "-c", "echo $0 > name")))
    assert (tmp_path / "name").read_text() == "other\n"


@pytest.mark.parametrize(
    ("own", "given", "expected"),
    [
        pytest.param(None, (), [STANDARD_PATH], id="none-is-the-standard-path"),
        pytest.param(None, ("HOME=/h", "A=b=c"), ["A=b=c", "HOME=/h", STANDARD_PATH], id="given"),
        pytest.param((), ("HOME=/h",), [], id="an-empty-list-is-exact"),
        pytest.param(("A=1",), ("HOME=/h",), ["A=1"], id="a-list-is-exact"),
        pytest.param(None, ("PATH=/x",), ["PATH=/x"], id="path-can-be-given"),
    ],
)
def test_environment(run, monkeypatch, own, given, expected):
    """
    Nothing of the runtime's own environment reaches a hook.
    """
    monkeypatch.setenv("LD_PRELOAD_SECRET", "x")

    folder = run(sh("exec /usr/bin/env -0 > env", env=own), env=given)

    found = sorted(filter(None, (folder / "env").read_text().split("\0")))
    assert [e for e in found if e[:4] not in ("PWD=", "_=/u") and e[:6] != "SHLVL="] == expected


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        pytest.param(sh("exit 3"), "exit status 3, output:", id="status"),
        pytest.param(
            sh("echo out; echo err >&2; exit 1"), "exit status 1, output: out\nerr", id="output"
        ),
        pytest.param(sh("kill -TERM $$"), "signal 15, output:", id="signal"),
        pytest.param(
            Hook(path="/nowhere/hook"), "fork/exec /nowhere/hook: no such file or directory",
            id="missing",
        ),
        pytest.param(
            Hook(path="/etc/passwd"), "fork/exec /etc/passwd: permission denied", id="no-program"
        ),
        pytest.param(Hook(path="/"), "fork/exec /: permission denied", id="directory"),
    ],
)  # fmt: skip
def test_a_failing_hook_is_told(run, no_leak, hook, reason):
    """
    Kind and number of the hook, how it ended, and what it said.
    """
    with pytest.raises(HookFailed) as e:
        run(sh("true"), hook, sh("touch never"), kind="createRuntime")

    assert str(e.value).rstrip() == f"error running createRuntime hook #1: {reason}"
    assert (e.value.kind, e.value.index) == ("createRuntime", 1)


def test_the_first_failure_ends_the_row(run, tmp_path):
    """
    Hooks after a failed one do not run.
    """
    with pytest.raises(HookFailed):
        run(sh("touch a; false"), sh("touch b"))

    assert sorted(os.listdir(tmp_path)) == ["a"]


def test_a_folder_that_is_not_there(no_leak):
    """
    A hook that cannot be put into its folder is refused like one that cannot be run.
    """
    with pytest.raises(HookFailed, match="fork/exec /bin/sh: no such file or directory"):
        run_hooks("prestart", (sh("true"),), STATE, cwd="/nowhere")


def test_a_hook_that_takes_too_long_is_killed(run, tmp_path, no_leak):
    """
    After its seconds, with a text that says so; the process is gone.
    """
    start = time.monotonic()

    with pytest.raises(HookFailed, match=r"hook #0: hook ran past specified timeout of 1.0s$"):
        run(sh("echo $$ > pid; exec sleep 60", timeout=1))

    assert 0.9 < time.monotonic() - start < 5
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_its_children_end_with_a_hook_that_takes_too_long(run, tmp_path):
    """
    A shell waits for what it starts, which is what takes the time.
    """
    with pytest.raises(HookFailed, match=r"hook ran past specified timeout of 1.0s"):
        run(sh("sleep 444 & echo $! > pid; wait", timeout=1))

    pid = int((tmp_path / "pid").read_text())
    assert not runs(pid)


def test_its_children_end_with_a_hook_that_is_interrupted(run, tmp_path):
    """
    They would act on a container that is undone.
    """

    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(sh("sleep 444 & echo $! > pid; wait"))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

    assert not runs(int((tmp_path / "pid").read_text()))


def test_the_children_of_a_hook_that_ended_are_left_alone(run, tmp_path):
    """
    Whether it ended well or not: a hook may start what serves the container.
    """
    run(sh("sleep 444 & echo $! > well", timeout=5))
    with pytest.raises(HookFailed):
        run(sh("sleep 444 & echo $! > badly; exit 1", timeout=5))

    for name in ("well", "badly"):
        pid = int((tmp_path / name).read_text())
        assert runs(pid)
        os.kill(pid, signal.SIGKILL)


def test_a_hook_has_a_session_of_its_own(run):
    """
    The callers' terminal is not for it.
    """
    text = (run(sh("cat /proc/$$/stat > stat")) / "stat").read_text()
    pid, _, _, parent, group, session = text.split()[:6]
    assert (parent, group, session) == (str(os.getpid()), pid, pid)


def runs(pid):
    """Tell whether a process goes on, that is neither killed nor a zombie; give it a moment."""
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as file:
                if file.read().rpartition(")")[2].split()[0] in "ZX":
                    return False
        except FileNotFoundError:
            return False
        time.sleep(0.002)
    return True


def test_a_time_out_is_not_waited_for(run):
    """
    A hook that ends in time ends the wait.
    """
    start = time.monotonic()

    run(sh("true", timeout=30))

    assert time.monotonic() - start < 5


def test_a_hook_need_not_read(run, no_leak):
    """
    200 kB of state do not hold up a hook that does not read it, nor us.
    """
    state = json.dumps({"annotations": {"a": "x" * 200_000}})

    run(sh("exit 0"), sh("exec 0<&-; sleep 0.05"), sh("sleep 0.05"), state=state)


def test_a_large_state_arrives_whole(run):
    """
    Every byte of it.
    """
    state = json.dumps({"annotations": {"a": "x" * 200_000}})

    folder = run(sh("sleep 0.05; cat > got"), state=state)

    assert (folder / "got").read_text() == state


def test_much_output_is_cut(run):
    """
    A hook that talks a lot is not held up; the first 64 KiB are kept for the error.
    """
    run(sh("head -c 3000000 /dev/zero"))

    with pytest.raises(HookFailed) as e:
        run(sh("head -c 300000 /dev/zero | tr '\\0' x; exit 1"))

    assert e.value.reason == "exit status 1, output: " + "x" * 65536


def test_output_that_is_no_text(run):
    """
    Bytes that are no UTF-8 are replaced.
    """
    with pytest.raises(HookFailed, match="output: a\ufffdb$"):
        run(sh("printf 'a\\377b'; exit 1"))


def test_a_process_left_behind_is_not_waited_for(run, tmp_path, no_leak):
    """
    A hook may leave a process that keeps its output open.
    """
    start = time.monotonic()

    run(sh("sleep 60 & echo $! > pid"))

    assert time.monotonic() - start < 5
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_hook_gets_no_descriptor_of_ours(run, tmp_path):
    """
    Only stdin, stdout and stderr, though the engine leaked others to us.
    """
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    os.dup2(writer, 77)
    try:
        run(sh("ls /proc/$$/fd > fds"))
    finally:
        for fd in (reader, writer, 77):
            os.close(fd)

    # 10 or 3 may be the shell's own; never a pipe of ours.
    found = set((tmp_path / "fds").read_text().split())
    assert {"0", "1", "2"} <= found
    assert not found & {str(writer), "77"}


def test_a_hook_has_default_signals(run, tmp_path):
    """
    What Python ignores is not ignored in a hook.
    """
    run(sh("grep ^SigIgn /proc/self/status > sig"))

    assert (tmp_path / "sig").read_text().split()[1] == "0" * 16


def test_no_hooks(run):
    """
    No hooks, nothing to do.
    """
    run()


def test_a_large_state_reaches_a_slow_reader(run, no_leak):
    """
    What does not fit the pipe is written as the hook reads it.
    """
    state = '{"annotations":{"large":"' + "x" * 3_000_000 + '"}}'

    assert (run(sh("sleep 0.1; wc -c > got"), state=state) / "got").read_text() == f"{len(state)}\n"


def test_a_time_out_may_be_longer_than_any_wait(run):
    """
    One of months, beyond what poll(2) can count, is a time-out like any other.
    """
    run(sh("sleep 0.1", timeout=2**31))


def test_a_hook_that_never_stops_talking_has_its_time_out(run):
    """
    The time-out counts whatever the hook does meanwhile.
    """
    with pytest.raises(HookFailed, match="hook ran past specified timeout of 1.0s"):
        run(Hook(path="/usr/bin/yes", timeout=1))
