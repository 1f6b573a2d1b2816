"""Run lists of system calls on this machine, and under qemu on the other architecture."""

import os
import platform
import shutil
import tempfile
from types import SimpleNamespace

import pytest

from libcontainer.process.stub.image import build_image
from libcontainer.process.stub.memfd import sealed

# asm/unistd_64.h and asm-generic/unistd.h
NUMBERS = {
    "x86_64": {
        "read": 0,
        "write": 1,
        "close": 3,
        "getpid": 39,
        "clone": 56,
        "execve": 59,
        "fcntl": 72,
        "getppid": 110,
        "prctl": 157,
        "openat": 257,
        "seccomp": 317,
    },
    "aarch64": {
        "read": 63,
        "write": 64,
        "close": 57,
        "getpid": 172,
        "clone": 220,
        "execve": 221,
        "fcntl": 25,
        "getppid": 173,
        "prctl": 167,
        "openat": 56,
        "seccomp": 277,
    },
}
MACHINE = platform.machine()


class Stub:
    """Runs lists on one architecture; `number` has the system calls' numbers there.

    `report` is the fd that lists write to and that failures are reported on.
    """

    report = 100
    gate = 101

    def __init__(self, arch, emulator):
        self.arch = arch
        self.number = SimpleNamespace(**NUMBERS[arch])
        self._emulator = emulator

    def run(self, calls, *, argv=("stub",), env=None, gate=b""):
        """Return exit status, what came on `report`, and what came on stderr.

        Reads `report` until nobody holds it any more, so forked children have ended too.
        """
        image = build_image(calls, arch=self.arch, report_fd=self.report)
        reader, writer = os.pipe()
        gate_reader, gate_writer = os.pipe()
        os.write(gate_writer, gate)
        os.close(gate_writer)
        with tempfile.TemporaryFile() as errors:
            pid = os.fork()
            if pid == 0:
                try:
                    os.dup2(writer, self.report)
                    os.dup2(gate_reader, self.gate)
                    os.dup2(errors.fileno(), 2)
                    self._exec(image, list(argv), env or {})
                finally:
                    os._exit(99)
            os.close(writer)
            os.close(gate_reader)
            with open(reader, "rb") as file:
                said = file.read()
            status = os.waitpid(pid, 0)[1]
            errors.seek(0)
            return SimpleNamespace(
                status=os.waitstatus_to_exitcode(status), said=said, stderr=errors.read()
            )

    def _exec(self, image, argv, env):
        fd = sealed(image, name="stub")
        if self._emulator is None:
            os.execve(fd, argv, env)
        os.set_inheritable(fd, True)
        os.execve(self._emulator, ["qemu", "-0", argv[0], f"/proc/self/fd/{fd}", *argv[1:]], env)


def make_stub(arch):
    if arch == MACHINE:
        return Stub(arch, None)
    emulator = shutil.which(f"qemu-{arch}-static") or shutil.which(f"qemu-{arch}")
    if emulator is None:
        pytest.skip(f"no qemu-{arch}-static to run the other architecture's stub")
    return Stub(arch, emulator)


@pytest.fixture(params=list(NUMBERS))
def stub(request):
    """The stub of each architecture."""
    return make_stub(request.param)


@pytest.fixture
def native():
    """The stub of this machine, for what an emulator does not do as the kernel does."""
    if MACHINE not in NUMBERS:
        pytest.skip(f"there is no stub for {MACHINE}")
    return make_stub(MACHINE)
