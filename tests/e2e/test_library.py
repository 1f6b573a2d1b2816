"""Containers by the library: one process, with threads and without, and an event loop."""

import asyncio
import contextlib
import os
import signal
import subprocess
import threading

import pytest

from libcontainer import (
    Container,
    ContainerBuilder,
    ContainerError,
    InitFailed,
    SpecError,
    WrongStatus,
)
from libcontainer.plan.tenant import Changes
from libcontainer.spec import Mount


@pytest.fixture
def options(workshop):
    return {"root": str(workshop.root)}


@pytest.fixture
def beside_a_thread():
    """Another thread for as long as the test runs."""
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_container_from_create_to_its_end(workshop, options):
    """The object is what the commands are; at the end of the `with` nothing is left."""
    bundle = str(workshop.bundle("exit 5").path)

    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        assert container.status == "created"
        assert container.state()["pid"] == container.pid
        container.start()
        assert container.wait() == 5
        assert container.status == "stopped"
        assert container.wait() == 5


def test_signals_and_processes(workshop, options):
    """A signal goes by name or number; the status tells it."""
    bundle = str(workshop.bundle("sleep 100").path)

    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        container.start()
        assert container.pid in container.pids()
        assert container.stats().pids.current >= 1
        container.pause()
        assert container.status == "paused"
        container.resume()
        container.kill("KILL")
        assert container.wait() == 137


def test_container_that_still_runs_is_killed_at_the_end(workshop, options):
    """Leaving the `with` early leaves nothing."""
    bundle = str(workshop.bundle("sleep 100").path)

    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        container.start()

    with pytest.raises(Exception, match="container does not exist"):
        Container.load(container.id, **options)


def test_streams_and_descriptors_are_handed_in(workshop, options):
    """Each becomes the number that it is given for, and no other is open inside."""
    bundle = str(workshop.bundle("cat; cat <&3; ls /proc/self/fd | wc -w").path)
    text, more = workshop.folder / "text", workshop.folder / "more"
    text.write_text("one\n")
    more.write_text("two\n")
    output, writer = os.pipe()

    with open(text) as stdin, open(more) as third:
        builder = ContainerBuilder(workshop.id(), bundle).root(options["root"])
        builder.stdio(stdin=stdin.fileno(), stdout=writer).pass_fds(third.fileno())
        with builder.build() as container:
            os.close(writer)
            container.start()
            with os.fdopen(output) as file:
                said = file.read()
            container.wait()

    assert said == "one\ntwo\n5\n"  # 0 to 3, and the one that reads the folder


def test_container_is_loaded_by_its_id(workshop, options):
    """Another object for the same container; who is not the parent sees the end only."""
    bundle = str(workshop.bundle("exit 3").path)
    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        same = Container.load(container.id, **options)
        assert (same.pid, same.status) == (container.pid, "created")
        same.start()
        with pytest.raises(WrongStatus, match="cannot start"):
            same.start()
        assert container.wait() == 3
        same.close()


def test_exec_in_a_container(workshop, options):
    """One more program, and its exit status."""
    bundle = str(workshop.bundle("sleep 100").path)
    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        container.start()

        assert container.exec("sh", "-c", "exit 9") == 9


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        pytest.param({"args": ["nosuch"]}, InitFailed, "executable file not found", id="command"),
        pytest.param({"cwd": 4}, SpecError, r"\$.process.cwd: expected str, got 4", id="document"),
    ],
)
def test_errors_cross_the_fresh_interpreter(
    workshop, options, beside_a_thread, change, error, text
):
    """Beside threads an error is the same as without, and nothing is left."""
    config = workshop.config("true")
    config["process"] |= change
    bundle = str(workshop.bundle(config).path)

    with pytest.raises(error, match=text):
        Container.create(workshop.id(), bundle=bundle, **options)


MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]


@pytest.mark.parametrize(
    ("joined", "command", "user"),
    [
        pytest.param("net", "exit 6", True, id="network-and-a-new-user"),
        pytest.param("pid", "exit 6", False, id="pid"),
        pytest.param("pid", "exit 6", True, id="pid-and-a-new-user"),
        pytest.param("pid", "nosuch", True, id="that-fails"),
    ],
)
def test_joining_beside_a_thread(workshop, options, beside_a_thread, joined, command, user):
    """
    Whatever stands between the program and init is gone when create returns; init is our child.
    """
    first = str(workshop.bundle("sleep 100").path)
    config = workshop.config("sh", "-c", command)
    if command == "nosuch":
        config["process"]["args"] = [command]
    kind = {"net": "network"}.get(joined, joined)
    with Container.create(workshop.id(), bundle=first, **options) as other:
        rest = [n for n in config["linux"]["namespaces"] if n["type"] != kind]
        config["linux"]["namespaces"] = [
            *rest,
            {"type": kind, "path": f"/proc/{other.pid}/ns/{joined}"},
        ]
        if user:
            config["linux"]["namespaces"].append({"type": "user"})
            config["linux"] |= {"uidMappings": MAP, "gidMappings": MAP}
        bundle = workshop.bundle(config)
        subprocess.run(["chown", "-R", "100000:100000", bundle.rootfs], check=True)
        if command == "nosuch":
            with pytest.raises(InitFailed, match="executable file not found"):
                Container.create(workshop.id(), bundle=str(bundle.path), **options)
        else:
            with Container.create(workshop.id(), bundle=str(bundle.path), **options) as container:
                container.start()
                assert container.wait() == 6

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.mark.slow
def test_a_hundred_containers_beside_a_thread(workshop, options, beside_a_thread):
    """A program with threads makes as many as it likes, one after the other."""
    bundle = str(workshop.bundle("exit 7").path)
    statuses = []
    for _ in range(100):
        with Container.create(workshop.id(), bundle=bundle, **options) as container:
            container.start()
            statuses.append(container.wait())

    assert statuses == [7] * 100


