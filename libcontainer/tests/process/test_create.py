"""Main's side of the conversation: init's words are written by hand, its process never made."""

import errno
import os
import struct
import subprocess

import pytest

from libcgroups.resources import LinuxMemory, LinuxPids, LinuxResources
from libcontainer.errors import HookFailed, InitFailed, StepFailed
from libcontainer.identity import start_time
from libcontainer.plan.host import Host
from libcontainer.plan.make import Options, make_plan
from libcontainer.process import channel as ch
from libcontainer.process.create import Main
from libcontainer.process.init import Belongings, last_mile
from libcontainer.spec.document import Spec
from libcontainer.testing import NOBODY

DOCUMENT = {
    "ociVersion": "1.3.0",
    "process": {
        "cwd": "/srv",
        "user": {"uid": 0, "gid": 0},
        "args": ["sh"],
        "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}],
        "oomScoreAdj": -5,
    },
    "root": {"path": "rootfs"},
    "linux": {
        "namespaces": [{"type": "mount"}, {"type": "pid"}],
        "resources": {"pids": {"limit": 5}, "memory": {"limit": 1000000}},
    },
}
EARLY = LinuxResources(pids=LinuxPids(limit=5), devices=())
LATE = LinuxResources(memory=LinuxMemory(limit=1000000))


class Cgroup:
    """A cgroup that tells, beside the kernel's calls, when limits are applied."""

    def __init__(self, kernel):
        self._kernel = kernel
        self.killed = 0

    def apply(self, resources):
        self._kernel.calls.append(("apply", (resources,)))

    def add(self, pid):
        self._kernel.calls.append(("add", (pid,)))

    def oom_kills(self):
        return self.killed


@pytest.fixture
def talk():
    made = ch.Channel()
    yield made
    for fd in (made.go_reader, made.go_writer, made.reader, made.writer):
        try:
            os.close(fd)
        except OSError:
            pass  # closed by the test


@pytest.fixture
def main(kernel, talk, tmp_path):
    """Make a Main for a document whose init is this process, and let init say something."""

    def make(said=b"", *, changes=None, hooks=None, pid_path=None):
        document = DOCUMENT | (changes or {}) | ({"hooks": hooks} if hooks else {})
        spec = Spec.from_json(document)
        options = Options(id="box", bundle=str(tmp_path), rootfs="/b/rootfs")
        plan = make_plan(spec, Host(), options)
        if pid_path:
            plan = plan.replace(namespaces=plan.namespaces.replace(pid=pid_path))
        own = Belongings()
        own.hook_state = '{"id":"box","pid":0}'
        saved = []
        made = Main(plan, kernel, Cgroup(kernel), own, save=lambda *args: saved.append(args))
        made.saved = saved
        made.pid, made.started = os.getpid(), start_time(os.getpid())
        os.write(talk.writer, said)
        return made

    return make


@pytest.fixture
def child():
    """A process of ours, as what the stub forks by CLONE_PARENT is."""
    process = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    yield process.pid
    process.communicate()


def heard_by_init(talk):
    os.set_blocking(talk.go_reader, False)
    try:
        return os.read(talk.go_reader, 100)
    except BlockingIOError:
        return b""


def test_the_straight_way(main, kernel, talk):
    """
    After R: the late limits, then what is changed by pid, then g; S is the end.
    """
    main(ch.READY + ch.SET)._converse(talk)

    assert kernel.calls == [
        ("apply", (LATE,)),
        ("prlimit", (os.getpid(), 7, 1, 2)),
        ("sched_setaffinity", (os.getpid(), b"\xff" * 1024)),
    ]
    assert heard_by_init(talk) == ch.LIMITED


def test_hooks_run_after_the_early_limits(main, kernel, talk, tmp_path):
    """
    prestart, then createRuntime, in the bundle, with init's pid; then init goes on.
    """
    log = 'echo "$1 $PWD $(cat)" >> log'
    hooks = {
        "createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", log, "sh", "second"]}],
        "prestart": [{"path": "/bin/sh", "args": ["sh", "-c", log, "sh", "first"]}],
    }

    main(ch.HOOKS + ch.READY + ch.SET, hooks=hooks)._converse(talk)

    assert kernel.calls[0] == ("apply", (EARLY,))
    state = f'{{"id":"box","pid":{os.getpid()}}}'
    assert (tmp_path / "log").read_text().splitlines() == [
        f"first {tmp_path} {state}",
        f"second {tmp_path} {state}",
    ]
    assert heard_by_init(talk) == ch.DONE + ch.LIMITED


