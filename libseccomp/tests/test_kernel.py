"""Filters in the real kernel.  Every child below lives, and dies, under one."""

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
    ERRNO,
    KILL_PROCESS,
    NOTIFY,
    TRACE,
    CallFailed,
    ContainerProcessState,
    Filter,
    LinuxSeccompArg,
    Listener,
    Notification,
    NotKnown,
    compile_profile,
    kernel,
    library,
    load_program,
    set_no_new_privs,
)
from libseccomp.handover import send_listener
from libseccomp.notify import is_native

LIBC = ctypes.CDLL(None, use_errno=True)
PTRACE_CONT, PTRACE_GETEVENTMSG, PTRACE_SEIZE = 7, 0x4201, 0x4206
PTRACE_O_TRACESECCOMP, PTRACE_EVENT_SECCOMP = 0x80, 7


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


def test_errno_fails_the_call(make_profile, in_child):
    """
    ERRNO fails a call with the errno of the rule, other calls go on.
    """
    profile = make_profile("ALLOW", ("mkdir mkdirat", "ERRNO", {"errnoRet": errno.EXFULL}))

    def child():
        load(profile)
        return [outcome(os.mkdir, "/tmp"), outcome(os.getuid)]

    assert in_child(child) == ["EXFULL", os.getuid()]


def test_conditions_hold_in_the_kernel(make_profile, in_child):
    """
    A rule with conditions fails only the calls that meet them.
    """
    two = {"args": [{"index": 0, "value": 2, "op": "SCMP_CMP_EQ"}], "errnoRet": 5}
    profile = make_profile("ALLOW", ("dup", "ERRNO", two))

    def child():
        load(profile)
        return [outcome(LIBC.dup, 2), outcome(LIBC.dup, 1) > 2]

    assert in_child(child) == [-1, True]


def test_overlapping_conditions_hold_in_the_kernel(make_profile, in_child):
    """
    The block that decides a call before the filter is one that the kernel takes.
    """
    rules = [
        ("getpriority", "ERRNO", {"errnoRet": code, "args": [{"index": 0, "value": v, "op": op}]})
        for code, v, op in [(71, 2**33, "SCMP_CMP_GE"), (72, 1000, "SCMP_CMP_GT")]
    ]
    profile = make_profile("ALLOW", *rules)
    number = library.syscall_number("getpriority")

    def child():
        load(profile)
        codes = []
        for value in (2**33, 2**33 - 1, 1001, 1000):
            ctypes.set_errno(0)
            LIBC.syscall(number, ctypes.c_ulong(value), 0)
            codes.append(ctypes.get_errno())
        return codes

    assert in_child(child) == [71, 72, 72, errno.EINVAL]


@pytest.mark.parametrize(
    ("action", "expected"),
    [("KILL_PROCESS", signal.SIGSYS), ("KILL", signal.SIGSYS), ("TRAP", signal.SIGSYS)],
)
def test_kill_and_trap_end_with_sigsys(make_profile, in_child, action, expected):
    """
    A killed or trapped process dies of SIGSYS.
    """
    profile = make_profile("ALLOW", ("getppid", action))

    def child():
        load(profile)
        os.getppid()

    assert os.WTERMSIG(in_child(child)) == expected


def test_log_lets_the_call_happen_and_logs_it(make_profile, in_child):
    """
    LOG is for trying a profile out: the call happens, the kernel's log has its number.
    """
    profile = make_profile("ALLOW", ("getppid", "LOG"))

    def child():
        load(profile)
        return [os.getppid(), os.getpid()]

    try:
        log = os.open("/dev/kmsg", os.O_RDONLY | os.O_NONBLOCK)
    except OSError as e:
        log, reason = None, e.strerror
    else:
        os.lseek(log, 0, os.SEEK_END)
    parent, pid = in_child(child)
    assert parent == os.getpid()

    if log is None:
        pytest.skip(f"the call happened, but /dev/kmsg cannot be read: {reason}")
    records = read_log(log)
    if not records:
        pytest.skip("the call happened, but this kernel has no audit messages in its log")
    number = library.syscall_number("getppid")
    assert any(f"pid={pid} " in r and f"syscall={number} " in r for r in records)


def read_log(log):
    """Return the seccomp records (audit type 1326) that are new in the kernel's log."""
    records = []
    while True:
        try:
            text = os.read(log, 8192).decode(errors="replace")
        except BlockingIOError:
            break
        if "type=1326" in text:
            records.append(text)
    os.close(log)
    return records


