"""What main and init say to each other."""

import errno
import os
import struct

import pytest

from libcontainer.errors import HookFailed, InitFailed, StepFailed
from libcontainer.process import channel as ch


@pytest.fixture
def talk():
    """Both sides of a channel in one process."""
    made = ch.Channel()
    yield made
    for fd in (made.go_reader, made.go_writer, made.reader, made.writer):
        try:
            os.close(fd)
        except OSError:
            pass  # closed by the test


def test_nothing_outlives_an_exec(talk):
    """
    Every end is close-on-exec.
    """
    for fd in (talk.go_reader, talk.go_writer, talk.reader, talk.writer):
        assert not os.get_inheritable(fd)


@pytest.mark.parametrize("kind", [ch.HOOKS, ch.READY, ch.SET])
def test_single_bytes(talk, kind):
    """
    A message without content is one byte.
    """
    os.write(talk.writer, kind)

    assert talk.hear() == (kind, b"")


def test_messages_follow_each_other(talk):
    """
    Content has its length, so the next message begins where it ends.
    """
    os.write(talk.writer, ch.PID + struct.pack("<II", 42, 0) + ch.READY)
    ch.send_error(talk.writer, InitFailed("a", 1, "b"))
    os.write(talk.writer, ch.FAILED + struct.pack("<II", 7, errno.EPERM) + ch.SET)

    assert talk.hear() == (ch.PID, struct.pack("<II", 42, 0))
    assert talk.hear() == (ch.READY, b"")
    kind, content = talk.hear()
    assert kind == ch.ERROR
    assert ch.received_error(content).args == ("a", 1, "b")
    assert talk.hear() == (ch.FAILED, struct.pack("<II", 7, errno.EPERM))
    assert talk.hear() == (ch.SET, b"")


def test_the_end_of_init_is_the_end_of_the_file(talk):
    """
    When init is gone main hears nothing more.
    """
    os.close(talk.writer)

    assert talk.hear() == (b"", b"")


def test_main_tells_init(talk):
    """
    One byte lets init go on; without a reader it is not there any more.
    """
    assert talk.tell_init(ch.GO)
    assert os.read(talk.go_reader, 2) == ch.GO

    os.close(talk.go_reader)

    assert not talk.tell_init(ch.DONE)


def test_each_side_keeps_its_own_ends():
    """
    After both have taken their sides the death of one is seen by the other.
    """
    talk = ch.Channel()
    talk.in_main()
    assert os.fstat(talk.reader) and os.fstat(talk.go_writer)
    for fd in (talk.go_reader, talk.writer):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
    talk.close()

    talk = ch.Channel()
    talk.in_init()
    assert os.fstat(talk.go_reader) and os.fstat(talk.writer)
    assert os.read(talk.go_reader, 1) == b""
    os.close(talk.go_reader)
    os.close(talk.writer)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(StepFailed("mount /a", 1, "no"), StepFailed("mount /a", 1, "no"), id="step"),
        pytest.param(HookFailed("prestart", 2, "no"), HookFailed("prestart", 2, "no"), id="hook"),
        pytest.param(
            InitFailed("command", None, "é\n"), InitFailed("command", None, "é\n"), id="init"
        ),
        pytest.param(
            PermissionError(errno.EACCES, "open: Permission denied", "/a"),
            InitFailed("", errno.EACCES, "open: permission denied (/a)"), id="kernel",
        ),
        pytest.param(
            OSError(errno.EIO, "Input/output error"),
            InitFailed("", errno.EIO, "input/output error"), id="without-object",
        ),
        pytest.param(KeyError("x"), InitFailed("", None, "KeyError: 'x'"), id="a-fault-of-ours"),
    ],
)  # fmt: skip
def test_errors_arrive_as_what_they_were(talk, error, expected):
    """
    What init raises is raised in main: the same class, the same arguments.
    """
    ch.send_error(talk.writer, error)

    kind, content = talk.hear()
    found = ch.received_error(content)

    assert kind == ch.ERROR
    assert type(found) is type(expected)
    assert found.args == expected.args


def test_a_long_error_arrives_whole(talk):
    """
    An error as long as a pipe takes is read in pieces.
    """
    text = "x" * 60_000

    ch.send_error(talk.writer, InitFailed("", None, text))

    assert str(ch.received_error(talk.hear()[1])) == text
