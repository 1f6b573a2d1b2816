"""Cgroups without a kernel: fake hierarchies in a folder, and a manager that only records.

    tree = fake_v2(tmp_path)
    manager = tree.open("/box")
    manager.apply(LinuxResources(pids=LinuxPids(limit=5)))
    assert tree.read("/box", "pids.max") == "5"

A folder does not do what the kernel does: control files are made by `make`, a value is not
checked, and a cgroup with files in it is removed by `unmake`, not by its manager.
"""

from __future__ import annotations

import pathlib
import shutil
from typing import TYPE_CHECKING, Any

from .entry import Entry
from .manager import open_manager
from .state import CgroupState
from .stats import Stats

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from .events import Events
    from .protocol import CgroupManager
    from .resources import LinuxResources

_NO_LIMIT = "9223372036854771712"
# Files of a new cgroup with the kernel's values.
V1_FILES: dict[str, dict[str, str]] = {
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "cpu": {
        "cpu.shares": "1024",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "-1",
        "cpu.cfs_burst_us": "0",
        "cpu.rt_period_us": "1000000",
        "cpu.rt_runtime_us": "0",
        "cpu.idle": "0",
        "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0",
    },
    "cpuacct": {
        "cpuacct.usage": "0",
        "cpuacct.stat": "user 0\nsystem 0",
        "cpuacct.usage_percpu": "0 0",
        "cpuacct.usage_all": "cpu user system\n0 0 0\n1 0 0",
    },
    "blkio": {
        "blkio.bfq.weight": "100",
        "blkio.bfq.weight_device": "",
        "blkio.throttle.read_bps_device": "",
        "blkio.throttle.write_bps_device": "",
        "blkio.throttle.read_iops_device": "",
        "blkio.throttle.write_iops_device": "",
        "blkio.throttle.io_service_bytes": "Total 0",
        "blkio.throttle.io_serviced": "Total 0",
    },
    "memory": {
        "memory.limit_in_bytes": _NO_LIMIT,
        "memory.memsw.limit_in_bytes": _NO_LIMIT,
        "memory.soft_limit_in_bytes": _NO_LIMIT,
        "memory.usage_in_bytes": "0",
        "memory.max_usage_in_bytes": "0",
        "memory.failcnt": "0",
        "memory.swappiness": "60",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0",
        "memory.stat": "cache 0\nrss 0",
        "cgroup.event_control": "",
    },
    "devices": {"devices.allow": "", "devices.deny": "", "devices.list": "a *:* rwm"},
    "freezer": {"freezer.state": "THAWED", "freezer.self_freezing": "0"},
    "pids": {"pids.max": "max", "pids.current": "0"},
    "hugetlb": {
        "hugetlb.2MB.limit_in_bytes": _NO_LIMIT,
        "hugetlb.2MB.rsvd.limit_in_bytes": _NO_LIMIT,
        "hugetlb.2MB.usage_in_bytes": "0",
        "hugetlb.2MB.max_usage_in_bytes": "0",
        "hugetlb.2MB.failcnt": "0",
    },
    "net_cls": {"net_cls.classid": "0"},
    "net_prio": {"net_prio.ifpriomap": "lo 0"},
    "perf_event": {},
    "rdma": {"rdma.max": "", "rdma.current": ""},
}
V1_MOUNTS = (
    "cpuset", "cpu,cpuacct", "blkio", "memory", "devices", "freezer", "pids", "hugetlb",
    "net_cls,net_prio", "perf_event", "rdma", "name=systemd",
)  # fmt: skip
V2_CONTROLLERS = "cpuset cpu io memory hugetlb pids rdma misc"
V2_FILES = {
    "cgroup.controllers": V2_CONTROLLERS,
    "cgroup.subtree_control": "",
    "cgroup.procs": "",
    "cgroup.threads": "",
    "cgroup.type": "domain",
    "cgroup.events": "populated 0\nfrozen 0",
    "cgroup.freeze": "0",
    "cgroup.kill": "",
    "cpu.weight": "100",
    "cpu.max": "max 100000",
    "cpu.max.burst": "0",
    "cpu.idle": "0",
    "cpu.stat": "usage_usec 0\nuser_usec 0\nsystem_usec 0",
    "cpuset.cpus": "",
    "cpuset.mems": "",
    "io.max": "",
    "io.weight": "default 100",
    "io.stat": "",
    "memory.current": "0",
    "memory.max": "max",
    "memory.low": "0",
    "memory.high": "max",
    "memory.swap.max": "max",
    "memory.swap.current": "0",
    "memory.events": "oom 0\noom_kill 0",
    "memory.stat": "anon 0\nfile 0",
    "pids.max": "max",
    "pids.current": "0",
    "hugetlb.2MB.max": "max",
    "hugetlb.2MB.rsvd.max": "max",
    "hugetlb.2MB.current": "0",
    "hugetlb.2MB.events": "max 0",
    "rdma.max": "",
    "rdma.current": "",
    "misc.current": "",
}


