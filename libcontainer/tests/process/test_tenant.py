"""main's side of a tenant: the spawn of the stub, and what it says in any order."""

import os
import select
import signal
import struct
from types import SimpleNamespace

import pytest

from libcontainer.errors import InitFailed, StepFailed, WrongStatus
from libcontainer.identity import start_time
from libcontainer.kernel import constants as c
from libcontainer.plan.lastmile import Entry
from libcontainer.plan.process import Command
from libcontainer.plan.tenant import TenantHost, Way, plan_tenant
from libcontainer.process import channel as ch
from libcontainer.process.lastmile import program, system_calls
from libcontainer.process.tenant import MOVE, Inside, Program, Tenant, spawn
from libcontainer.spec.process import Process
from libcontainer.testing import NOBODY


def image(kernel, entries, handles):
    calls = system_calls(
        entries,
        handles=handles,
        path="/x",
        args=("x",),
        env=(),
        filter=b"",
        numbers=kernel.number,
    )
    return program(calls, report=2)


@pytest.fixture
def linux():
    from libcontainer.kernel.linux import LinuxKernel

    return LinuxKernel()


def test_descriptors_change_places_without_harm(linux):
    """
    What lies at another's target is copied away first; all others are closed in the child.
    """
    first, second = os.pipe(), os.pipe()
    # Each one's target is where another's source may be.
    moves = [(first[1], second[1]), (second[1], first[1])]
    handles = {"a": second[1], "b": first[1]}
    entries = [
        Entry("write", ("fd:a", "text:first", 5), "write"),
        Entry("write", ("fd:b", "text:second", 6), "write"),
        Entry("close_range", (0, 0xFFFFFFFF, 0), "close"),
    ]

    pid = spawn(image(linux, entries, handles), moves)
    os.waitpid(pid, 0)

    assert os.read(first[0], 100) == b"first"
    assert os.read(second[0], 100) == b"second"
    for fd in (*first, *second):
        os.close(fd)


