"""Readiness for systemd: `READY=1` of the container, told to who waits for us.  sd_notify(3).

The service manager's socket cannot be handed in: its messages must come from a process that the
manager knows, and MAINPID must be the host's.  So the container gets a socket of its own, at
/run/notify/notify.sock, and what it says there is passed on.  For commands by hand or in a unit;
engines take care of this themselves and never pass NOTIFY_SOCKET on.

    create   `announce`: the folder, its mount, the variable
    start    `Readiness`: listens, has the payload started, passes on
    run      both
"""

from __future__ import annotations

import posix
import select

from .signals import reset_signals
from .spec.mounts import Mount
from .state import NOTIFY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .ops.create import CreateOptions

INSIDE = "/run/notify"
_NAME = "notify.sock"
_OPTIONS = ("bind", "nosuid", "noexec", "nodev", "ro")
_PATIENCE = 30_000  # milliseconds for the manager to take the message, as runc waits


def announce(id: str, options: CreateOptions) -> None:
    """Have the container made with the folder that its socket will be in, and told of it."""
    folder = f"{options.root}/{id}/{NOTIFY}"
    mount = Mount(destination=INSIDE, type="bind", source=folder, options=_OPTIONS)
    options.extra_mounts += (mount,)
    options.extra_env += (f"NOTIFY_SOCKET={INSIDE}/{_NAME}",)
    # Once the container's directory is ours.
    options.on_claimed = lambda: posix.mkdir(folder, 0o755)


class Readiness:
    """The container's socket, between it and the manager's.  A context manager: gone at its end."""

    def __init__(self, manager: str, directory: str) -> None:
        """`manager` is our NOTIFY_SOCKET, `directory` the container's."""
        from _socket import AF_UNIX, SOCK_CLOEXEC, SOCK_DGRAM, socket

        self.manager, self.folder = manager, f"{directory}/{NOTIFY}"
        self.listening = False
        self._sender = 0  # whom the message is to come from, if not from who sends it
        self._socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC)

    def listen(self) -> None:
        """Make the socket, unless the container was made without a folder for it."""
        try:
            fd = posix.open(self.folder, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            self._remove()  # of a start that was killed
            self.listening = True
            # Through the handle: an address holds 108 bytes, a path more.
            self._socket.bind(f"/proc/self/fd/{fd}/{_NAME}")
        finally:
            posix.close(fd)
        # Whoever the payload is, in its user namespace.
        posix.chmod(f"{self.folder}/{_NAME}", 0o777)

    def __enter__(self) -> Readiness:
        return self

    def __exit__(self, *exc: object) -> None:
        self._socket.close()
        if self.listening:
            self._remove()

    def _remove(self) -> None:
        try:
            posix.unlink(f"{self.folder}/{_NAME}")
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
                self._tell(b"READY=1\nMAINPID=%d" % pid)
                self._wait_until_taken()
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
            # Ours would pass on to the container what the whole group of us has been sent.
            reset_signals()
            self.pass_on(self._sender, pidfd)
        finally:
            posix._exit(0)

    def _wait_until_taken(self) -> None:
        """Stay while the manager reads: it asks who has sent, and somebody gone is nobody.

        sd_notify_barrier(3): the pipe ends when the message has been handled, understood or not.
        """
        if self._sender:
            return  # who stays anyhow
        reader, writer = posix.pipe2(posix.O_CLOEXEC)
        try:
            self._tell(b"BARRIER=1", writer)
            posix.close(writer)
            poll = select.poll()
            poll.register(reader, 0)
            poll.poll(_PATIENCE)
        finally:
            posix.close(reader)

    def _tell(self, message: bytes, fd: int | None = None) -> None:
        import _socket as s
        import struct

        address = self.manager
        to: str | bytes = b"\0" + address[1:].encode() if address[:1] == "@" else address
        rights = [] if fd is None else [(s.SOL_SOCKET, s.SCM_RIGHTS, struct.pack("i", fd))]
        manager = s.socket(s.AF_UNIX, s.SOCK_DGRAM | s.SOCK_CLOEXEC)
        try:
            if self._sender:
                # A manager listens to the main process alone.  unix(7): root may name another.
                who = struct.pack("3i", self._sender, posix.getuid(), posix.getgid())
                try:
                    named = (s.SOL_SOCKET, s.SCM_CREDENTIALS, who)
                    manager.sendmsg([message], [*rights, named], 0, to)
                    return
                except PermissionError:
                    pass
            manager.sendmsg([message], rights, 0, to)
        finally:
            manager.close()
