"""Making init: one clone3 in a single-threaded process."""

from __future__ import annotations

import gc
import posix
import sys

from ..errors import ContainerError
from ..kernel import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel import Kernel


class ThreadsRunning(ContainerError):
    """The process has threads, so its memory cannot be carried into a child."""

    def __init__(self, count: int) -> None:
        super().__init__(count)
        self.count = count

    def __str__(self) -> str:
        return f"cannot clone beside {self.count - 1} other threads of this process"


def clone_init(
    kernel: Kernel, body: Callable[[], None], *, flags: int, cgroup: int | None, parent: bool
) -> int:
    """Run `body` in a new process with new namespaces; return its pid.

    `cgroup` is a cgroup v2 directory that it is born in.  `parent` makes it the child of our own
    parent.  `body` ends by becoming another program; if it returns or raises, the child ends.
    """
    # Another thread may hold a lock of the C library or of the interpreter; in the child nobody
    # would ever release it (measured: 54 of 60 children hung).  Threads of C libraries, too, so
    # the kernel is asked, not `threading`.
    if (count := len(posix.listdir("/proc/self/task"))) > 1:
        raise ThreadsRunning(count)
    flags |= c.CLONE_PARENT if parent else 0
    pid = kernel.clone3(flags, cgroup=cgroup, signal=0 if parent else 17)
    if pid:
        return pid
    try:
        _calm()
        body()
    finally:
        posix._exit(1)


def _calm() -> None:
    """Let nothing of the caller's interpreter act in the child by itself.

    A raw clone runs none of CPython's at-fork handlers: a collection, a trace function or the
    wakeup descriptor of the caller would act here, with the caller's handles.
    """
    gc.disable()
    sys.settrace(None)
    sys.setprofile(None)
    if (signal := sys.modules.get("_signal")) is not None:
        signal.set_wakeup_fd(-1)
    # Whatever was not imported before must not be found now: soon other people's files lie where
    # a module would be looked for (CVE-2019-14271).
    sys.path.clear()
    sys.meta_path.clear()
