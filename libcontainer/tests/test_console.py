"""Terminals from a devpts of one's own, and what a hostile image may put in their place."""

import array
import errno
import fcntl
import os
import socket
import stat
import struct
import termios

import pytest

from libcontainer.console import ConsoleSocket, make_console, open_pty, own_stdio
from libcontainer.errors import InitFailed
from libcontainer.handover import PidfdSocket
from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.plan.plan import Terminal
from libcontainer.rootfs.root import Rootfs
from libcontainer.rootfs.steps import NewMount
from libcontainer.step import apply_all
from libcontainer.testing import Link, make_tree


class Engine:
    """The engine's end of a console socket."""

    def __init__(self, path):
        self.path = str(path)
        self._server = socket.socket(socket.AF_UNIX)
        # By a short name: an address holds 108 bytes, a path more.
        folder = os.open(os.path.dirname(self.path), os.O_PATH)
        self._server.bind(f"/proc/self/fd/{folder}/{os.path.basename(self.path)}")
        os.close(folder)
        self._server.listen()
        self._server.settimeout(5)

    def receive(self):
        """Return the text, the descriptor, and what follows."""
        connection, _ = self._server.accept()
        with connection:
            connection.settimeout(5)
            size = array.array("i").itemsize
            text, rights, flags, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4 * size))
            assert flags & socket.MSG_CTRUNC == 0
            fds = array.array("i")
            for level, kind, data in rights:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                fds.frombytes(data)
            return text.decode(), list(fds), connection.recv(1)

    def close(self):
        self._server.close()


@pytest.fixture
def engine(tmp_path):
    made = Engine(tmp_path / "console.sock")
    yield made
    made.close()


def test_the_master_is_sent_in_one_message(engine):
    """
    One message with the name, one descriptor, then the end.
    """
    reader, writer = os.pipe()
    console = ConsoleSocket(engine.path)
    console.send(writer, "/dev/pts/0")
    console.close()

    text, fds, rest = engine.receive()

    assert (text, len(fds), rest) == ("/dev/pts/0", 1, b"")
    os.write(fds[0], b"x")
    assert os.read(reader, 1) == b"x"
    for fd in (reader, writer, *fds):
        os.close(fd)


def test_a_long_path_to_the_socket(tmp_path, no_leak):
    """
    Longer than a socket's address may be.
    """
    folder = tmp_path / ("d" * 120) / ("e" * 120)
    folder.mkdir(parents=True)
    engine = Engine(folder / "s")
    try:
        ConsoleSocket(engine.path).close()
    finally:
        engine.close()


def test_a_relative_path_to_the_socket(engine, monkeypatch):
    """
    As the command line may give it.
    """
    monkeypatch.chdir(os.path.dirname(engine.path))

    ConsoleSocket("console.sock").close()


@pytest.mark.parametrize(("kind", "stage"), [(ConsoleSocket, "console"), (PidfdSocket, "pidfd")])
def test_a_socket_that_nobody_listens_to(tmp_path, no_leak, kind, stage):
    """
    The error says which of the sockets it was.
    """
    with pytest.raises(InitFailed, match=f"^connect to {stage} socket .*/none: ") as e:
        kind(str(tmp_path / "none"))

    assert (e.value.stage, e.value.errno) == (stage, errno.ENOENT)


DEVPTS = NewMount(
    kind="devpts",
    source="devpts",
    destination="/dev/pts",
    data=("newinstance", "ptmxmode=0666", "mode=0620"),
    keep=True,
)


@pytest.fixture
def in_root(tmp_path, privately, engine):
    """Make a console in a root built from a tree, in a process and a session of its own."""

    def run(check, *, tree=None, terminal=Terminal(24, 80), uid=0, devpts=True):
        folder = make_tree(tmp_path / "image", tree or {"dev": {"console": ""}})

        def body():
            os.setsid()
            os.umask(0)
            kernel = LinuxKernel()
            root = Rootfs(kernel, str(folder))
            root.fd = os.open(folder, c.O_PATH)
            if devpts:
                apply_all([DEVPTS], root, kernel)
            console = ConsoleSocket(engine.path)
            check(folder, lambda: make_console(terminal, root, kernel, console, uid))

        privately(body)

    return run