def test_trace_without_a_tracer_fails_with_enosys(make_profile, in_child):
    """
    A call that a tracer should judge fails if there is none.
    """
    profile = make_profile("ALLOW", ("mkdir mkdirat", "TRACE", {"errnoRet": 77}))

    def child():
        load(profile)
        return outcome(os.mkdir, "/tmp")

    assert in_child(child) == "ENOSYS"


def test_trace_stops_for_the_tracer_with_the_message(make_profile):
    """
    TRACE stops the call and hands the tracer the 16 bits of the rule.
    """
    profile = make_profile("ALLOW", ("getppid", "TRACE", {"errnoRet": 0x1234}))
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            load(profile)
            os.read(reader, 1)  # until the tracer is there
            os._exit(0 if os.getppid() else 1)
        finally:
            os._exit(2)
    options = ctypes.c_void_p(PTRACE_O_TRACESECCOMP)
    assert LIBC.ptrace(PTRACE_SEIZE, pid, None, options) == 0
    os.write(writer, b"x")

    _, status = os.waitpid(pid, 0)
    message = ctypes.c_ulong()
    LIBC.ptrace(PTRACE_GETEVENTMSG, pid, None, ctypes.byref(message))
    LIBC.ptrace(PTRACE_CONT, pid, None, None)
    _, end = os.waitpid(pid, 0)

    assert status >> 8 == signal.SIGTRAP | PTRACE_EVENT_SECCOMP << 8
    assert message.value == 0x1234
    assert os.waitstatus_to_exitcode(end) == 0
    for fd in (reader, writer):
        os.close(fd)


def test_newer_calls_fail_with_enosys_in_the_kernel(make_profile, in_child):
    """
    A call above the newest one of the profile looks as if the kernel did not have it.
    """
    names = " ".join(
        name for number, name in library.known_calls(library.native_arch()) if number <= 300
    )
    strict = make_profile("ERRNO", (names, "ALLOW"), defaultErrnoRet=1)

    def child():
        load(strict)
        return [outcome(os.memfd_create, "x"), outcome(os.getuid)]

    if library.syscall_number("memfd_create") <= 300:
        pytest.skip("memfd_create is no new call on this architecture")
    assert in_child(child) == ["ENOSYS", os.getuid()]


def test_loading_needs_no_new_privs_or_a_capability(make_profile, in_child):
    """
    Without no_new_privs and CAP_SYS_ADMIN the kernel refuses a filter.
    """
    compiled = compile_profile(make_profile("ALLOW"))

    def child():
        if os.getuid() == 0:
            os.setuid(65534)
        try:
            return load_program(compiled)
        except CallFailed as e:
            return [e.errno, str(e)]

    text = "seccomp to load a filter: permission denied"
    assert in_child(child) == [errno.EACCES, text]


def test_a_context_loads_itself(in_child):
    """
    `Filter.load` sets no_new_privs and filters the calling thread.
    """

    def child():
        with Filter(default=ALLOW) as context:
            context.add_rule(ERRNO(errno.EDOM), "getppid")
            listener = context.load()
        with open("/proc/self/status") as status:
            lines = [line.split() for line in status if line.startswith(("NoNewP", "Seccomp:"))]
        LIBC.syscall(library.syscall_number("getppid"))
        return [listener, lines, ctypes.get_errno()]

    listener, lines, code = in_child(child)

    assert (listener, lines) == (None, [["NoNewPrivs:", "1"], ["Seccomp:", "2"]])
    assert code == errno.EDOM


def test_a_context_whose_load_is_refused_says_why(in_child):
    """
    The kernel's errno comes through, not the library's ECANCELED.
    """

    def child():
        if os.getuid() == 0:
            os.setuid(65534)
        with Filter(default=ALLOW) as context:
            context.no_new_privs = 0
            try:
                context.load()
            except CallFailed as e:
                return [e.call, e.errno]

    assert in_child(child) == ["seccomp_load", errno.EACCES]


def test_what_the_kernel_has():
    """
    Flags and actions of this kernel can be asked for.
    """
    assert kernel.has_flag(2) and not kernel.has_flag(1 << 30)
    assert kernel.has_action(KILL_PROCESS) and kernel.has_action(TRACE(0))
    assert not kernel.has_action(0x12340000)
    assert "SECCOMP_FILTER_FLAG_LOG" in kernel.supported_flags()


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


PARENT = os.getpid()


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


def test_an_agent_that_is_not_there_is_named(tmp_path):
    """
    Nobody listens: the error has the path.
    """
    state = ContainerProcessState(oci_version="1.3.0", pid=1, state={})

    with pytest.raises(FileNotFoundError, match="send seccomp listener") as e:
        send_listener(str(tmp_path / "none"), state, 0)
    assert e.value.filename == str(tmp_path / "none")