@pytest.mark.slow
def test_a_hundred_containers_under_asyncio(workshop, options):
    """Waiting holds nothing up: ten at a time, which end only when the loop lets them."""
    bundle = str(workshop.bundle("read -r line; exit 4").path)

    async def ten():
        reader, writer = os.pipe()
        with contextlib.ExitStack() as stack:
            made = [
                stack.enter_context(
                    Container.create(workshop.id(), bundle=bundle, stdin=reader, **options)
                )
                for _ in range(10)
            ]
            os.close(reader)
            for container in made:
                container.start()
            waits = [asyncio.create_task(container.wait_async()) for container in made]
            await asyncio.sleep(0)  # all of them wait
            assert not any(task.done() for task in waits)
            os.close(writer)
            return await asyncio.gather(*waits)

    async def all_of_them():
        return [status for _ in range(10) for status in await ten()]

    assert asyncio.run(all_of_them()) == [4] * 100


class Interrupted(Exception):
    """What a signal's handler raises."""


@pytest.fixture
def interrupt():
    """Have something raised in this thread, soon."""

    def handler(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGALRM, handler)
    yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_create_beside_a_thread_that_is_interrupted(
    workshop, options, beside_a_thread, interrupt
):
    """It is undone, its hook ends, and nobody is left."""
    config = workshop.config("true")
    begun = workshop.folder / "begun"
    script = f"echo $$ >{begun}; exec sleep 100"
    config["hooks"] = {"prestart": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    bundle = str(workshop.bundle(config).path)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())

    interrupt(0.3)
    with pytest.raises(Interrupted):
        Container.create(workshop.id(), bundle=bundle, **options)

    assert workshop.remains() == {}
    if begun.exists():
        assert not os.path.exists(f"/proc/{begun.read_text().strip()}")
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_an_exec_that_is_interrupted(workshop, options, interrupt):
    """Its program ends and is seen off: else the container could not end."""
    bundle = str(workshop.bundle("sleep 100").path)

    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        container.start()
        interrupt(0.2)
        with pytest.raises(Interrupted):
            container.exec("sleep", "100")

        assert container.pids() == (container.pid,)


def test_a_program_that_reaps_no_children(workshop, options, beside_a_thread):
    """Whoever ignores their ends gets no status, and no error either."""
    bundle = str(workshop.bundle("exit 3").path)
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with Container.create(workshop.id(), bundle=bundle, **options) as container:
            container.start()
            assert container.wait() is None
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_spawned_process(workshop, options):
    """It is a child like any other, with streams and descriptors of its own."""
    bundle = str(workshop.bundle("sleep 100").path)
    reader, stdin = os.pipe()
    output, stdout = os.pipe()
    more, third = os.pipe()
    given = {"stdin": reader, "stdout": stdout, "pass_fds": [more]}
    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        container.start()
        script = "cat; cat <&3; ls /proc/self/fd | wc -w; exit 8"
        with container.spawn("sh", "-c", script, **given) as process:
            for fd in (reader, stdout, more):
                os.close(fd)
            assert process.pid in container.pids()
            os.write(stdin, b"one\n")
            os.write(third, b"two\n")
            os.close(stdin)
            os.close(third)
            with os.fdopen(output) as file:
                assert file.read() == "one\ntwo\n5\n"
            assert process.wait() == 8

        with container.spawn("sleep", "100") as process:
            pass
        assert process.wait() == 137
        assert container.pids() == (container.pid,)

        with container.spawn("sh", "-c", "exit 5") as process:
            assert asyncio.run(process.wait_async()) == 5


def test_what_a_program_gets_wrong(workshop, options):
    """Is said by name, and nothing is made."""
    bundle = str(workshop.bundle("sleep 100").path)
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    given = {"bundle": bundle} | options

    with pytest.raises(TypeError, match="no_such_option"):
        Container.create(workshop.id(), no_such_option=True, **given)
    with pytest.raises(InitFailed, match=f"^stdin {reader}: bad file descriptor$"):
        Container.create(workshop.id(), stdin=reader, **given)
    with pytest.raises(InitFailed, match=f"^pass_fds {reader}: bad file descriptor$"):
        Container.create(workshop.id(), pass_fds=[reader], **given)
    with Container.create(workshop.id(), **given) as container:
        container.start()
        with pytest.raises(TypeError, match="each an argument of its own"):
            container.exec(["true"])
        with pytest.raises(TypeError, match="spawn does not"):
            container.exec("true", detach=True)
    gone = Container("one", pid=os.getppid(), **options)
    gone.close()
    with pytest.raises(ValueError, match="handle of process .* is closed"):
        gone.wait()
    assert workshop.remains() == {}