@pytest.mark.root
def test_a_console(in_root, engine):
    """
    stdio is the terminal, /dev/console too; it controls the session, has the size asked for and
    belongs to the payload's user. The engine gets the other end.
    """

    def check(folder, make):
        make()
        name, (master,), rest = engine.receive()
        for fd in (0, 1, 2):
            assert os.isatty(fd)
            assert os.major(os.fstat(fd).st_rdev) == 136
        assert (name, rest) == ("/dev/pts/0", b"")
        found = os.fstat(0)
        assert os.stat(folder / "dev/console").st_rdev == found.st_rdev
        assert os.stat(folder / "dev/pts/0").st_rdev == found.st_rdev
        assert found.st_uid == 1000
        assert os.tcgetpgrp(0) == os.getpid()
        assert struct.unpack("4H", fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8)))[:2] == (24, 80)
        os.write(1, b"hello\n")
        assert os.read(master, 100) == b"hello\r\n"

    in_root(check, uid=1000)


@pytest.mark.root
def test_a_console_without_a_size(in_root, engine):
    """
    Then the engine sets one.
    """

    def check(folder, make):
        make()
        _, (master,), _ = engine.receive()
        assert struct.unpack("4H", fcntl.ioctl(master, termios.TIOCGWINSZ, bytes(8)))[:2] == (0, 0)

    in_root(check, terminal=Terminal())


@pytest.mark.root
def test_nothing_but_stdio_is_left(in_root, engine):
    """
    No handle of the pty stays open in init beside its stdio.
    """

    def check(folder, make):
        before = set(os.listdir("/proc/self/fd"))
        make()
        left = {int(fd) for fd in set(os.listdir("/proc/self/fd")) - before}
        assert [fd for fd in left if os.path.exists(f"/proc/self/fd/{fd}")] == []

    in_root(check)


@pytest.mark.root
@pytest.mark.parametrize("target", ["/etc/shadow", "../secret", "/dev/pts/0", "nowhere"])
def test_a_false_console_is_refused(in_root, target):
    """
    A link at /dev/console would make us cover what it leads to (CVE-2025-52565).
    """

    def check(folder, make):
        with pytest.raises(OSError, match="/dev/console is a symbolic link") as e:
            make()
        assert e.value.errno == errno.ELOOP
        assert (folder / "secret").read_text() == "x"
        assert not os.path.ismount(folder / "secret")

    in_root(check, tree={"dev": {"console": Link(target)}, "secret": "x"})


@pytest.mark.root
def test_a_console_file_of_the_image_is_covered(in_root, engine):
    """
    A plain file is as good as the empty one that we make.
    """

    def check(folder, make):
        make()
        assert stat.S_ISCHR(os.stat(folder / "dev/console").st_mode)

    in_root(check, tree={"dev": {"console": "x"}})


@pytest.mark.root
@pytest.mark.parametrize(
    "pts", [{"ptmx": ""}, {"ptmx": Link("/dev/null")}, {}, Link("/elsewhere")], ids=str
)
def test_a_false_multiplexer_is_refused(in_root, pts):
    """
    Without a devpts of ours the image's ptmx must still be one.
    """

    def check(folder, make):
        with pytest.raises(OSError) as e:
            make()
        assert e.value.errno in (errno.ENODEV, errno.ELOOP, errno.ENOENT)

    in_root(check, tree={"dev": {"pts": pts}, "elsewhere": {"ptmx": ""}}, devpts=False)


@pytest.mark.root
def test_a_multiplexer_that_is_another_device_is_refused(in_root):
    """
    5:2 alone is not enough: a node on another file system is not that of a devpts.
    """

    def check(folder, make):
        os.mknod(folder / "dev/pts/ptmx", stat.S_IFCHR | 0o666, os.makedev(5, 2))
        with pytest.raises(OSError, match="not the multiplexer of a devpts"):
            make()

    in_root(check, tree={"dev": {"pts": {}}}, devpts=False)


@pytest.mark.root
def test_a_multiplexer_with_the_number_of_a_devpts_is_refused(in_root):
    """
    Nor is the second inode of any file system the multiplexer: the kernel says what a devpts is.
    """

    def check(folder, make):
        LinuxKernel().mount("none", str(folder / "dev/pts"), "tmpfs", 0)
        os.mknod(folder / "dev/pts/ptmx", stat.S_IFCHR | 0o666, os.makedev(5, 2))
        assert os.stat(folder / "dev/pts/ptmx").st_ino == 2
        with pytest.raises(OSError, match="not the multiplexer of a devpts"):
            make()

    in_root(check, tree={"dev": {"pts": {}}}, devpts=False)


