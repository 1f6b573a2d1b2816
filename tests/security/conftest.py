"""Attacks on a runtime at work: a workshop as for the other tests, a canary, and a gate.

The gate stops the runtime at chosen system calls, and the attacker acts while it waits; so every
window is tried, and each in turn.  It is a seccomp filter that this process puts on the runtime
before it is executed; the runtime knows nothing of it.
"""

import ctypes
import importlib.util
import os
import select
import struct
import sys
import time
from pathlib import Path

import pytest

_E2E = Path(__file__).resolve().parents[1] / "e2e" / "conftest.py"
_spec = importlib.util.spec_from_file_location("security_workshop", _E2E)
e2e = importlib.util.module_from_spec(_spec)
sys.modules["security_workshop"] = e2e
_spec.loader.exec_module(e2e)
busybox, subreaper, workshop = e2e.busybox, e2e.subreaper, e2e.workshop

NUMBERS = {
    "x86_64": {
        "mount": 165, "mkdirat": 258, "mknodat": 259, "symlinkat": 266, "unlinkat": 263,
        "open_tree": 428, "move_mount": 429, "openat2": 437, "mount_setattr": 442, "fsmount": 432,
    },
    "aarch64": {
        "mount": 40, "mkdirat": 34, "mknodat": 33, "symlinkat": 36, "unlinkat": 35,
        "open_tree": 428, "move_mount": 429, "openat2": 437, "mount_setattr": 442, "fsmount": 432,
    },
}  # fmt: skip
_ALLOW, _NOTIFY = 0x7FFF0000, 0x7FC00000
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_PIDFD_GETFD = 438
_libc = ctypes.CDLL(None, use_errno=True)


def exchange(one, other):
    """Swap two names in one step, as an attacker does who wins a race."""
    if _libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2):
        raise OSError(ctypes.get_errno(), "renameat2", str(one))


def _filter(names):
    """Return a program that stops at the named calls.  linux/filter.h."""
    numbers = [NUMBERS[os.uname().machine][name] for name in names]
    code = [(0x20, 0, 0, 0)]  # load the number
    for i, number in enumerate(numbers):
        code.append((0x15, len(numbers) - i, 0, number))
    code += [(0x06, 0, 0, _ALLOW), (0x06, 0, 0, _NOTIFY)]
    return b"".join([struct.pack("<HBBI", *line) for line in code]), len(code)


def _text(pid, address):
    """Read a string of a process."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        return memory.read(256).partition(b"\0")[0].decode(errors="replace")


class Gate:
    """Runs a command that stops at every one of some calls; `attack(number)` acts meanwhile."""

    def __init__(self, *calls):
        self.calls = calls
        self.count = 0
        self.paths = []  # of openat2, by gate; None for other calls

    def run(self, argv, attack, *, folder, timeout=20):
        """Return (status, stdout, stderr)."""
        from libseccomp.notify import Listener

        self.count, self.paths = 0, []
        told, tell = os.pipe()
        go, let = os.pipe()
        files = folder / "gate-out", folder / "gate-err"
        with open(files[0], "wb") as out, open(files[1], "wb") as err:
            pid = os.fork()
            if pid == 0:
                self._become(argv, tell, go, out, err)
        os.close(tell)
        os.close(go)
        number = struct.unpack("i", os.read(told, 4))[0]
        pidfd = os.pidfd_open(pid)
        fd = _libc.syscall(_PIDFD_GETFD, pidfd, number, 0)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        os.write(let, b"g")
        os.close(let)
        os.close(told)
        end = time.monotonic() + timeout
        with Listener(fd) as listener:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.register(pidfd, select.POLLIN)
            while time.monotonic() < end:
                ready = dict(poll.poll(1000))
                if ready.get(fd, 0) & select.POLLIN:
                    self._answer(listener, attack)
                elif pidfd in ready:
                    break
            else:
                os.kill(pid, 9)
                raise AssertionError("the runtime does not end")
        os.close(pidfd)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return status, files[0].read_text(), files[1].read_text()

    def _answer(self, listener, attack):
        from libseccomp.errors import CallFailed

        try:
            call = listener.receive()
            self.count += 1
            opens = call.number == NUMBERS[os.uname().machine]["openat2"]
            self.paths.append(_text(call.pid, call.args[1]) if opens else None)
            attack(self.count)
            listener.respond(call, proceed=True)
        except CallFailed as e:
            if e.errno != 2:  # ENOENT: the caller has been killed
                raise

    def _become(self, argv, tell, go, out, err):
        try:
            program, length = _filter(self.calls)
            memory = ctypes.create_string_buffer(program)
            header = struct.pack("<H6xQ", length, ctypes.addressof(memory))
            fd = _libc.syscall(_SECCOMP[os.uname().machine], 1, 8, header)
            os.write(tell, struct.pack("i", fd))
            os.read(go, 1)
            os.close(fd)
            null = os.open("/dev/null", os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            os.execv(str(argv[0]), [str(a) for a in argv])
        finally:
            os._exit(99)


@pytest.fixture
def gate():
    """Make gates; skip where the kernel or the user has none."""
    pytest.importorskip("libseccomp")
    return Gate


class Canary:
    """A folder of the host that nobody may touch."""

    def __init__(self, folder):
        self.path = folder / "canary"
        self.path.mkdir()
        (self.path / "secret").write_text("canary-secret")
        (self.path / "ptmx").write_text("canary-ptmx")
        (self.path / "sub").mkdir()
        self.before = self.look()

    def shown_in(self, text):
        """Whether a container shows it: its text, or a mount of it in a mountinfo."""
        roots = [words[3] for line in text.splitlines() if len(words := line.split()) > 9]
        return "canary-secret" in text or any(root.startswith(str(self.path)) for root in roots)

    def look(self):
        found = {}
        for parent, names, files in os.walk(self.path):
            for name in ["", *names, *files]:
                path = os.path.join(parent, name)
                about = os.lstat(path)
                found[path] = (about.st_ino, about.st_mode, about.st_uid, about.st_gid,
                               about.st_size, about.st_mtime_ns)  # fmt: skip
        return found


@pytest.fixture
def canary(workshop):
    """Something of the host; at the end it must be as it was."""
    bird = Canary(workshop.folder)
    yield bird
    assert bird.look() == bird.before


@pytest.fixture
def host_mounts():
    """At the end the host must have the mounts that it had."""
    before = Path("/proc/self/mountinfo").read_text()
    yield
    assert Path("/proc/self/mountinfo").read_text() == before


@pytest.fixture
def volume(workshop):
    """A folder that another container shares, and changes at will."""
    path = workshop.folder / "shared"
    path.mkdir()
    return path


def run_gated(workshop, gate, config, attack, *calls):
    """Run a container under a gate; return how that ended and the gate, with what it saw."""
    bundle = config if isinstance(config, e2e.Bundle) else workshop.bundle(config)
    made = gate(*calls)
    argv = workshop.argv("run", "-b", bundle.path, workshop.id())
    return made.run(argv, attack, folder=workshop.folder), made


@pytest.fixture
def gated(workshop, gate):
    """Run a container under a gate: gated(config, attack, calls...)."""
    return lambda config, attack, *calls: run_gated(workshop, gate, config, attack, *calls)


@pytest.fixture
def swap():
    """Exchange two names in one step."""
    return exchange
