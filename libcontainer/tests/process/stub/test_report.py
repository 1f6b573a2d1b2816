import pytest

from libcontainer.process.stub.report import SIZE, read_failure, read_pid


def test_failure_is_index_and_errno():
    """
    A failure names the call by its index and has the kernel's errno.
    """
    assert read_failure(b"E\x03\0\0\0\x0d\0\0\0") == (3, 13)


def test_unmet_want_has_no_errno():
    """
    A result that was not wanted has no errno.
    """
    assert read_failure(b"E\x03\0\0\0\0\0\0\0") == (3, None)


def test_pid_is_unsigned():
    """
    A fork reports the pid.
    """
    assert read_pid(b"P\x01\x02\0\0\0\0\0\0") == 0x201


@pytest.mark.parametrize("report", [b"", b"E", b"E" * (SIZE + 1), b"P" + bytes(8)])
def test_anything_else_is_refused(report):
    """
    A report that is cut off, or of the other kind, is no report.
    """
    with pytest.raises(ValueError, match="read the stub's report"):
        read_failure(report)


def test_failure_is_no_pid():
    """
    A failure is never taken for a pid.
    """
    with pytest.raises(ValueError, match="read the stub's report"):
        read_pid(b"E" + bytes(8))
