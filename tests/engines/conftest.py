"""What the engines' tests share: an image, and commands with a time limit.

Everything lives below a temporary folder: no image, container or daemon of the host is touched.
"""

import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Another runtime, to compare.
PYOCI = Path(os.environ.get("E2E_RUNTIME") or ROOT / ".venv" / "bin" / "pyoci")
APPLETS = "sh cat cut echo false grep hostname id ls sleep stat test touch tr true tty wc".split()
PATIENCE = 60  # seconds for one command of an engine


def command(*argv, status=0, **options):
    """Run a command of an engine; return what it printed, stripped."""
    options = {"stdin": subprocess.DEVNULL, "timeout": PATIENCE, **options}
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, **options)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return done.stdout.strip()


@pytest.fixture
def memory_limit():
    """Tells the limit that the kernel enforces on a process, on v1."""

    def limit(pid):
        for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "memory":
                return int(Path(f"/sys/fs/cgroup/memory{path}/memory.limit_in_bytes").read_text())
        pytest.skip("needs the memory controller of cgroup v1")

    return limit


@pytest.fixture(scope="session")
def run():
    return command


class CgroupParent:
    """A cgroup that an engine makes its containers' below, so that all of it can be removed."""

    def __init__(self, name):
        self.name = name

    def directories(self):
        for hierarchy in [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]:
            for folder, _, _ in os.walk(hierarchy / self.name, topdown=False):
                yield Path(folder)

    def containers(self, prefix=""):
        """Return what is below it, but not what the engine made for itself."""
        names = {path.name for path in self.directories()} - {self.name}
        return sorted([name for name in names if name.startswith(prefix)])

    def remove(self):
        for path in self.directories():
            path.rmdir()


@pytest.fixture(scope="module")
def cgroup_parent():
    found = CgroupParent(f"pyoci-engine-{os.getpid()}")
    yield found
    found.remove()


@pytest.fixture(scope="session")
def runtime():
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not PYOCI.exists():
        pytest.skip("needs the launcher: ./just setup")
    return PYOCI


@pytest.fixture(scope="session")
def image(tmp_path_factory):
    """A tar file with static busybox, its links, and one file that nobody may execute."""
    busybox = shutil.which("busybox")
    if busybox is None or b"ld-linux" in Path(busybox).read_bytes()[:4096]:
        pytest.skip("needs a static busybox (busybox-static)")
    folder = tmp_path_factory.mktemp("image")
    for name in ("bin", "etc", "proc", "sys", "dev", "tmp", "root"):
        (folder / "rootfs" / name).mkdir(parents=True)
    rootfs = folder / "rootfs"
    shutil.copy(busybox, rootfs / "bin" / "busybox")
    for name in APPLETS:
        (rootfs / "bin" / name).symlink_to("busybox")
    (rootfs / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/:\n")
    (rootfs / "etc" / "group").write_text("root:x:0:\nuser:x:1000:\n")
    (rootfs / "plain").write_text("text")
    with tarfile.open(folder / "image.tar", "w") as tar:
        tar.add(rootfs, arcname=".")
    return folder / "image.tar"