def test_a_failing_hook_ends_it(main, talk):
    """
    Init is not told to go on.
    """
    with pytest.raises(HookFailed, match="prestart hook #0: exit status 1"):
        main(ch.HOOKS, hooks={"prestart": [{"path": "/bin/false"}]})._converse(talk)

    assert heard_by_init(talk) == b""


@pytest.mark.parametrize("order", [ch.READY + b"P", b"P" + ch.READY], ids=["R-first", "pid-first"])
def test_a_joined_pid_namespace_gives_another_pid(main, kernel, talk, child, order):
    """
    The stub's child is the container; R and its pid may come in either order.
    """
    pid = child
    said = order.replace(b"P", ch.PID + struct.pack("<II", pid, 0))
    made = main(said + ch.SET, pid_path="/proc/1/ns/pid")
    made.pid = NOBODY

    made._converse(talk)

    assert made.pid == pid
    assert made.saved == [(pid, start_time(pid))]
    assert kernel.named("prlimit") == [(pid, 7, 1, 2)]
    assert heard_by_init(talk) == ch.LIMITED


@pytest.mark.parametrize("order", [b"EP", b"PE"], ids=["failure-first", "pid-first"])
def test_a_child_that_fails_is_known(main, talk, child, order):
    """
    The stub's child may tell its failure before it is told of; it is the one to be reaped.
    """
    pid = child
    said = {b"E": ch.FAILED + struct.pack("<II", 0, 1), b"P": ch.PID + struct.pack("<II", pid, 0)}
    made = main(said[order[:1]] + said[order[1:]], pid_path="/proc/1/ns/pid")
    made.pid = NOBODY
    os.close(talk.writer)

    with pytest.raises(StepFailed):
        made._converse(talk)

    assert made.pid == pid


def test_a_stub_that_fails_has_no_child(main, talk):
    """
    The end of the pipe tells that none will be heard of.
    """
    made = main(ch.FAILED + struct.pack("<II", 0, 1), pid_path="/proc/1/ns/pid")
    made.pid = NOBODY
    os.close(talk.writer)

    with pytest.raises(StepFailed):
        made._converse(talk)

    assert made.pid == NOBODY


def test_who_forked_is_reaped(main, talk, child):
    """
    A program that uses the library keeps no zombie of it.
    """
    forked = os.fork()
    if forked == 0:
        os._exit(0)
    said = ch.PID + struct.pack("<II", child, 0) + ch.READY + ch.SET
    made = main(said, pid_path="/proc/1/ns/pid")
    made.pid = forked

    made._converse(talk)

    with pytest.raises(ChildProcessError):
        os.waitpid(forked, 0)


def test_a_pid_of_somebody_else(main, talk):
    """
    Whoever speaks in a joined pid namespace cannot have us signal or save what is not our child.
    """
    made = main(ch.PID + struct.pack("<II", os.getppid(), 0), pid_path="/proc/1/ns/pid")
    made.pid = NOBODY

    with pytest.raises(InitFailed, match="^container init spoke out of turn$"):
        made._converse(talk)

    assert made.pid == NOBODY
    assert made.saved == []


@pytest.mark.parametrize(
    ("said", "path"),
    [
        (ch.SET, None),
        (ch.READY + ch.SET, "/proc/1/ns/pid"),
        (ch.READY + ch.CWD_LATE, None),
        (ch.READY + ch.SOURCES + struct.pack("<I", 2) + b"[]", None),
        (ch.HOOKS, None),
        (ch.HOOKS + ch.HOOKS, None),
        (ch.READY + ch.HOOKS, None),
    ],
)
def test_a_word_out_of_turn(main, talk, said, path):
    """
    Every word has its time: nothing is opened, and no hook run, for a process of the last mile.
    """
    hooks = {"prestart": [{"path": "/bin/true"}]} if said != ch.HOOKS else None

    with pytest.raises(InitFailed, match="^container init spoke out of turn$"):
        main(said, hooks=hooks, pid_path=path)._converse(talk)