class FakeTree:
    """A fake of /sys/fs/cgroup and of the files of /proc that tell about it."""

    def __init__(self, folder: pathlib.Path, mounts: dict[str, str], own: str = "/") -> None:
        self.folder = folder
        self.root = str(folder / "cgroup")
        self.proc = str(folder / "proc")
        self._mounts = mounts  # hierarchy to folder below the root; "" is v2
        lines = [f"{'0' if not key else i + 1}:{key}:{own}\n" for i, key in enumerate(mounts)]
        (folder / "proc" / "self").mkdir(parents=True)
        (folder / "proc" / "self" / "cgroup").write_text("".join(lines))
        (folder / "proc" / "self" / "mountinfo").write_text("")
        (folder / "cgroup").mkdir()
        self.make("/")
        self.make(own)
        if "cpuset" in mounts:
            self.write("/", "cpuset.cpus", "0-3")
            self.write("/", "cpuset.mems", "0")

    def open(self, path: str | None = "/box", **options: Any) -> CgroupManager:
        """Return a created manager whose control files exist."""
        manager = self.manager(path, **options)
        for key, where in manager.paths.items():
            mount = f"{self.root}/{self._mounts[key]}".rstrip("/")
            self._make_one(key, pathlib.Path(mount), where.removeprefix(mount))
        if (fd := manager.create()) is not None:
            import os

            os.close(fd)
        return manager

    def manager(self, path: str | None = "/box", **options: Any) -> CgroupManager:
        """Return the manager of a cgroup that is not made yet."""
        given = {"container_id": "box", "root": self.root, "proc": self.proc} | options
        return open_manager(path, **given)

    def make(self, path: str, *, without: tuple[str, ...] = ()) -> None:
        """Make a cgroup and its parents in every hierarchy not named, with the kernel's files."""
        for key, mount in self._mounts.items():
            if key not in without:
                self._make_one(key, pathlib.Path(self.root, mount), path)

    def _make_one(self, key: str, mount: pathlib.Path, path: str) -> None:
        where = mount
        for part in ["", *path.strip("/").split("/")]:
            where = where / part
            where.mkdir(parents=True, exist_ok=True)
            for name, text in _files(key).items():
                if not (where / name).exists():
                    (where / name).write_text(text + "\n" if text else "")

    def unmake(self, path: str) -> None:
        """Remove a cgroup from every hierarchy, whatever is in it."""
        for mount in self._mounts.values():
            shutil.rmtree(pathlib.Path(self.root, mount, path.strip("/")), ignore_errors=True)

    def file(self, path: str, name: str) -> pathlib.Path:
        """Return where a control file is: in the hierarchy that has one of that name."""
        for mount in self._mounts.values():
            found = pathlib.Path(self.root, mount, path.strip("/"), name)
            if found.exists():
                return found
        raise FileNotFoundError(f"{name} of {path}")

    def read(self, path: str, name: str) -> str:
        return self.file(path, name).read_text().rstrip("\n")

    def write(self, path: str, name: str, text: str) -> None:
        """Do what the kernel or another process would do to a file."""
        self.file(path, name).write_text(text)

    def changed(self, path: str) -> dict[str, str]:
        """Return the files of a cgroup whose text is not a new cgroup's."""
        found = {}
        for key, mount in self._mounts.items():
            for name, text in _files(key).items():
                now = pathlib.Path(self.root, mount, path.strip("/"), name).read_text()
                if now.rstrip("\n") != text:
                    found[name] = now.rstrip("\n")
        return found


def _files(key: str) -> dict[str, str]:
    if not key:
        return V2_FILES
    found = {"cgroup.procs": "", "tasks": ""}
    for controller in key.split(","):
        found |= V1_FILES.get(controller, {})
    return found


def fake_v1(
    folder: pathlib.Path, *, mounts: tuple[str, ...] = V1_MOUNTS, own: str = "/"
) -> FakeTree:
    """Make a v1 layout; `own` is the cgroup of the calling process."""
    return FakeTree(folder, {key: key.removeprefix("name=") for key in mounts}, own)