class Racing(LinuxKernel):
    """A kernel whose answer to the first openat2 comes after the container has acted."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def openat2(self, *arguments):
        fd = super().openat2(*arguments)
        act, self.act = self.act, lambda: None
        act()
        return fd


@pytest.mark.root
@pytest.mark.parametrize("over", ["ptmx", "."])
def test_nothing_is_opened_that_was_put_there_meanwhile(privately, tmp_path, over):
    """
    The device that is opened is the one that was judged: opening any other might act.
    """
    kernel = LinuxKernel()
    pts = tmp_path / "dev/pts"
    pts.mkdir(parents=True)
    decoy = tmp_path / "decoy"
    decoy.mkdir()
    os.mkfifo(decoy / "ptmx")  # opened for reading and writing, it answers at once

    def put_over():
        kernel.mount(str(decoy / over), str(pts / over), "", c.MS_BIND)

    def body():
        kernel.mount("none", str(pts), "devpts", 0, "newinstance,ptmxmode=0666")
        root = os.open(tmp_path, c.O_PATH)
        before = set(os.listdir("/proc/self/fd"))
        try:
            ends = open_pty(Terminal(), Racing(put_over), root, "/dev/pts/ptmx")
        except OSError as e:
            assert e.errno in (errno.EXDEV, errno.ENODEV)
        else:
            assert [os.isatty(fd) for fd in ends] == [True, True]
            for fd in ends:
                os.close(fd)
        assert set(os.listdir("/proc/self/fd")) == before

    privately(body)


@pytest.mark.root
def test_a_console_that_fails_leaves_nothing(in_root):
    """
    Both ends of the pty are closed, whatever was refused.
    """

    def check(folder, make):
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError):
            make()
        assert len(os.listdir("/proc/self/fd")) == before

    in_root(check, tree={"dev": {"console": Link("/nowhere")}})


@pytest.mark.root
def test_a_refused_size_leaves_nothing(privately, tmp_path, monkeypatch):
    """
    The other end is closed, too.
    """
    refused = fcntl.ioctl

    def ioctl(fd, request, *rest):
        if request == termios.TIOCSWINSZ:
            raise OSError(errno.EIO, "refused")
        return refused(fd, request, *rest)

    def body():
        monkeypatch.setattr(fcntl, "ioctl", ioctl)
        LinuxKernel().mount("none", str(tmp_path), "devpts", 0, "newinstance,ptmxmode=0666")
        devpts = os.open(tmp_path, c.O_PATH)
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="refused"):
            open_pty(Terminal(24, 80), LinuxKernel(), devpts, "ptmx")
        assert len(os.listdir("/proc/self/fd")) == before

    privately(body)


# Without a terminal


def test_pipes_become_the_payloads(kernel, apart):
    """
    Programs reopen /proc/self/fd/1; files and devices stay whose they are.
    """

    def body():
        reader, writer = os.pipe()
        left, right = socket.socketpair()
        null = os.open("/dev/null", os.O_RDWR)
        for given, expected in (
            ((null, writer, right.fileno()), [(1, 1000, -1), (2, 1000, -1)]),
            ((reader, null, null), [(0, 1000, -1)]),
            ((null, null, null), []),
        ):
            kernel.calls.clear()
            for fd, source in enumerate(given):
                os.dup2(source, fd)
            own_stdio(1000, kernel)
            assert kernel.named("fchown") == expected
        left.close()

    apart(body)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EROFS, errno.EINVAL])
def test_a_refused_owner_is_no_fault(kernel, apart, code):
    """
    Best effort: only reopening is lost.
    """

    def body():
        os.dup2(os.pipe()[1], 1)
        kernel.fail["fchown"] = code
        own_stdio(1000, kernel)

    apart(body)


def test_closed_stdio_is_no_fault(kernel, apart):
    """
    There is nothing to own.
    """

    def body():
        for fd in (0, 1, 2):
            os.close(fd)
        own_stdio(1000, kernel)
        assert kernel.calls == []

    apart(body)
