"""start: let a created container's process become the payload."""

from __future__ import annotations

import fcntl
import posix
import select

from .. import _log, identity
from ..errors import WrongStatus, failures
from ..state import SavedState, StateDirectory, open_directory
from ..status import CREATED, RUNNING, STOPPED, hook_document, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..readiness import Readiness

ALREADY = "cannot start an already running container"
GONE = "cannot start a container that has stopped"


def start(id: str, *, root: str, ready: Readiness | None = None) -> None:
    """Start a created container; return when the payload runs, or has failed to.

    That an execve fails is not an error of start: init tells it on the container's stderr and
    exits with 1.  A startContainer or poststart hook that fails is one; the container is then
    deleted.  `ready` listens from before the payload's first word.
    Raises NoSuchContainer, WrongStatus, HookFailed.
    """
    with open_directory(root, id) as directory:
        saved = directory.load()
        gate = _open_gate(saved, directory)
        try:
            if ready is not None:
                ready.listen()
            if "startContainer" in saved.hooks:
                _run_hooks("startContainer", saved, directory)
            _open(saved, directory, gate)
        finally:
            posix.close(gate)
        if "poststart" in saved.hooks:
            _run_hooks("poststart", saved, directory)


def start_service(id: str, *, root: str, notify_socket: str) -> None:
    """The same; return when the container has said that it is ready, and that was passed on.

    One that was created without a service manager is not waited for.
    """
    from ..readiness import Readiness  # rare

    with open_directory(root, id) as directory:
        saved = directory.load()
    with Readiness(notify_socket, f"{root}/{id}") as ready:
        pidfd = identity.open_pidfd(saved.pid, saved.start_time)
        try:
            start(id, root=root, ready=ready)
            if pidfd is not None and ready.listening:
                ready.pass_on(saved.pid, pidfd)
        finally:
            if pidfd is not None:
                posix.close(pidfd)


def _open_gate(saved: SavedState, directory: StateDirectory) -> int:
    """Return the start barrier, locked against another start."""
    status = status_of(saved, directory)
    if status != CREATED:
        raise WrongStatus(saved.id, status, _refusal(status))
    gate = directory.open_fifo()
    if gate is None:
        raise WrongStatus(saved.id, status, _refusal(status_of(saved, directory)))
    try:
        # On the fifo, not the directory: it dies with its holder, and nobody else waits for it.
        fcntl.flock(gate, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        posix.close(gate)
        raise WrongStatus(saved.id, RUNNING, ALREADY) from None
    return gate


def _open(saved: SavedState, directory: StateDirectory, gate: int) -> None:
    try:
        posix.write(gate, b"s")
    except BrokenPipeError:
        raise WrongStatus(saved.id, STOPPED, GONE) from None
    # The stub keeps its end until the execve: the error tells exactly when the payload runs, or
    # the stub has died.
    poll = select.poll()
    poll.register(gate, 0)
    poll.poll()
    _log.debug(f"container {saved.id} started, pid {saved.pid} has left the start barrier")


def _refusal(status: str) -> str:
    if status == STOPPED:
        return GONE
    if status == RUNNING:
        return ALREADY
    return f"cannot start a container in the {status} state"


def _run_hooks(kind: str, saved: SavedState, directory: StateDirectory) -> None:
    """Run hooks before or after the start; a failure is the container's end (runtime-spec 1.3)."""
    from ..hooks import Output, run_hooks
    from ..spec.load import load_spec

    spec = load_spec(directory.document())
    if spec.hooks is None:
        return
    _log.debug(f"run the {kind} hooks of container {saved.id}")
    try:
        with Output(saved.annotations) as output:
            if kind == "startContainer":
                from ..process.start_hooks import StartHooks  # all that exec needs

                StartHooks(spec, saved, root=directory.root, output=output).run()
            else:
                document, hooks = hook_document(saved, RUNNING), spec.hooks.poststart
                run_hooks(kind, hooks, document, cwd=saved.bundle, output=output)
    except failures():
        from .delete import destroy

        directory.lock()
        destroy(saved, directory, ended=False)
        raise