def test_a_container_of_ours_that_is_loaded_after_its_end(workshop, options):
    """Its init waits to be reaped, and is by any object for it."""
    bundle = str(workshop.bundle("exit 3").path)
    with Container.create(workshop.id(), bundle=bundle, **options) as container:
        container.start()
        os.waitid(os.P_PID, container.pid, os.WEXITED | os.WNOWAIT)

        with Container.load(container.id, **options) as same:
            assert same.wait() == 3


def test_closed_streams_are_dev_null(workshop, options):
    """What a daemon has closed does not become one of the library's own descriptors inside."""
    bundle = str(workshop.bundle("readlink /proc/self/fd/0").path)
    output, stdout = os.pipe()
    kept = os.dup(0)
    os.close(0)
    try:
        made = {"bundle": bundle, "stdout": stdout} | options
        with Container.create(workshop.id(), **made) as container:
            os.close(stdout)
            container.start()
            with os.fdopen(output) as file:
                assert file.read() == "/dev/null\n"
            assert container.wait() == 0
    finally:
        os.dup2(kept, 0)
        os.close(kept)


def test_waits_do_not_queue_behind_each_other(workshop, options):
    """Who waits for a container that runs on holds up nobody else."""
    bundle = str(workshop.bundle("read -r line; exit 3").path)
    reader, writer = os.pipe()
    idle = {"stdin": reader, **options}
    with (
        Container.create(workshop.id(), bundle=bundle, **idle) as slow,
        Container.create(workshop.id(), bundle=bundle, **options) as quick,
    ):
        slow.start()
        quick.start()
        thread = threading.Thread(target=slow.wait)
        thread.start()

        assert quick.wait() == 3
        assert asyncio.run(quick.wait_async()) == 3
        assert thread.is_alive()

        os.close(writer)
        thread.join()
        assert slow.wait() == 3
    os.close(reader)


def test_a_pid_that_is_somebody_elses_by_now(workshop, options):
    """A container that is loaded is known by its init's start time too."""
    assert Container("one", pid=os.getppid(), started=1, **options).pid == 0


def test_mounts_are_handed_to_the_fresh_interpreter(workshop, options, beside_a_thread):
    """All options are CreateOptions'; what can be called in this program only is refused."""
    bundle = str(workshop.bundle("ls /mnt/there").path)
    mount = Mount("/mnt", "tmpfs", "tmpfs")
    (workshop.folder / "there").mkdir()
    inner = Mount("/mnt/there", "bind", str(workshop.folder), ("bind",))
    made = {"bundle": bundle, "extra_mounts": (mount, inner)} | options
    reader, writer = os.pipe()
    with Container.create(workshop.id(), stdout=writer, **made) as container:
        os.close(writer)
        container.start()
        with os.fdopen(reader) as file:
            assert "there\n" in file.read()
        assert container.wait() == 0

    with pytest.raises(InitFailed, match=r"^on_claimed cannot be called by the interpreter"):
        Container.create(workshop.id(), bundle=bundle, on_claimed=print, **options)


OURS = [{"type": "mount"}, {"type": "pid"}, {"type": "uts"}]
JOINED = {"namespaces": [*OURS, {"type": "ipc", "path": "/proc/self/ns/ipc"}]}


@pytest.mark.parametrize(
    ("change", "fails"),
    [
        ({}, False),
        ({"process": {"args": ["nothing"]}}, True),
        ({"mounts": [{"destination": "/x", "type": "bind", "source": "/nothing"}]}, True),
        ({"linux": JOINED}, False),
        ({"linux": JOINED, "process": {"args": ["nothing"]}}, True),
        ({"hooks": {"prestart": [{"path": "/bin/false"}]}}, True),
    ],
)
def test_no_descriptor_is_left_open(workshop, options, change, fails):
    """Whether it was made or not; a program may make many."""
    config = workshop.config("sleep", "100")
    for key, value in change.items():
        config[key] = config.get(key, {}) | value if isinstance(value, dict) else value
    bundle = str(workshop.bundle(config).path)

    def once():
        id = workshop.id()
        if fails:
            with pytest.raises(ContainerError):
                Container.create(id, bundle=bundle, **options)
            return
        with Container.create(id, bundle=bundle, **options) as container:
            container.start()
            with pytest.raises(ContainerError):
                container.exec("nothing")
            with pytest.raises(ContainerError):
                container.exec("true", changes=Changes(terminal=True))
            with pytest.raises(ContainerError):
                pid_file = f"{workshop.folder}/missing/pid"
                container.exec("sleep", "100", pid_file=pid_file)

    once()  # what is opened once, as by an import
    before = sorted(os.listdir("/proc/self/fd"))
    once()
    assert sorted(os.listdir("/proc/self/fd")) == before
