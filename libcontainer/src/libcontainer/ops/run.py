"""run: create and start, and in the foreground also wait and delete."""

from __future__ import annotations

from ..errors import ContainerError
from ..foreground import Foreground
from ..handover import write_pid_file
from ..kernel import constants as c
from ..kernel.linux import LinuxKernel
from .create import CreateOptions, create
from .delete import delete
from .start import start


def run(
    id: str,
    options: CreateOptions,
    *,
    detach: bool = False,
    keep: bool = False,
    subreaper: bool = True,
) -> int:
    """Run a container; return its exit status, 128 + n for a signal, 0 when detached.

    In the foreground the caller's signals go to init, orphans of the container come to us, and
    the container is deleted at its end unless `keep`.
    """
    pid_file, options.pid_file = options.pid_file, None
    if detach:
        pid = create(id, options)
        _start(id, options.root)
        if pid_file is not None:
            write_pid_file(pid_file, pid)
        return 0
    if subreaper:
        # Before the clone: a container that ends at once must find us.
        LinuxKernel().prctl(c.PR_SET_CHILD_SUBREAPER, 1)
    masters: list[int] = []
    if options.console_socket is None:
        options.on_terminal = masters.append
    pid = create(id, options)
    try:
        with Foreground(pid, masters[0] if masters else None) as foreground:
            start(id, root=options.root)
            if pid_file is not None:
                write_pid_file(pid_file, pid)
            status = foreground.wait()
    except BaseException:
        delete(id, root=options.root, force=True)
        raise
    if not keep:
        delete(id, root=options.root, force=True)
    return status


def _start(id: str, root: str) -> None:
    try:
        start(id, root=root)
    except ContainerError:
        delete(id, root=root, force=True)
        raise
