"""The clone that makes init, as far as it can be tried without one."""

import pickle
import threading

import pytest

from libcontainer.kernel import constants as c
from libcontainer.process.clone import ThreadsRunning, clone_init
from libcontainer.testing import NOBODY


@pytest.mark.parametrize(
    ("parent", "flags", "signal"),
    [(False, c.CLONE_NEWNS, 17), (True, c.CLONE_NEWNS | c.CLONE_PARENT, 0)],
    ids=["child", "sibling"],
)
def test_init_is_a_child_or_a_sibling(kernel, apart, parent, flags, signal):
    """
    A sibling is our parent's child, and its parent decides how it hears of its end.
    """

    def body():  # in a process without the threads of the test runner
        pid = clone_init(kernel, lambda: None, flags=c.CLONE_NEWNS, cgroup=9, parent=parent)

        assert pid == NOBODY
        assert kernel.calls == [("clone3", (flags, 9, signal))]

    apart(body)


def test_no_clone_beside_threads(kernel, apart):
    """
    A thread may hold a lock that nobody would ever release in the child.
    """

    def body():
        stop = threading.Event()
        thread = threading.Thread(target=stop.wait)
        thread.start()
        try:
            with pytest.raises(ThreadsRunning, match="^cannot clone beside 1 other threads") as e:
                clone_init(kernel, lambda: None, flags=0, cgroup=None, parent=False)
        finally:
            stop.set()
            thread.join()
        assert kernel.calls == []
        assert pickle.loads(pickle.dumps(e.value)).count == 2

    apart(body)
