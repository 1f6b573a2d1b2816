"""The list without the stub: the interpreter makes the calls."""

import errno
import os
import posix
import struct

import pytest

from libcontainer.kernel.linux import LinuxKernel
from libcontainer.process.channel import FAILED
from libcontainer.process.stub.image import Address, Buffer, Call, Pointers, Result, Struct
from libcontainer.process.walk import be, walk

NUMBER = LinuxKernel().number


@pytest.fixture
def walked():
    """Walk a list in a process of its own; return what it reports, and how it ends."""

    def go(calls, *, then=lambda: None):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                walk([make(writer) for make in calls], report=writer)
                then()
                posix._exit(0)
            finally:
                posix._exit(99)
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            said = file.read()
        return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return go


def call(name, *args, **how):
    return lambda writer: Call(NUMBER[name], [writer if a == "out" else a for a in args], **how)


def test_numbers_text_and_results(walked):
    """
    Every call is made in order, and later ones see what earlier ones have returned.
    """
    calls = [
        call("openat", -100, b"/dev/zero", os.O_RDONLY, 0),
        call("read", Result(0), Buffer(8), 8, want=8),
        call("close", Result(0)),
        call("read", Result(0), Buffer(8), 1, ignore=True),
        call("write", "out", b"end", 3, want=3),
    ]

    assert walked(calls) == (b"end", 0)


@pytest.mark.parametrize(
    ("failing", "code"),
    [
        pytest.param(call("openat", -100, b"/no/such", 0, 0), errno.ENOENT, id="refused"),
        pytest.param(call("write", "out", b"", 0, want=1), 0, id="another-result"),
    ],
)
def test_a_call_that_fails_is_told_by_its_index(walked, failing, code):
    """
    As the stub tells it: the index and the errno, and nothing comes after.
    """
    calls = [call("fchdir", -1, ignore=True), failing, call("write", "out", b"no", 2)]

    assert walked(calls) == (FAILED + struct.pack("<II", 1, code), 1)


def test_a_filter_is_loaded_by_its_address(walked):
    """
    A struct with a pointer inside: sock_fprog.
    """
    allow = struct.pack("<HBBI", 0x06, 0, 0, 0x7FFF0000)  # ret ALLOW
    program = Struct(struct.pack("<H6x", 1), Address(allow))
    calls = [
        call("prctl", 38, 1, 0, 0, 0),  # PR_SET_NO_NEW_PRIVS
        call("seccomp", 1, 0, program),
    ]

    def then():
        with open("/proc/self/status") as file:
            assert "Seccomp:\t2" in file.read()

    assert walked(calls, then=then) == (b"", 0)


def test_nothing_is_executed_by_it():
    """
    Argument vectors have no place in such a list.
    """
    with pytest.raises(TypeError, match="no argument of a list without an exec"):
        walk([Call(NUMBER["execve"], [b"/bin/true", Pointers([])])], report=-1)


def test_output_that_nobody_reads_is_no_fault(tmp_path):
    """
    The status counts, also where the end of the output is lost.
    """

    class Talker:
        name = "talker"

        def prepare(self, args, env):
            pass

        def exec(self, args, env):
            raise ValueError("no")

    reader, writer = os.pipe()
    gate, start = os.pipe()
    os.write(start, b"s")
    pid = os.fork()
    if pid == 0:
        try:
            os.close(2)
            be(Talker(), (), (), report=writer, gate=gate)
        finally:
            posix._exit(99)
    os.close(writer)

    assert os.read(reader, 9) == b"S"
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    for fd in (reader, gate, start):
        os.close(fd)
