"""Notified calls: a filtered process, the listener handed to an agent, and its answers."""

import ctypes
import errno
import json
import os
import signal
import socket
import threading

import pytest

from libseccomp import (
    ALLOW,
    NOTIFY,
    CallFailed,
    ContainerProcessState,
    Filter,
    LinuxSeccompArg,
    Listener,
    Notification,
    NotKnown,
    compile_profile,
    library,
    load_program,
    set_no_new_privs,
)
from libseccomp.handover import send_listener
from libseccomp.notify import is_native

LIBC = ctypes.CDLL(None, use_errno=True)
PARENT = os.getpid()


def load(profile):
    """Load a profile as an unprivileged program would; return the listener, if any."""
    set_no_new_privs()
    return load_program(compile_profile(profile))


def outcome(function, *args):
    """Return what a call returns, or the name of its errno."""
    try:
        return function(*args)
    except OSError as e:
        return errno.errorcode[e.errno]


@pytest.fixture
def container(make_profile, tmp_path):
    """Start a process whose calls are notified; return its listener, pid and message.

    It does what a runtime does: load, connect to the agent, hand the listener over.
    """
    path = str(tmp_path / ("long" * 25) / "agent.sock")
    os.mkdir(os.path.dirname(path))
    children = []

    def start(names, function, *, conditions=()):
        profile = make_profile(
            "ALLOW",
            (names, "NOTIFY", {"args": list(conditions)}),
            listenerPath=path,
            listenerMetadata="who",
        )
        with socket.socket(socket.AF_UNIX) as server:
            folder = os.open(os.path.dirname(path), os.O_PATH)
            server.bind(f"/proc/self/fd/{folder}/agent.sock")
            os.close(folder)
            server.listen()
            pid = os.fork()
            if pid == 0:
                try:
                    listener = load(profile)
                    state = ContainerProcessState(
                        oci_version="1.3.0",
                        pid=os.getpid(),
                        state={"id": "c", "status": "creating"},
                        metadata=profile.listener_metadata,
                    )
                    send_listener(path, state, listener)
                    os.close(listener)
                    os._exit(function())
                finally:
                    os._exit(99)
            children.append(pid)
            connection, _ = server.accept()
        with connection:
            message, fds, _, _ = socket.recv_fds(connection, 65536, 4)
            assert connection.recv(1) == b""
        assert len(fds) == 1
        return Listener(fds[0]), pid, message

    yield start
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            continue


def test_an_agent_is_given_the_listener_and_answers(container):
    """
    The agent gets the state and the listener, sees the call, and chooses its errno.
    """
    listener, pid, message = container(
        "mkdir mkdirat", lambda: outcome(os.mkdir, "/never") == "EXDEV"
    )

    with listener:
        call = listener.receive()
        assert listener.is_valid(call)
        assert (call.pid, call.name.removesuffix("at")) == (pid, "mkdir")
        assert is_native(call) and len(call.args) == 6
        listener.respond(call, error=errno.EXDEV)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 1
    assert json.loads(message) == {
        "ociVersion": "1.3.0",
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": "who",
        "state": {"id": "c", "status": "creating"},
    }


def test_an_agent_chooses_the_result_or_lets_the_call_happen(container):
    """
    A call returns what the agent says, or is carried out.
    """
    listener, pid, _ = container("getppid", lambda: [os.getppid(), os.getppid()] != [4242, PARENT])

    with listener:
        listener.respond(listener.receive(), value=4242)
        listener.respond(listener.receive(), proceed=True)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def test_a_descriptor_is_given_to_the_caller(container):
    """
    The agent opens what the caller may not, and the call returns the descriptor.
    """
    with open("/proc/self/stat", "rb") as gift:
        listener, pid, _ = container("memfd_create", lambda: child_reads() != b"%d " % PARENT)

        with listener:
            call = listener.receive()
            number = listener.add_fd(call, gift.fileno(), number=77, close_on_exec=False)
            assert number == 77
            assert listener.add_fd(call, gift.fileno(), respond=True) > 2
            _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def child_reads():
    """Read the beginning of what a notified call returned, if descriptor 77 is there, too."""
    fd = os.memfd_create("x")
    os.fstat(77)
    return os.read(fd, len(str(PARENT)) + 1)


def test_a_caller_that_died_is_no_longer_valid(container):
    """
    After the caller is gone its call cannot be answered, and says so.
    """
    listener, pid, _ = container("getppid", lambda: os.getppid())

    with listener:
        call = listener.receive()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

        assert not listener.is_valid(call)
        with pytest.raises(CallFailed) as e:
            listener.respond(call)
        assert e.value.errno == errno.ENOENT
        with pytest.raises(CallFailed) as e:
            listener.add_fd(call, 0)
        assert e.value.errno == errno.ENOENT


def test_calls_fail_with_enosys_when_the_listener_is_closed(container):
    """
    Without an agent nobody can answer.
    """
    listener, pid, _ = container("mkdir mkdirat", lambda: outcome(os.mkdir, "/never") == "ENOSYS")

    listener.close()
    listener.close()
    _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 1


def test_a_listener_is_made_by_a_context_too(in_child):
    """
    `Filter.load` returns the listener; another thread, not filtered, answers.
    """

    def child():
        with Filter(default=ALLOW) as context:
            context.add_rule(NOTIFY, "getppid", LinuxSeccompArg(0, 9, "SCMP_CMP_EQ"))
            listener = context.load()

            def answer():
                with listener:
                    listener.respond(listener.receive(), value=7)

            thread = threading.Thread(target=answer)
            thread.start()
            result = LIBC.syscall(library.syscall_number("getppid"), 9)
            thread.join()
            return [result, listener.fileno()]

    assert in_child(child) == [7, -1]


def test_a_process_gets_one_listener(in_child):
    """
    A second listener is refused, and a filter without NOTIFY has none.
    """

    def child():
        with Filter(default=ALLOW) as context:
            context.add_rule(NOTIFY, "getppid")
            first = context.load()
        with Filter(default=ALLOW) as plain, Filter(default=ALLOW) as second:
            second.add_rule(NOTIFY, "getuid")
            try:
                second.load()
            except CallFailed as e:
                return [first.fileno() > 2, plain.load(), e.errno, str(e)]

    text = "seccomp_load with a second listener: device or resource busy"
    assert in_child(child) == [True, None, errno.EBUSY, text]


def test_a_call_without_a_name():
    """
    The name of a call that this libseccomp does not know is asked for in vain.
    """
    call = Notification(
        id=1, pid=1, number=9999, arch=0xC000003E, instruction_pointer=0, args=(0,) * 6
    )

    with pytest.raises(NotKnown):
        _ = call.name


def test_an_agent_may_hang_up_once_it_has_all(tmp_path):
    """
    Nothing more is asked of the socket: the listener has been handed over.
    """
    path = str(tmp_path / "agent")
    state = ContainerProcessState(oci_version="1.3.0", pid=1, state={})
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def agent():
            for _ in range(20):
                connection, _ = server.accept()
                socket.recv_fds(connection, 65536, 4)
                connection.close()

        thread = threading.Thread(target=agent)
        thread.start()
        for _ in range(20):
            send_listener(path, state, 0)
        thread.join()


def test_an_agent_that_is_not_there_is_named(tmp_path):
    """
    Nobody listens: the error has the path.
    """
    state = ContainerProcessState(oci_version="1.3.0", pid=1, state={})

    with pytest.raises(FileNotFoundError, match="send seccomp listener") as e:
        send_listener(str(tmp_path / "none"), state, 0)
    assert e.value.filename == str(tmp_path / "none")
