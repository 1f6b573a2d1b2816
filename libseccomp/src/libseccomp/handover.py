"""Giving the listener of a container to its agent: one message on a unix stream socket.

runtime-spec, config-linux.md, "Container Process State": a JSON object, and with its first byte
the descriptors that it names, in that order.
"""

from __future__ import annotations

import posix

from ._record import Record, key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FD_NAME = "seccompFd"  # the specification's name for the listener
_LONGEST = 107  # bytes of a path in struct sockaddr_un, its end not counted


class ContainerProcessState(Record):
    """What the agent is told about the process under the filter."""

    oci_version: str
    pid: int  # the filtered process, as the runtime sees it
    state: dict[str, object]  # the state document of the container
    fds: tuple[str, ...] = (FD_NAME,)
    metadata: str | None = key("metadata", default=None)  # listenerMetadata of the profile

    def encode(self) -> bytes:
        """Return the message."""
        import json

        return json.dumps(self.to_json()).encode()


def send_listener(path: str, state: ContainerProcessState, listener: int) -> None:
    """Connect to the agent at `path`, send it the message and the listener, and hang up.

    The caller closes its own copy of the listener.  Raises OSError naming the path.
    """
    import _socket

    agent = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC)
    try:
        _connect(agent, path)
        message = state.encode()
        rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, listener.to_bytes(4, _byte_order()))
        # A stream may take less than all; the descriptor goes with what is sent first.
        sent = agent.sendmsg([message], [rights])
        # Not sendall of nothing: that would ask the socket whether the agent is still there.
        while sent < len(message):
            sent += agent.send(message[sent:])
    except OSError as e:
        raise OSError(e.errno, f"send seccomp listener: {e.strerror}", path) from e
    finally:
        agent.close()


def _byte_order() -> Any:
    import sys

    return sys.byteorder


def _connect(agent: Any, path: str) -> None:
    raw = path.encode("utf-8", "surrogateescape")
    if len(raw) <= _LONGEST:
        agent.connect(path)
        return
    # Too long for an address, so named through its directory.
    folder, _, name = path.rpartition("/")
    fd = posix.open(folder or "/", posix.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        agent.connect(f"/proc/self/fd/{fd}/{name}")
    finally:
        posix.close(fd)
