"""A workshop for real containers: bundles, the runtime, and the proof that nothing is left.

The test process is a subreaper, as conmon and containerd's shim are: what a runtime leaves behind
becomes its child, so that its exit status can be had, and no process can hide.
"""

import array
import contextlib
import ctypes
import functools
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Another runtime, to compare.
PYOCI = Path(os.environ.get("E2E_RUNTIME") or ROOT / ".venv" / "bin" / "pyoci")
CGROUPS = Path("/sys/fs/cgroup")
APPLETS = (
    "sh cat chmod chown cut dd df echo env false find grep head hostname id kill ln ls mkdir mknod "
    "mount nc ps pwd readlink rm seq sleep sort stat stty tail tee test touch tr true tty ulimit "
    "umount uname wc"
).split()
PASSWD = "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n"
GROUP = "root:x:0:\nuser:x:1000:\n"
PR_SET_CHILD_SUBREAPER = 36
PATIENCE = 20  # seconds until a command of the runtime must have ended

_numbers = itertools.count(1)


@dataclass
class Result:
    """How a command ended, and what it wrote until then."""

    status: int
    stdout: str
    stderr: str


def _libc(call, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, call)(*arguments):
        raise OSError(ctypes.get_errno(), call)


@pytest.fixture(scope="session")
def busybox():
    found = shutil.which("busybox")
    if found is None:
        pytest.skip("needs busybox (busybox-static)")
    if b"ld-linux" in Path(found).read_bytes()[:4096]:
        pytest.skip("needs a static busybox (busybox-static)")
    return Path(found)


