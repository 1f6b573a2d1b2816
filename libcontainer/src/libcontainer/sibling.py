"""A container for a program with threads: a fresh interpreter clones init for it.

A raw clone beside a running thread may take a lock along that nobody in the child will ever
release.  So the program spawns this, which has one thread, and which makes init with CLONE_PARENT:
the program's own child, that it waits for like any other.
"""

from __future__ import annotations

import _signal as signal  # `signal` imports enum: 9 ms
import fcntl
import os
import sys

from . import codec
from .errors import ContainerError, InitFailed
from .signals import get_mask, hold_stops_while_failing, set_mask

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from .executor import Executor

# What is asked comes by a descriptor: a command line is short, and can be read by everybody.
_PROGRAM = """\
import marshal, os, sys
question, answer = int(sys.argv[1]), int(sys.argv[2])
with open(question, "rb") as file:
    folders, text = marshal.load(file)
sys.path[:0] = folders
from libcontainer.sibling import main
main(text, answer)
"""


def create_beside(
    id: str,
    options: Mapping[str, Any],
    *,
    stdio: Sequence[int],
    python: str = sys.executable,
    executors: Sequence[Executor] = (),
) -> int:
    """Create a container by a fresh interpreter; return init's pid, which is our child.

    `options` are CreateOptions' names.  `stdio` becomes 0, 1, 2, 3 ... of the container.  `python`
    is the interpreter, for programs that are not one themselves; with executors it runs from a
    copy that nobody can write, since one of them may become what the container runs.  Raises
    ContainerError.
    """
    asked = {"id": id} | _written_out(options)
    if executors:
        asked["executors"] = _pickled(executors)
    reader, writer = os.pipe()
    try:
        try:
            pid = _spawn(asked, writer, stdio, python, sealed=bool(executors))
        finally:
            os.close(writer)
        said = _answer(id, asked["root"], pid, reader)
    finally:
        os.close(reader)
    if not said:
        raise InitFailed("", None, "the interpreter that creates the container has failed")
    told = codec.loads(said)
    failed = "error" in told
    # What stood between the interpreter and init, and after a failure init too: ours to reap.
    for child in told["children"] if failed else told["children"][:-1]:
        _reap(child)
    if failed:
        raise _error(told["error"])
    return int(told["children"][-1])


def _spawn(
    asked: Mapping[str, Any], writer: int, stdio: Sequence[int], python: str, *, sealed: bool
) -> int:
    """Start the interpreter, which answers to `writer`; return its pid.  Raises InitFailed."""
    opened: list[int] = []
    question, answer = len(stdio), len(stdio) + 1

    def stand_aside(fd: int) -> int:
        """Copy a descriptor to where none of the child's numbers is."""
        opened.append(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, answer + 1))
        return opened[-1]

    try:
        opened.append(_written([folder for folder in sys.path if folder], codec.dumps(asked)))
        own = (*stdio, opened[-1], writer)
        actions = [(os.POSIX_SPAWN_DUP2, stand_aside(fd), number) for number, fd in enumerate(own)]
        argv = [python, "-IBXutf8", "-c", _PROGRAM, str(question), str(answer)]
        program, env = python, {}
        if sealed:
            opened.append(_sealed(python))
            program, env = f"/proc/self/fd/{stand_aside(opened[-1])}", _libraries()
        # Else it could not wait, or not be told to stop, where the program ignores or blocks that.
        heard = (signal.SIGCHLD, signal.SIGTERM)
        # A spawn, not a fork: nothing of ours runs in the child.
        return os.posix_spawn(
            program, argv, env, file_actions=actions, setsigdef=heard, setsigmask=()
        )
    except OSError as e:
        text = f"start the interpreter {python}: {(e.strerror or '').lower()}"
        raise InitFailed("", e.errno, text) from e
    finally:
        for fd in opened:
            os.close(fd)


def _answer(id: str, root: str, pid: int, reader: int) -> str:
    """Return what the interpreter says, which then has ended."""
    said = bytearray()
    try:
        _hear(reader, said)
    except BaseException:
        # Interrupted: it undoes what it has begun, and what it has ended is for us to undo.
        before = get_mask()
        hold_stops_while_failing()
        os.kill(pid, signal.SIGTERM)
        _hear(reader, said)
        _take_back(id, root, said.decode(), pid)
        set_mask(before)
        raise
    _reap(pid)
    return said.decode()


