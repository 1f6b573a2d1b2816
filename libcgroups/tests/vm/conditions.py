"""What this machine is, and what its systemd says."""

import os
import pathlib
import subprocess

import pytest

from libcgroups.paths import is_unified

UNIFIED = is_unified("/sys/fs/cgroup")
ROOT = os.geteuid() == 0
SYSTEMD = pathlib.Path("/run/systemd/system").is_dir()

needs_v2 = pytest.mark.skipif(not UNIFIED, reason="needs a pure cgroup v2 host")
needs_v1 = pytest.mark.skipif(UNIFIED, reason="needs a v1 or hybrid host")
needs_root = pytest.mark.skipif(not ROOT, reason="needs root")
needs_user = pytest.mark.skipif(ROOT, reason="needs an ordinary user")
needs_systemd = pytest.mark.skipif(not SYSTEMD, reason="needs systemd")


def show(unit, *properties, user=False):
    """What systemd says about a unit."""
    command = ["systemctl", *(["--user"] if user else []), "show", unit]
    text = subprocess.run(
        [*command, *(f"-p{p}" for p in properties)], check=True, capture_output=True, text=True
    ).stdout
    return dict(line.split("=", 1) for line in text.splitlines())