@pytest.fixture(scope="package")
def subreaper():
    _libc("prctl", PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    yield
    _libc("prctl", PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def make_rootfs(folder, busybox):
    for name in ("bin", "dev", "etc", "home/user", "proc", "root", "run", "sys", "tmp", "var"):
        (folder / name).mkdir(parents=True)
    shutil.copy(busybox, folder / "bin" / "busybox")
    for name in APPLETS:
        (folder / "bin" / name).symlink_to("busybox")
    (folder / "etc" / "passwd").write_text(PASSWD)
    (folder / "etc" / "group").write_text(GROUP)
    (folder / "tmp").chmod(0o1777)


class Bundle:
    """A folder with config.json and a root file system of its own."""

    def __init__(self, path, config):
        self.path, self.config, self.rootfs = path, config, path / "rootfs"

    def write(self):
        (self.path / "config.json").write_text(json.dumps(self.config))
        return self


class Container:
    """A container that was created; its output goes to files, since it outlives `create`."""

    def __init__(self, workshop, id, bundle, result, files):
        self.workshop, self.id, self.bundle, self.created = workshop, id, bundle, result
        self._files = files

    def pyoci(self, command, *arguments, **options):
        return self.workshop.pyoci(command, self.id, *arguments, **options)

    def start(self):
        return self.pyoci("start")

    def delete(self, *options):
        return self.workshop.pyoci("delete", *options, self.id)

    def state(self):
        return json.loads(self.pyoci("state").stdout)

    @property
    def status(self):
        return self.state()["status"]

    @property
    def pid(self):
        return self.state()["pid"]

    def wait(self):
        """Reap init, as an engine does; return its exit status, minus n for a signal."""
        pid = int((self.bundle.path / f"{self.id[:100]}.pid").read_text())
        return self.workshop.reap(pid)

    @property
    def stdout(self):
        return self._files[0].read_text()

    @property
    def stderr(self):
        return self._files[1].read_text()


class Workshop:
    """Makes bundles and containers, all named by one token, and finds what is left of them."""

    def __init__(self, folder, busybox):
        self.folder, self.busybox = folder, busybox
        self.token = f"e2e-{os.getpid()}-{next(_numbers)}"
        self.root = folder / "state"
        self.runtime = PYOCI
        self.host = dict(os.environ)  # for the runtime, not for containers
        self._count = itertools.count(1)

    # -- what goes in

    @functools.cached_property
    def default_document(self):
        subprocess.run([self.runtime, "spec", "-b", self.folder], check=True, timeout=PATIENCE)
        return (self.folder / "config.json").read_text()

    def id(self):
        return f"{self.token}-{next(self._count)}"

    def config(self, *args):
        """Return a document: no terminal, a cgroup of its own, nothing that needs the host."""
        config = json.loads(self.default_document)
        config["process"].update(terminal=False, args=list(args))
        return config

    def bundle(self, config):
        """Write a bundle; a list or a string stands for the default document with that command."""
        if isinstance(config, str):
            config = self.config("sh", "-c", config)
        elif isinstance(config, (list, tuple)):
            config = self.config(*config)
        path = self.folder / f"bundle-{next(self._count)}"
        path.mkdir()
        make_rootfs(path / "rootfs", self.busybox)
        return Bundle(path, config).write()

    # -- what is done

    def command(self, argv, *, timeout=PATIENCE, **options):
        """Run a command with files for stdio: a waiting container keeps a pipe open."""
        number = next(self._count)
        files = self.folder / f"out-{number}", self.folder / f"err-{number}"
        with open(files[0], "wb") as out, open(files[1], "wb") as err:
            options = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, **options}
            done = subprocess.run([str(a) for a in argv], timeout=timeout, **options)
        return Result(done.returncode, files[0].read_text(), files[1].read_text()), files

    def argv(self, command, *arguments, globals=()):
        return [self.runtime, "--root", self.root, *globals, command, *arguments]

    def pyoci(self, command, *arguments, globals=(), **options):
        argv = self.argv(command, *arguments, globals=globals)
        return self.command(argv, env=self.host, **options)[0]

    def create(self, config, *options, id=None, **how):
        """Create a container; raise unless that works without a word."""
        id = id or self.id()
        container = self.try_create(config, *options, id=id, **how)
        assert container.created == Result(0, "", ""), container.created
        return container

    def try_create(self, config, *options, id=None, globals=(), **how):
        bundle = config if isinstance(config, Bundle) else self.bundle(config)
        id = id or self.id()
        argv = self.argv(
            "create", "-b", bundle.path, "--pid-file", bundle.path / f"{id[:100]}.pid", *options, id
        )
        argv[3:3] = globals
        result, files = self.command(argv, env=self.host, **how)
        return Container(self, id, bundle, result, files)

    def spawn(self, command, *arguments, **options):
        """Begin a command that the test talks to while it runs; pipes are the caller's choice."""
        options = {"stdin": subprocess.DEVNULL, "env": self.host, **options}
        argv = [str(a) for a in self.argv(command, *arguments)]
        return subprocess.Popen(argv, **options)

    def run(self, config, *options, **how):
        """Run in the foreground."""
        bundle = config if isinstance(config, Bundle) else self.bundle(config)
        return self.pyoci("run", "-b", bundle.path, *options, self.id(), **how)

    def inside(self, config, *options):
        """Return what a container says that succeeds and complains about nothing."""
        result = self.run(config, *options)
        assert (result.status, result.stderr) == (0, ""), result
        return result.stdout

    def until(self, true, what="the condition"):
        end = time.monotonic() + PATIENCE
        while not (found := true()):
            assert time.monotonic() < end, f"{what} does not come true"
            time.sleep(0.005)
        return found

    def reap(self, pid):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        raise AssertionError(f"{pid} does not end")

    # -- what is left

    def cgroups(self):
        own = re.compile(rf"{self.token}(?!\d)")  # not those of number 11 for number 1
        return [str(path) for path in cgroup_directories() if own.search(path.name)]

    def mounts(self):
        text = Path("/proc/self/mountinfo").read_text()
        return [line for line in text.splitlines() if str(self.folder) in line]

    def states(self):
        if not self.root.exists():
            return []
        return [name for name in os.listdir(self.root) if name != ".seccomp"]

    def remains(self):
        """Return everything that is still there, by kind."""
        reap_zombies()
        found = {
            "processes": {pid: command_line(pid) for pid in children()},
            "cgroups": self.cgroups(),
            "mounts": self.mounts(),
            "states": self.states(),
        }
        return {kind: things for kind, things in found.items() if things}

    def clear(self):
        """Remove by force what a test left, so that the next one begins clean."""
        for name in self.states():
            self.pyoci("delete", "--force", name)
            shutil.rmtree(self.root / name, ignore_errors=True)
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        for path in reversed(self.cgroups()):
            for line in (Path(path) / "cgroup.procs").read_text().split():
                with contextlib.suppress(ProcessLookupError):  # it ends by itself
                    os.kill(int(line), signal.SIGKILL)
        time.sleep(0.05)
        reap_zombies()
        for path in reversed(self.cgroups()):
            os.rmdir(path)


def cgroup_directories():
    """Return all cgroups near the top and near our own: no test makes others."""
    for hierarchy in CGROUPS.iterdir():
        if not hierarchy.is_dir():
            continue
        for folder, names, _ in os.walk(hierarchy):
            for name in names:
                yield Path(folder) / name


def children():
    found = []
    for task in os.listdir("/proc/self/task"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread just ended
            text = Path(f"/proc/self/task/{task}/children").read_text()
            found += [int(pid) for pid in text.split()]
    return found


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return "gone"


def reap_zombies():
    """Reap what has ended; give what is just ending a moment."""
    for _ in range(40):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        if not children():
            return
        time.sleep(0.005)


@pytest.fixture
def workshop(busybox, subreaper):
    """Where containers are made; at the end nothing of them may be left."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    if not PYOCI.exists():
        pytest.skip("needs the launcher: ./just setup")
    # Not pytest's tmp_path: other users may look into this one, and a socket's path must be short.
    folder = Path(tempfile.mkdtemp(prefix="pyoci-e2e-"))
    folder.chmod(0o755)
    shop = Workshop(folder, busybox)
    yield shop
    left = shop.remains()
    if left:
        shop.clear()
    if not shop.mounts():
        shutil.rmtree(folder)
    assert left == {}


@pytest.fixture
def delete_after(workshop):
    """For tests that end with a container alive: delete it by force, which must work."""
    made = []
    yield made.append
    for container in made:
        assert container.delete("--force") == Result(0, "", "")


class Console:
    """A socket that waits for a terminal, as conmon's."""

    def __init__(self, path):
        self.path = path
        self.fds = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        self.listener.settimeout(PATIENCE)

    def master(self):
        """Return the one descriptor of the one message, having seen the end of the stream."""
        with self.listener.accept()[0] as connection:
            connection.settimeout(PATIENCE)
            _, ancillary, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(16))
            assert connection.recv(4096) == b"", "only one message"
        found = array.array("i")
        for level, kind, data in ancillary:
            assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
            found.frombytes(data)
        self.fds += found
        assert len(found) == 1, "only one descriptor"
        return found[0]

    def read_to_end(self):
        """Return what is written on the terminal until the container has closed its side."""
        said = b""
        try:
            while part := os.read(self.fds[0], 4096):
                said += part
        except OSError:
            pass  # EIO
        return said.decode()

    def close(self):
        self.listener.close()
        for fd in self.fds:
            os.close(fd)


@pytest.fixture
def console(workshop):
    found = Console(f"{workshop.folder}/console.sock")
    yield found
    found.close()
