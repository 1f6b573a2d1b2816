"""A v2 cgroup by its files, on the real kernel."""

import ctypes
import os
import signal
import subprocess
import time

import pytest
from conditions import needs_root, needs_v2

from libcgroups import (
    CgroupError,
    ControllerMissing,
    LinuxBlockIO,
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
    LinuxThrottleDevice,
    load_manager,
    open_manager,
)
from libcgroups.bpf import Bpf

pytestmark = [needs_v2, needs_root]


def read(manager, file):
    with open(f"{manager.path}/{file}") as f:
        return f.read().strip()


def inside(manager, function):
    """Run `function` in a process inside the cgroup and return its result as text."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with open(f"{manager.path}/cgroup.procs", "w") as f:
                f.write("0")
            os.write(writer, str(function()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader) as f:
        return f.read()


def test_limits_are_in_force(manager):
    """Every limit is in its file afterwards."""
    root = os.stat("/").st_dev
    disk = 254, 0
    manager.apply(
        LinuxResources(
            memory=LinuxMemory(limit=64 << 20, swap=96 << 20, reservation=32 << 20),
            cpu=LinuxCPU(shares=2048, quota=50000, period=100000, burst=10000, cpus="0", mems="0"),
            pids=LinuxPids(limit=20),
            unified={"memory.high": "60000000"},
        )
    )

    assert root
    assert disk
    assert read(manager, "memory.max") == str(64 << 20)
    assert read(manager, "memory.low") == str(32 << 20)
    assert read(manager, "cpu.weight") == "174"
    assert read(manager, "cpu.max") == "50000 100000"
    assert read(manager, "cpu.max.burst") == "10000"
    assert read(manager, "cpuset.cpus") == "0"
    assert read(manager, "pids.max") == "20"
    assert int(read(manager, "memory.high")) <= 60000000


def test_quota_and_burst_change_both_ways(manager):
    """The order of writing fits a rise and a fall."""
    for quota in (50000, 10000, 80000):
        manager.apply(LinuxResources(cpu=LinuxCPU(quota=quota, period=100000, burst=quota // 2)))
        assert read(manager, "cpu.max") == f"{quota} 100000"
        assert read(manager, "cpu.max.burst") == str(quota // 2)


def test_period_alone_keeps_the_quota(manager):
    manager.apply(LinuxResources(cpu=LinuxCPU(quota=50000)))
    manager.apply(LinuxResources(cpu=LinuxCPU(period=200000)))
    assert read(manager, "cpu.max") == "50000 200000"


def test_throttle(manager):
    """io.max takes the device's numbers."""
    disk = next(
        tuple(int(n) for n in line.split()[:2])
        for line in open("/proc/partitions").read().splitlines()[2:]
        if line.split()[3] in ("vda", "sda")
    )
    manager.apply(
        LinuxResources(
            block_io=LinuxBlockIO(throttle_read_bps_device=(LinuxThrottleDevice(*disk, 1 << 20),))
        )
    )
    assert "rbps=1048576" in read(manager, "io.max")


def test_devices(manager):
    """What the rules do not allow cannot be opened, and the default devices can."""
    manager.apply(LinuxResources(devices=(LinuxDeviceCgroup(False, access="rwm"),)))

    def attempt():
        found = []
        for path in ("/dev/null", "/dev/vda", "/dev/sda", "/dev/kmsg"):
            try:
                os.close(os.open(path, os.O_RDONLY))
                found.append(path)
            except PermissionError:
                pass
            except FileNotFoundError:
                pass
        return found

    assert inside(manager, attempt) == "['/dev/null']"


def test_new_rules_take_the_place_of_the_old(manager):
    """There is one program, however often rules are given."""
    fd = os.open(manager.path, os.O_RDONLY)
    for major in (7, 8, 9):
        manager.apply(LinuxResources(devices=(LinuxDeviceCgroup(True, "b", major, 0, "rwm"),)))
        assert len(Bpf().query(fd)) == 1
    manager.apply(LinuxResources(devices=(LinuxDeviceCgroup(True, access="rwm"),)))
    assert Bpf().query(fd) == ()
    os.close(fd)


def test_freeze_thaw_kill(manager, sleeper):
    manager.add(sleeper.pid)
    manager.freeze()
    assert manager.is_frozen()
    assert load_manager(manager.to_state()).is_frozen()
    manager.thaw()
    assert not manager.is_frozen()
    manager.freeze()
    manager.kill(signal.SIGKILL)
    assert sleeper.wait(20) == -signal.SIGKILL


def test_other_signals_reach_every_process(manager, sleeper):
    os.mkdir(f"{manager.path}/sub")
    manager.add(sleeper.pid, "sub")
    assert manager.pids() == (sleeper.pid,)
    assert manager.pids(recursive=False) == ()
    manager.kill(signal.SIGTERM)
    assert sleeper.wait(20) == -signal.SIGTERM