def _hear(reader: int, said: bytearray) -> None:
    while part := os.read(reader, 1 << 16):
        said += part


def _take_back(id: str, root: str, said: str, pid: int) -> None:
    """Leave nothing of a create that nobody waits for any more."""
    _reap(pid)
    told = codec.loads(said) if said else {"children": []}
    if "error" not in told and told["children"]:
        from .ops.delete import delete  # rare

        delete(id, root=root, force=True)
    for child in told["children"]:
        _reap(child)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass  # the program has children reaped by themselves


def _written_out(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options as JSON has them.  Raises InitFailed for what cannot be handed on."""
    found = dict(options)
    if mounts := found.get("extra_mounts"):
        found["extra_mounts"] = [mount.to_json() for mount in mounts]
    for name, value in found.items():
        if callable(value):
            text = f"{name} cannot be called by the interpreter that creates the container"
            raise InitFailed("", None, text)
    return found


def main(text: str, answer: int) -> None:
    """Create what `text` says, and tell pid or error to the descriptor `answer`.  Never returns."""
    from .ops.create import CreateOptions, create
    from .spec.mounts import Mount

    def stop(number: int, frame: object) -> None:
        signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    os.set_inheritable(answer, False)
    asked = codec.loads(text)
    id = asked.pop("id")
    pickled = asked.pop("executors", "")
    asked["extra_env"] = tuple(asked.get("extra_env", ()))
    asked["extra_mounts"] = tuple([Mount.from_json(m) for m in asked.get("extra_mounts", ())])
    options = CreateOptions(**asked)
    options.as_sibling = True
    told: dict[str, Any] = {"children": []}
    options.on_children = lambda children: told.update(children=children)
    try:
        if pickled:
            import pickle  # rare

            try:
                options.executors = pickle.loads(bytes.fromhex(pickled))
            except (AttributeError, ImportError) as e:
                text = f"an executor must be of a class in a module that can be imported: {e}"
                raise InitFailed("executor", None, text) from e
        create(id, options)
    except BaseException as e:
        told["error"] = _described(e)
    hold_stops_while_failing()  # told once, whoever asks us to stop now
    os.write(answer, codec.dumps(told).encode())
    os._exit(0)


def _written(folders: list[str], text: str) -> int:
    """Return a file that holds what the interpreter is asked, to be read from its beginning."""
    import marshal

    fd = os.memfd_create("question", os.MFD_CLOEXEC)
    with open(fd, "wb", closefd=False) as file:
        marshal.dump((folders, text), file)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _pickled(executors: Sequence[Executor]) -> str:
    import pickle  # rare

    try:
        return pickle.dumps(tuple(executors)).hex()
    except (pickle.PicklingError, AttributeError, TypeError) as e:
        text = f"an executor must be of a class in a module that can be imported: {e}"
        raise InitFailed("executor", None, text) from e


def _sealed(python: str) -> int:
    """Return a copy of an interpreter to execute, that nobody can write, close-on-exec."""
    from .process.stub.memfd import sealed  # rare

    with open(python, "rb") as file:
        image = file.read()
    if image[:4] != b"\x7fELF":
        # A script would be read again, by its number, when that is closed.
        raise InitFailed("executor", None, f"{python}: not a program that can be copied")
    return sealed(image, name="python")


def _libraries() -> dict[str, str]:
    """Return the environment by which a copy finds the interpreter's own library, if it has one.

    The program finds it beside itself, which is nowhere for a copy.
    """
    import sysconfig  # rare

    if not sysconfig.get_config_var("Py_ENABLE_SHARED"):
        return {}
    return {"LD_LIBRARY_PATH": str(sysconfig.get_config_var("LIBDIR"))}


def _described(e: BaseException) -> list[Any]:
    if isinstance(e, ContainerError):
        return [type(e).__name__, *e.args]
    text = str(e) if isinstance(e, OSError) else f"{type(e).__name__}: {e}"
    return ["InitFailed", "", getattr(e, "errno", None), text]


def _error(fields: list[Any]) -> ContainerError:
    from . import errors

    name, *rest = fields
    cls: Any = getattr(errors, name, errors.InitFailed)
    values = [tuple(v) if isinstance(v, list) else v for v in rest]
    try:
        found: ContainerError = cls(*values)
    except TypeError:  # an error that lives elsewhere
        found = InitFailed("", None, ": ".join(str(v) for v in values))
    return found
