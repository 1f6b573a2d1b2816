"""Bundles and the runtime, inside the machine."""

import json
import os
import shutil
import subprocess

import pytest

LIMIT = 60  # seconds for a command: starting a program is 40 times slower in here
APPLETS = ("sh", "cat", "id", "true", "sleep", "ls", "mount", "grep", "dd", "echo", "head", "tail")


class Runtime:
    """The runtime with a state root of its own."""

    def __init__(self, root):
        self.root = root
        self.used = []

    def __call__(self, *words, options=(), check=True):
        command = [os.environ["PYOCI"], "--root", str(self.root), *options, *words]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT
        )
        if check:
            assert done.returncode == 0, done.stderr
        return done

    def create(self, id, bundle, *, options=()):
        """Create with stdio that nobody waits for: the container keeps it."""
        command = [os.environ["PYOCI"], "--root", str(self.root), *options]
        command += ["create", "--bundle", str(bundle), id]
        self.used.append(id)
        with open(bundle / "output", "wb") as output:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, timeout=LIMIT
            )
        assert done.returncode == 0, (bundle / "output").read_text()

    def clear(self):
        for id in self.used:
            self("delete", "--force", id)


@pytest.fixture
def pyoci(tmp_path):
    runtime = Runtime(tmp_path / "state")
    yield runtime
    runtime.clear()


@pytest.fixture
def bundle(tmp_path):
    """A folder with busybox as root, and a function that writes its config.json."""
    folder = tmp_path / "bundle"
    rootfs = folder / "rootfs"
    for name in ("bin", "proc", "sys", "dev", "tmp", "etc"):
        (rootfs / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", rootfs / "bin/busybox")
    for name in APPLETS:
        (rootfs / "bin" / name).symlink_to("busybox")

    def write(*args, change=None):
        spec = [os.environ["PYOCI"], "spec", "--bundle", str(folder)]
        spec += ["--rootless"] if os.geteuid() else []
        (folder / "config.json").unlink(missing_ok=True)
        subprocess.run(spec, check=True, timeout=LIMIT)
        document = json.loads((folder / "config.json").read_text())
        document["process"]["terminal"] = False
        document["process"]["args"] = list(args)
        if change is not None:
            change(document)
        (folder / "config.json").write_text(json.dumps(document))
        return folder

    return write
