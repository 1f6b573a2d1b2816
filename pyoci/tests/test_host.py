"""What `info` reads of the host."""

import pytest

from pyoci import host


@pytest.fixture
def unified(tmp_path, monkeypatch):
    """A v2 hierarchy with two controllers."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    monkeypatch.setattr(host, "_cgroup_mounts", lambda: {"unified": str(tmp_path)})


@pytest.mark.parametrize(
    ("config", "device"),
    [
        ("\nCONFIG_CGROUP_BPF=y\n", "attached"),
        ("\n# CONFIG_CGROUP_BPF is not set\n", "detached"),
        (None, None),
    ],
)
def test_controllers(unified, monkeypatch, config, device):
    """Those of the hierarchy, and the devices' program if the kernel's configuration has it."""
    monkeypatch.setattr(host, "_kernel_config", lambda: config)

    found = host._controllers()

    assert (found["cpu"], found["memory"], found["io"]) == ("attached", "attached", "detached")
    assert found.get("device") == device
