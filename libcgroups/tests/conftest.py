import glob
import os

import pytest

from libcgroups.testing import fake_hybrid, fake_v1, fake_v2


@pytest.fixture
def v1(tmp_path):
    return fake_v1(tmp_path)


@pytest.fixture
def hybrid(tmp_path):
    return fake_hybrid(tmp_path)


@pytest.fixture
def v2(tmp_path):
    return fake_v2(tmp_path)


@pytest.fixture
def real_v1():
    """The host's own v1 hierarchies, as root."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if os.path.exists("/sys/fs/cgroup/cgroup.controllers"):
        pytest.skip("needs a v1 or hybrid host")
    if not os.access("/sys/fs/cgroup/memory/cgroup.procs", os.W_OK):
        pytest.skip("needs the v1 memory controller")


@pytest.fixture(scope="session", autouse=True)
def clean():
    """Remove the parents that the tests' cgroups had."""
    yield
    for name in ("libcgroups-tests", "readme"):
        found = glob.glob(f"/sys/fs/cgroup/{name}") + glob.glob(f"/sys/fs/cgroup/*/{name}")
        for path in {os.path.realpath(path) for path in found}:  # cpu leads to cpu,cpuacct
            os.rmdir(path)