def test_the_stub_has_no_ignored_and_no_blocked_signal(linux):
    """
    Python ignores some, and a caller may block or ignore others; they would survive an exec.
    """
    reader, writer = os.pipe()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    entries = [Entry("read", ("fd:in", "buffer:8", 1), "wait")]
    try:
        pid = spawn(image(linux, entries, {"in": 3}), [(reader, 3)])
        with open(f"/proc/{pid}/status") as file:
            found = dict(line.rstrip().split(":\t") for line in file if line[:3] == "Sig")
    finally:
        signal.signal(signal.SIGHUP, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    os.close(writer)
    os.waitpid(pid, 0)
    os.close(reader)

    # glibc's own two are reset by the list, which this one does not do.
    assert int(found["SigIgn"], 16) & ~(3 << 31) == 0
    assert int(found["SigBlk"], 16) == 0


class Self:
    """This process as the container that is entered."""

    pid, pidfd, root = os.getpid(), -1, -1


def plan(**changes):
    process = Process.from_json({"cwd": "/", "args": ["true"]} | changes)
    return plan_tenant(process, None, TenantHost(namespaces=c.CLONE_NEWPID), id="box")


class Known:
    """A program that was found."""

    path, args, env, cwd_late = "/bin/true", ("true",), (), None


@pytest.fixture
def tenant(kernel):
    made = Tenant(plan(), Self(), Known(), kernel, None)
    yield made
    for pid in made._pids.values():
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def sleeper():
    return os.posix_spawn("/bin/sleep", ["sleep", "1000"], {})


def ended():
    """A child that has ended and is not reaped."""
    pid = os.posix_spawn("/bin/true", ["true"], {})
    fd = os.pidfd_open(pid)
    select.select([fd], [], [])
    os.close(fd)
    return pid


FORKS = [Entry("clone3", (), "a", fork=True), Entry("clone", (), "b", fork=True)]


@pytest.mark.parametrize("order", ["01R", "10R", "R01", "R10", "0R1", "1R0"])
def test_reports_of_two_forks_come_in_any_order(tenant, kernel, order):
    """
    The tenant is who the last call of the list has made; the others are reaped.
    """
    middle, last = ended(), sleeper()
    said = {"0": (middle, 0), "1": (last, 1)}
    talk = ch.Channel()
    tenant._pids[-1] = ended()
    for letter in order:
        report = b"R" if letter == "R" else b"P" + struct.pack("<II", *said[letter])
        os.write(talk.writer, report)
    os.write(talk.writer, b"S")
    talk.in_main = lambda: None
    os.close(talk.writer)

    tenant._converse(FORKS, talk)

    assert tenant._pids == {1: last}
    assert os.read(talk.go_reader, 10) == ch.LIMITED
    assert kernel.named("sched_setaffinity")[0][0] == last
    for fd in (talk.go_reader, talk.go_writer, talk.reader):
        os.close(fd)


def forged(tenant, said, moved=False):
    """What is raised when the process inside says that."""
    talk = ch.Channel()
    tenant.way = Way(moved=moved)
    tenant._pids[-1] = sleeper()
    os.write(talk.writer, said)
    try:
        with pytest.raises(InitFailed) as e:
            tenant._converse(FORKS, talk)
    finally:
        for fd in (talk.go_reader, talk.go_writer, talk.reader, talk.writer):
            os.close(fd)
    return str(e.value)


def of_fork(pid, index):
    return ch.PID + struct.pack("<II", pid, index)


@pytest.mark.parametrize(
    "said",
    [
        of_fork(os.getppid(), 0),
        of_fork(1, 0),
        of_fork(os.getpid(), 0),
        of_fork(0, 5),
        of_fork(NOBODY, 0),
        MOVE,
        ch.READY + ch.READY,
        ch.READY + ch.SET,
        ch.SET,
        ch.FAILED + struct.pack("<II", 77, 1),
        b"?",
    ],
)
def test_a_word_out_of_turn(tenant, said):
    """
    Who may trace the process inside can speak for it: nobody is signalled or moved for that.
    """
    assert forged(tenant, said) == "container init spoke out of turn"

    assert list(tenant._pids) == [-1]


def test_a_second_wish_to_be_moved(tenant, kernel):
    """
    One is for the stub, which asks before anybody inside can see it.
    """
    moved = []
    tenant.cgroup = SimpleNamespace(add=moved.append)

    assert forged(tenant, MOVE + MOVE, moved=True) == "container init spoke out of turn"
    assert moved == [tenant._pids[-1]]


@pytest.mark.parametrize(
    ("entry", "code", "error", "text"),
    [
        (Entry("setns", (), "join"), 1, StepFailed, "join: operation not permitted"),
        (Entry("execve", (), "exec"), 8, InitFailed, "exec /bin/true: exec format error"),
        (Entry("faccessat2", (), "look"), 13, InitFailed, 'exec: "true": permission denied'),
    ],
)
def test_a_failing_call_is_told_in_words(tenant, entry, code, error, text):
    """
    runc's, where it has any.
    """
    talk = ch.Channel()
    tenant._pids[-1] = sleeper()
    os.write(talk.writer, b"E" + struct.pack("<II", 0, code))

    with pytest.raises(error) as e:
        tenant._converse([entry], talk)

    assert (str(e.value), e.value.errno) == (text, code)
    for fd in (talk.go_reader, talk.go_writer, talk.reader, talk.writer):
        os.close(fd)


@pytest.mark.parametrize(
    ("command", "how"),
    [("true", ""), ("kill -9 $$", " (possibly OOM-killed)")],
    ids=["ended", "killed"],
)
def test_an_end_without_a_word(tenant, command, how):
    """
    Is told, with what a kill most likely means.
    """
    talk = ch.Channel()
    tenant._pids[-1] = os.posix_spawn("/bin/sh", ["sh", "-c", command], {})
    os.close(talk.writer)

    with pytest.raises(InitFailed) as e:
        tenant._converse([], talk)

    assert str(e.value) == f"the process ended before it was the program{how}"
    assert tenant._pids == {}
    for fd in (talk.go_reader, talk.go_writer, talk.reader):
        os.close(fd)


def test_a_container_that_has_ended_cannot_be_entered():
    """
    Nor one whose pid is another process's by now.
    """
    for started in ((start_time(os.getpid()) or 0) + 1, 0):
        with pytest.raises(WrongStatus, match="cannot exec in a stopped container"):
            Inside("box", os.getpid(), started)


def test_a_label_needs_a_procfs_of_the_kernel(kernel, linux):
    """
    What lies at /proc may be anything; the root of a real one is taken.
    """
    with Inside("box", os.getpid(), start_time(os.getpid())) as inside:
        assert os.readlink(f"/proc/self/fd/{inside.open_procfs(linux)}") == "/proc"
        kernel.returns["file_system"] = lambda *_: c.TMPFS_MAGIC
        with pytest.raises(InitFailed, match="a label needs a procfs"):
            inside.open_procfs(kernel)


def test_an_exact_environment_is_not_added_to(linux):
    """
    A hook's own list has no HOME unless it says so.
    """
    with Inside("box", os.getpid(), start_time(os.getpid())) as inside:
        made = plan(args=["true"], env=["PATH=/bin"])
        assert Program(made, inside, linux, path="/bin/true", env=("A=b",)).env == ("A=b",)
        found = Program(made, inside, linux)

    assert isinstance(made.command, Command)
    assert (found.path, found.env[0]) == ("/bin/true", "PATH=/bin")
    assert found.env[1].startswith("HOME=")