def test_a_refused_rlimit_is_told(main, kernel, talk):
    """
    In runc's words, with the errno.
    """
    kernel.fail["prlimit"] = errno.EPERM

    with pytest.raises(InitFailed, match="^error setting rlimit type 7: operation not") as e:
        main(ch.READY)._converse(talk)

    assert e.value.errno == errno.EPERM
    assert heard_by_init(talk) == b""


def test_an_init_that_died_at_the_late_limits(main, talk):
    """
    The memory limit may have been too small: init is looked at before it is told to go on.
    """
    made = main(ch.READY)
    made.pid = NOBODY
    made.cgroup.killed = 1

    with pytest.raises(InitFailed, match="container init was OOM-killed"):
        made._converse(talk)

    assert heard_by_init(talk) == b""


@pytest.mark.parametrize(
    ("killed", "text"),
    [
        (0, "container init ended unexpectedly"),
        (None, "container init ended unexpectedly"),
        (1, "container init was OOM-killed (memory limit too low?)"),
    ],
)
@pytest.mark.parametrize("said", [b"", ch.READY], ids=["at-once", "after-R"])
def test_the_end_of_init(main, talk, said, killed, text):
    """
    The end of the pipe without S is a failure; an OOM kill is named.
    """
    made = main(said)
    made.cgroup.killed = killed
    os.close(talk.writer)

    with pytest.raises(InitFailed) as e:
        made._converse(talk)

    assert str(e.value) == text


def test_an_error_of_init_is_raised(main, talk):
    """
    As what it was.
    """
    made = main()
    ch.send_error(talk.writer, StepFailed("mount /a", errno.EPERM, "no"))

    with pytest.raises(StepFailed, match="^mount /a: no$"):
        made._converse(talk)


@pytest.mark.parametrize(
    ("call", "does", "code", "text"),
    [
        ("faccessat2", None, errno.EACCES, 'exec: "sh": permission denied'),
        (
            "fchdir", "chdir to cwd", errno.EACCES,
            'chdir to cwd ("/srv") set in config.json failed: permission denied',
        ),
        ("pivot_root", None, errno.EINVAL, "pivot_root: invalid argument"),
        ("capset", None, errno.EPERM, "unable to apply caps: operation not permitted"),
        ("read", "wait for main", 0, "wait for main: unexpected result"),
    ],
)  # fmt: skip
def test_a_call_of_the_last_mile_that_failed(main, talk, call, does, code, text):
    """
    The stub tells which entry and the errno; main has the words.
    """
    made = main()
    step = next(
        i
        for i, entry in enumerate(last_mile(made.plan))
        if entry.call == call and does in (None, entry.does)
    )
    os.write(talk.writer, ch.FAILED + struct.pack("<II", step, code))

    with pytest.raises((InitFailed, StepFailed)) as e:
        made._converse(talk)

    assert str(e.value) == text
    assert e.value.errno == code


def test_the_oom_score_is_written_by_pid(main, kernel):
    """
    By main, from outside.
    """
    made = main()

    made._set_oom_score()

    assert kernel.calls == [("write_file", (f"/proc/{os.getpid()}/oom_score_adj", "-5"))]


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_refused_oom_score(main, kernel, code):
    """
    Is an error, but not where it is to be expected.
    """
    made = main()
    kernel.fail["write_file"] = code

    with pytest.raises(InitFailed, match="^set oom_score_adj to -5: ") as e:
        made._set_oom_score()
    assert e.value.errno == code

    made.plan = made.plan.replace(oom_score_optional=True)
    made._set_oom_score()


def test_an_os_error_is_explained():
    """
    What the kernel says to main is worded like what it says to init.
    """
    made = Main.__new__(Main)

    found = made._explained(FileNotFoundError(errno.ENOENT, "No such file or directory", "/ns"))

    assert str(found) == "no such file or directory (/ns)"
    assert (type(found), found.errno) == (InitFailed, errno.ENOENT)
    assert made._explained(found) is found