def fake_hybrid(
    folder: pathlib.Path, *, mounts: tuple[str, ...] = V1_MOUNTS, own: str = "/"
) -> FakeTree:
    """Make a v1 layout with an empty v2 hierarchy beside."""
    return FakeTree(
        folder, {key: key.removeprefix("name=") for key in mounts} | {"": "unified"}, own
    )


def fake_v2(folder: pathlib.Path, *, own: str = "/") -> FakeTree:
    """Make a v2 layout; `own` is the cgroup of the calling process."""
    return FakeTree(folder, {"": ""}, own)


class RecordingManager:
    """A `CgroupManager` that notes every call and does nothing.

    `fail` maps a method's name to the error to raise; `process_ids`, `kills` and `measured` are
    what it answers.
    """

    def __init__(self, path: str = "/recorded") -> None:
        self.path = path
        self.calls: list[tuple[Any, ...]] = []
        self.fail: dict[str, Exception] = {}
        self.process_ids: tuple[int, ...] = ()
        self.kills: int | None = 0
        self.measured = Stats()
        self._frozen = False
        self._exists = False

    @property
    def names(self) -> list[str]:
        """The names of the methods that were called, in order."""
        return [call[0] for call in self.calls]

    def _note(self, name: str, *values: Any) -> None:
        self.calls.append((name, *values))
        if name in self.fail:
            raise self.fail[name]

    @property
    def paths(self) -> dict[str, str]:
        return {"": self.path}

    def create(self, resources: LinuxResources | None = None) -> int | None:
        self._note("create", resources)
        self._exists = True
        return None

    def open_entry(self, sub: str = "", controllers: tuple[str, ...] | None = None) -> Entry | None:
        self._note("open_entry", sub, controllers)
        return None

    def add(self, pid: int, sub: str = "", controllers: tuple[str, ...] | None = None) -> None:
        self._note("add", pid, sub, controllers)
        self.process_ids += (pid,)

    def apply(self, resources: LinuxResources) -> None:
        self._note("apply", resources)

    def stats(self) -> Stats:
        self._note("stats")
        return self.measured

    def events(self) -> Events:
        raise NotImplementedError("a recording manager has no events")

    def freeze(self) -> None:
        self._note("freeze")
        self._frozen = True

    def thaw(self) -> None:
        self._note("thaw")
        self._frozen = False

    def is_frozen(self) -> bool:
        return self._frozen

    def pids(self, recursive: bool = True) -> tuple[int, ...]:
        return self.process_ids

    def kill(self, signal: int) -> None:
        self._note("kill", signal)

    def remove(self) -> None:
        self._note("remove")
        self._exists = False

    def chown(self, uid: int, sub: str = "") -> None:
        self._note("chown", uid, sub)

    def oom_kills(self) -> int | None:
        return self.kills

    def exists(self) -> bool:
        return self._exists

    def to_state(self) -> CgroupState:
        return CgroupState(manager="disabled", paths=self.paths)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: Any) -> None:
        self.remove()


if TYPE_CHECKING:
    _is_a_manager: CgroupManager = RecordingManager()


def instructions(program: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield a BPF program's instructions: opcode, destination, source, offset, constant."""
    from .bpf import listing

    return listing(program)


def run_device_program(program: bytes, kind: str, major: int, minor: int, access: int) -> bool:
    """Interpret a device program as the kernel would; True allows.

    `kind` is "b" or "c", `access` a bit set of `libcgroups.devices` READ, WRITE, MKNOD.
    """
    memory = {0: {"b": 1, "c": 2}[kind] | access << 16, 4: major, 8: minor}
    registers = [0] * 11
    code = list(instructions(program))
    at = 0
    while True:
        op, dst, src, off, imm = code[at]
        at += 1
        if op == 0x61:
            registers[dst] = memory[off]
        elif op == 0x54:
            registers[dst] &= imm & 0xFFFFFFFF
        elif op == 0x74:
            registers[dst] = (registers[dst] & 0xFFFFFFFF) >> imm
        elif op == 0xB4:
            registers[dst] = imm & 0xFFFFFFFF
        elif op == 0xBC:
            registers[dst] = registers[src] & 0xFFFFFFFF
        elif op == 0x15:
            at += off if registers[dst] == imm else 0
        elif op == 0x55:
            at += off if registers[dst] != imm else 0
        elif op == 0x5D:
            at += off if registers[dst] != registers[src] else 0
        elif op == 0x95:
            return bool(registers[0])
        else:
            raise ValueError(f"unknown opcode {op:#x}")
