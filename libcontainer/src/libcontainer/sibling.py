"""A container for a program with threads: a fresh interpreter clones init for it.

A raw clone beside a running thread may take a lock along that nobody in the child will ever
release.  So the program spawns this, which has one thread, and which makes init with CLONE_PARENT:
the program's own child, that it waits for like any other.
"""

from __future__ import annotations

import fcntl
import os
import sys

from . import codec
from .errors import ContainerError, InitFailed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

_PROGRAM = """\
import sys
sys.path[:0] = {folders!r}
from libcontainer.sibling import main
main(sys.argv[1], int(sys.argv[2]))
"""
_ABOVE = 64  # where descriptors stand aside while they are put in order


def create_beside(
    id: str, options: Mapping[str, Any], *, stdio: Sequence[int], python: str = sys.executable
) -> int:
    """Create a container by a fresh interpreter; return init's pid, which is our child.

    `options` are CreateOptions' names.  `stdio` becomes 0, 1, 2, 3 ... of the container.  `python`
    is the interpreter, for programs that are not one themselves.  Raises ContainerError.
    """
    reader, writer = os.pipe()
    aside = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _ABOVE) for fd in (*stdio, writer)]
    os.close(writer)
    try:
        actions = [(os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate(aside)]
        folders = [folder for folder in sys.path if folder]
        text = codec.dumps({"id": id} | dict(options))
        argv = [python, "-IBXutf8", "-c", _PROGRAM.format(folders=folders), text, str(len(stdio))]
        # A spawn, not a fork: nothing of ours runs in the child.
        pid = os.posix_spawn(python, argv, {}, file_actions=actions)
    finally:
        for fd in aside:
            os.close(fd)
    with os.fdopen(reader, "rb") as file:
        said = file.read()
    os.waitpid(pid, 0)
    if not said:
        raise InitFailed("", None, "the interpreter that creates the container has failed")
    answer = codec.loads(said.decode())
    failed = "error" in answer
    # What stood between the interpreter and init, and after a failure init too: ours to reap.
    for child in answer["children"] if failed else answer["children"][:-1]:
        os.waitpid(child, 0)
    if failed:
        raise _error(answer["error"])
    return int(answer["children"][-1])


def main(text: str, answer: int) -> None:
    """Create what `text` says, and tell pid or error to the descriptor `answer`.  Never returns."""
    from .ops.create import CreateOptions, create

    os.set_inheritable(answer, False)
    asked = codec.loads(text)
    id = asked.pop("id")
    options = CreateOptions(**asked | {"extra_env": tuple(asked.pop("extra_env", ()))})
    options.as_sibling = True
    told: dict[str, Any] = {"children": []}
    options.on_children = lambda children: told.update(children=children)
    try:
        create(id, options)
    except BaseException as e:
        told["error"] = _described(e)
    os.write(answer, codec.dumps(told).encode())
    os._exit(0)


def _described(e: BaseException) -> list[Any]:
    if isinstance(e, ContainerError):
        return [type(e).__name__, *e.args]
    return ["InitFailed", "", getattr(e, "errno", None), str(e)]


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
