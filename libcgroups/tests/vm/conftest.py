import subprocess
import uuid

import pytest

from libcgroups import open_manager


@pytest.fixture
def sleeper():
    """A process to be placed."""
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


@pytest.fixture
def name():
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture
def manager(name):
    """A cgroup by files, made and removed."""
    with open_manager(f"/vm-tests/{name}", container_id=name) as manager:
        manager.create()
        yield manager
