"""Workloads that are not programs of the image: what an `Executor` runs in a container.

    class Answer:
        name = "answer"

        def validate(self, spec):
            return spec.annotations == {"workload": "answer"}

        def prepare(self, args, env):
            self.text = open(args[0]).read()

        def exec(self, args, env):
            print(self.text)
            return 0

    Container.create("one", bundle=bundle, executors=[Answer()])

The container is made as ever; only its last step differs.  Where a program would be executed, the
interpreter that built the container stays, has given up all that the program would not have had,
and calls `exec`.  So this is the one case in which Python runs in a container, and it is refused
where that could harm others: an interpreter is only seen in a pid namespace of the container's
own, it is not the host's file but a sealed copy, and it may not open the libraries that it has
mapped (CAP_SYS_ADMIN and CAP_CHECKPOINT_RESTORE need a user namespace around them).  Nothing else
is executed beside it: `exec` into the container is refused.

`Container.create` starts the sealed copy by itself.  Executors are pickled for it, so their class
is one of a module that can be imported, not of the program that is run.
"""

from __future__ import annotations

import posix

from .errors import InitFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    from .spec.document import Spec
else:
    Protocol = object  # `typing` costs more than a whole start


class Executor(Protocol):
    """One kind of workload."""

    name: str  # for errors, and how the process is called; 15 bytes of it are seen

    def validate(self, spec: Spec) -> bool:
        """Tell whether a document is for us.  In the interpreter that creates, before all else.

        Here is the time to import what the others need: later nothing can be.  Raises SpecError
        for a document that is for us and that we cannot run.
        """
        ...

    def prepare(self, args: tuple[str, ...], env: tuple[str, ...]) -> None:
        """Read and make ready what `exec` needs.

        In the container, with the ids, capabilities, limits and filter of its process, and its
        working directory.  What is raised here is create's failure.
        """
        ...

    def exec(self, args: tuple[str, ...], env: tuple[str, ...]) -> int:
        """Be the process; return its exit status.  After `start`, in the same place as prepare."""
        ...


def choose(executors: Sequence[Executor], spec: Spec) -> Executor | None:
    """Return the first that a document is for; None: it is a program's.  Raises SpecError."""
    for executor in executors:
        if executor.validate(spec):
            if not (executor.name and executor.name.isprintable()):
                raise InitFailed("executor", None, f"{executor!r} has no name that can be shown")
            return executor
    return None


def is_sealed() -> bool:
    """Whether this interpreter is a copy that nobody can write."""
    import fcntl

    fd = posix.open("/proc/self/exe", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        return bool(fcntl.fcntl(fd, fcntl.F_GET_SEALS) & fcntl.F_SEAL_WRITE)
    except OSError:
        return False  # a file on disk has none
    finally:
        posix.close(fd)
