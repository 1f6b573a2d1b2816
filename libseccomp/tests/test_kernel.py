"""Filters in the real kernel.  Every child below lives, and dies, under one."""

import ctypes
import errno
import os
import signal

import pytest

from libseccomp import (
    ALLOW,
    ERRNO,
    KILL_PROCESS,
    TRACE,
    CallFailed,
    Filter,
    compile_profile,
    kernel,
    library,
    load_program,
    set_no_new_privs,
)

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
