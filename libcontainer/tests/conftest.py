"""What the tests of libcontainer share: roots, a process of one's own, counted descriptors."""

import os
import signal
import traceback
from pathlib import Path

import pytest

from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.rootfs.root import Rootfs
from libcontainer.testing import FakeKernel

CONFIGS = sorted((Path(__file__).parent / "data/configs").glob("*.json"))


def open_fds():
    """Return the descriptors of this process, and what each is."""
    found = {}
    for name in os.listdir("/proc/self/fd"):
        try:
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
        except FileNotFoundError:
            pass  # that of the listing
    return found


@pytest.fixture
def no_leak():
    """Hold the test to closing every descriptor that it opens."""
    before = open_fds()
    yield
    assert open_fds() == before


@pytest.fixture
def count_fds():
    """Say how many descriptors are open."""
    return lambda: len(open_fds())


@pytest.fixture
def kernel():
    """A kernel that records."""
    return FakeKernel()


@pytest.fixture
def rootfs(tmp_path, kernel):
    """A container's root in a folder, reached through the recording kernel."""
    folder = tmp_path / "rootfs"
    folder.mkdir()
    root = Rootfs(kernel, str(folder))
    root.fd = os.open(folder, c.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    yield root
    for fd in [root.fd, root.mask, root.null, *root.mounts.values(), *root.sources.values()]:
        if fd is not None and fd >= 0:
            os.close(fd)


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def engine_document(request):
    """The text of a document that an engine wrote."""
    return request.param.read_text()


@pytest.fixture
def apart():
    """Run a function in a forked process: what it mounts, joins, starts and leaks ends with it."""

    def run(function):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            said = ""
            try:
                os.close(reader)
                signal.alarm(60)  # seconds; one that hangs is a failure, not a hang of all tests
                function()
            except pytest.skip.Exception as e:
                said = f"skip: {e}"
            except BaseException:
                said = traceback.format_exc()
            finally:
                with open(writer, "w", closefd=False) as file:
                    file.write(said)
                os._exit(0)
        os.close(writer)
        with open(reader) as file:
            said = file.read()
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if said.startswith("skip: "):
            pytest.skip(said.removeprefix("skip: "))
        if said or status:
            pytest.fail(said or f"the process ended with {status}", pytrace=False)

    return run


@pytest.fixture
def privately(apart):
    """Run a function as root in a process with a mount namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("needs root, for a mount namespace of its own")

    def run(function, *, flags=0):
        def body():
            kernel = LinuxKernel()
            try:
                kernel.unshare(c.CLONE_NEWNS | flags)
                kernel.mount("", "/", "", c.MS_PRIVATE | c.MS_REC)
            except PermissionError as e:
                pytest.skip(f"needs a mount namespace of its own: {e}")
            function()

        apart(body)

    return run
