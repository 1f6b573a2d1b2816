"""Readiness for systemd: `READY=1` of the container, told to who waits for us.  sd_notify(3).

The service manager's socket cannot be handed in: its messages must come from a process that the
manager knows, and MAINPID must be the host's.  So the container gets a socket of its own, at
/run/notify/notify.sock, and what it says there is passed on.  For `run` by hand or in a unit;
engines take care of this themselves and never pass NOTIFY_SOCKET on.
"""

from __future__ import annotations

import _socket
import posix
import select
import struct

from .spec.mounts import Mount

INSIDE = "/run/notify"
_NAME = "notify.sock"
_OPTIONS = ("bind", "nosuid", "noexec", "nodev", "ro")


class Readiness:
    """The container's socket, between it and the manager's.  A context manager: gone at its end."""

    def __init__(self, manager: str, folder: str) -> None:
        """`manager` is our NOTIFY_SOCKET, `folder` the directory that `open` will make."""
        self.manager, self.folder = manager, folder
        self._sender = 0  # whom the message is to come from, if not from who sends it
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)

    def open(self) -> None:
        """Make the folder and the socket in it.  Once the container's directory is ours."""
        folder = self.folder
        posix.mkdir(folder, 0o755)
        fd = posix.open(folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        try:
            # Through the handle: an address holds 108 bytes, a path more.
            self._socket.bind(f"/proc/self/fd/{fd}/{_NAME}")
        finally:
            posix.close(fd)
        posix.chmod(f"{folder}/{_NAME}", 0o777)  # whoever the payload is, in its user namespace

    @property
    def mount(self) -> Mount:
        """What puts the socket into the container."""
        return Mount(destination=INSIDE, type="bind", source=self.folder, options=_OPTIONS)

    @property
    def variable(self) -> str:
        """What tells the payload of it."""
        return f"NOTIFY_SOCKET={INSIDE}/{_NAME}"

    def __enter__(self) -> Readiness:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()
        for path, remove in ((f"{self.folder}/{_NAME}", posix.unlink), (self.folder, posix.rmdir)):
            try:
                remove(path)
            except FileNotFoundError:
                pass

    def pass_on(self, pid: int, pidfd: int) -> None:
        """Pass messages on until the container is ready, or its init has ended."""
        poll = select.poll()
        poll.register(self._socket.fileno(), select.POLLIN)
        poll.register(pidfd, select.POLLIN)
        while True:
            ready = dict(poll.poll())
            if self._socket.fileno() not in ready:
                return  # ended without a word
            lines = self._socket.recv(4096).split(b"\n")
            if b"READY=1" in lines:
                self._tell(b"READY=1\nMAINPID=%d" % pid, self._sender)
                return

    def pass_on_beside(self, pidfd: int) -> int:
        """The same by a child of ours, whose pid is returned: we have other things to wait for.

        We are the service's main process, and stay it, so the message comes from us.
        """
        self._sender = posix.getpid()
        child = posix.fork()
        if child:
            return child
        try:
            self.pass_on(self._sender, pidfd)
        finally:
            posix._exit(0)

    def _tell(self, message: bytes, sender: int) -> None:
        address = self.manager
        to: str | bytes = b"\0" + address[1:].encode() if address[:1] == "@" else address
        manager = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        try:
            if sender:
                # A manager listens to the main process alone.  unix(7): root may name another.
                who = struct.pack("3i", sender, posix.getuid(), posix.getgid())
                rights = (_socket.SOL_SOCKET, _socket.SCM_CREDENTIALS, who)
                try:
                    manager.sendmsg([message], [rights], 0, to)
                    return
                except PermissionError:
                    pass
            manager.sendto(message, to)
        finally:
            manager.close()