def test_used_cgroup_is_refused(manager, sleeper):
    manager.add(sleeper.pid)
    with pytest.raises(CgroupError, match="is not empty: 1 process"):
        load_manager(manager.to_state()).create()


def test_frozen_cgroup_is_refused(manager):
    manager.freeze()
    with pytest.raises(CgroupError, match="unexpectedly frozen"):
        load_manager(manager.to_state()).create()


def test_below_a_frozen_cgroup_is_refused(manager, name):
    manager.freeze()
    path = manager.path.removeprefix("/sys/fs/cgroup") + "/x"
    with pytest.raises(CgroupError, match="unexpectedly frozen"):
        open_manager(path, container_id=name).create()
    assert not os.path.exists(f"{manager.path}/x")


def test_removal_takes_processes_and_cgroups_below(name):
    manager = open_manager(f"/vm-tests/{name}", container_id=name)
    manager.create()
    os.makedirs(f"{manager.path}/a/b")
    with subprocess.Popen(["sleep", "600"]) as process:
        manager.add(process.pid, "a/b")
        manager.remove()
        assert process.wait(20) == -signal.SIGKILL
    assert not manager.exists()


def test_born_inside(manager):
    """A process is born in the cgroup: CLONE_INTO_CGROUP with the entry's directory."""
    libc = ctypes.CDLL(None, use_errno=True)
    with manager.open_entry() as entry:
        args = (ctypes.c_uint64 * 11)(0x200000000, 0, 0, 0, signal.SIGCHLD)
        args[10] = entry.directory
        pid = libc.syscall(435, args, ctypes.sizeof(args))
        if pid == 0:
            time.sleep(600)
            os._exit(0)
    assert pid > 0
    assert manager.pids() == (pid,)
    manager.kill(signal.SIGKILL)
    os.waitpid(pid, 0)


def test_oom(manager):
    """A process over the limit is killed, counted and reported."""
    manager.apply(LinuxResources(memory=LinuxMemory(limit=16 << 20, swap=16 << 20)))
    with manager.events() as events:
        inside(manager, lambda: bytearray(b"x" * (64 << 20)))
        found = events.wait(20)
    assert "oom" in found
    assert manager.oom_kills() >= 1


def test_empty_event(manager, sleeper):
    manager.add(sleeper.pid)
    with manager.events() as events:
        sleeper.kill()
        assert events.wait(20) == ("empty",)


def test_stats(manager):
    inside(manager, lambda: sum(range(100000)))
    stats = manager.stats()
    assert stats.cpu.total > 0
    assert stats.memory.memory.usage >= 0
    assert stats.memory.memory.limit == 2**64 - 1
    assert stats.pids.limit is None
    assert stats.to_events()["cpu"]["usage"]["total"] == stats.cpu.total


def test_unknown_controller_of_unified(manager):
    with pytest.raises(CgroupError, match='controller "nosuch" not available'):
        manager.apply(LinuxResources(unified={"nosuch.max": "1"}))


def test_threaded_parent_cannot_have_memory(manager, name):
    """Below a threaded cgroup only threaded limits exist, and that is said before anything runs."""
    os.mkdir(f"{manager.path}/t")
    with open(f"{manager.path}/t/cgroup.type", "w") as f:
        f.write("threaded")
    path = manager.path.removeprefix("/sys/fs/cgroup") + "/u"
    with pytest.raises(CgroupError, match="threaded"):
        open_manager(path, container_id=name).create(
            LinuxResources(memory=LinuxMemory(limit=1 << 30))
        )
    with open_manager(path, container_id=name) as below:
        below.create(LinuxResources(pids=LinuxPids(limit=5)))
        below.apply(LinuxResources(pids=LinuxPids(limit=5)))
        assert read(below, "cgroup.type") == "threaded"


def test_controller_not_delegated(manager, name, sleeper):
    """The error says where the controller ends."""
    manager.add(sleeper.pid)  # now our cgroup cannot hand controllers down
    path = manager.path.removeprefix("/sys/fs/cgroup") + "/x"
    with open_manager(path, container_id=name) as below:
        below.create()
        with pytest.raises(ControllerMissing, match="memory is not delegated by /vm-tests"):
            below.apply(LinuxResources(memory=LinuxMemory(limit=1 << 30)))


def test_delegation(manager):
    """The user may make cgroups below, and not change limits."""
    manager.chown(12345)
    assert os.stat(manager.path).st_uid == 12345
    assert os.stat(f"{manager.path}/cgroup.procs").st_uid == 12345
    assert os.stat(f"{manager.path}/memory.max").st_uid == 0
