"""On the host's own v1 hierarchies.  Skipped where there are none."""

import ctypes
import os
import signal
import subprocess
import time
import uuid

import pytest

from libcgroups import (
    CgroupError,
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxHugepageLimit,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
    files,
    load_manager,
    open_manager,
)

pytestmark = pytest.mark.root


@pytest.fixture
def name():
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def manager(real_v1, name):
    with open_manager(f"/libcgroups-tests/{name}", container_id=name) as manager:
        manager.create()
        yield manager


@pytest.fixture
def sleeper():
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process
        process.kill()


def read(manager, controller, file):
    return manager.directory_of(controller).read(file)


def mounted(manager, text):
    """Return the lines of a /proc/PID/cgroup that are of a hierarchy somebody mounted."""
    return [line for line in text.splitlines() if line.split(":")[1] in manager.paths]


def run_inside(manager, function):
    """Run `function` in a process inside the cgroup; return what it returns, as text."""
    reader, writer = os.pipe()
    with manager.open_entry() as entry:
        pid = os.fork()
        if pid == 0:
            try:
                entry.enter()
                os.write(writer, str(function()).encode())
            finally:
                os._exit(0)
    os.close(writer)
    os.waitpid(pid, 0)
    with open(reader) as f:
        return f.read()


def test_process_is_in_every_hierarchy(manager, sleeper, name):
    """
    Engines look for a process's cgroup in any of them.
    """
    manager.add(sleeper.pid)

    with open(f"/proc/{sleeper.pid}/cgroup") as f:
        lines = mounted(manager, f.read())
    assert len(lines) == len(manager.paths)
    assert all(line.endswith(name) for line in lines)
    assert manager.pids() == (sleeper.pid,)


def test_process_enters_by_itself(manager, name):
    """
    The quick way ends in the same v1 cgroups; v2's is for CLONE_INTO_CGROUP.
    """
    text = run_inside(manager, lambda: open("/proc/self/cgroup").read())

    inside = [line for line in mounted(manager, text) if not line.startswith("0::")]
    assert inside
    assert all(line.endswith(name) for line in inside)


def test_born_in_v2_and_entering_v1(manager, name):
    """
    On a hybrid host CLONE_INTO_CGROUP and `enter` together are the whole placement.
    """
    if "" not in manager.paths:
        pytest.skip("needs a hybrid host")
    reader, writer = os.pipe()
    with manager.open_entry() as entry:
        arguments = (ctypes.c_uint64 * 11)(0x200000000, 0, 0, 0, signal.SIGCHLD)
        arguments[10] = entry.directory
        pid = ctypes.CDLL(None).syscall(435, arguments, ctypes.sizeof(arguments))  # clone3
        if pid == 0:
            entry.enter()
            os.write(writer, open("/proc/self/cgroup", "rb").read())
            os._exit(0)
    os.waitpid(pid, 0)
    lines = mounted(manager, os.read(reader, 4096).decode())
    os.close(reader)
    os.close(writer)

    assert len(lines) == len(manager.paths)
    assert all(line.endswith(name) for line in lines)


def test_limits_are_in_force(manager):
    """
    The kernel has what was asked for.
    """
    manager.apply(
        LinuxResources(
            memory=LinuxMemory(limit=64 << 20, swap=96 << 20, reservation=32 << 20),
            cpu=LinuxCPU(shares=512, quota=50000, period=100000, burst=1000, cpus="0", mems="0"),
            pids=LinuxPids(limit=20),
        )
    )

    assert read(manager, "memory", "memory.limit_in_bytes") == str(64 << 20)
    assert read(manager, "memory", "memory.memsw.limit_in_bytes") == str(96 << 20)
    assert read(manager, "memory", "memory.soft_limit_in_bytes") == str(32 << 20)
    assert read(manager, "cpu", "cpu.shares") == "512"
    assert read(manager, "cpu", "cpu.cfs_quota_us") == "50000"
    assert read(manager, "cpu", "cpu.cfs_burst_us") == "1000"
    assert read(manager, "cpuset", "cpuset.cpus") == "0"
    assert read(manager, "pids", "pids.max") == "20"


@pytest.mark.parametrize(
    "limits",
    [
        pytest.param([(64, 64), (128, 128), (32, 32)], id="both-up-and-down"),
        pytest.param([(64, 128), (256, 256), (16, 512)], id="limit-over-the-old-sum"),
        pytest.param([(64, 64), (-1, -1), (64, 64)], id="to-unlimited-and-back"),
        pytest.param([(64, 64), (-1, None)], id="unlimited-alone"),
    ],
)
def test_memory_and_swap_change_both_ways(manager, limits):
    """
    The kernel keeps limit <= memory+swap at every moment; the order of writing fits.
    """

    def size(mib):
        return mib if mib is None or mib < 0 else mib << 20

    for limit, swap in limits:
        memory = LinuxMemory(limit=size(limit), swap=size(swap))
        manager.apply(LinuxResources(memory=memory))
        if limit > 0:
            assert read(manager, "memory", "memory.limit_in_bytes") == str(limit << 20)
            assert read(manager, "memory", "memory.memsw.limit_in_bytes") == str(swap << 20)


def test_memory_limit_above_the_sum_is_explained(manager):
    """
    A limit alone cannot pass the present memory+swap limit.
    """
    manager.apply(LinuxResources(memory=LinuxMemory(limit=64 << 20, swap=64 << 20)))

    with pytest.raises(CgroupError, match="exceeds memory\\+swap limit 67108864"):
        manager.apply(LinuxResources(memory=LinuxMemory(limit=128 << 20)))


@pytest.mark.parametrize("quotas", [(50000, 10000, 80000), (1000, 100000)])
def test_quota_period_and_burst_change_both_ways(manager, quotas):
    """
    burst <= quota <= what the period allows, whichever changes first.
    """
    for quota in quotas:
        cpu = LinuxCPU(quota=quota, period=quota * 2, burst=quota // 2)
        manager.apply(LinuxResources(cpu=cpu))
        assert read(manager, "cpu", "cpu.cfs_quota_us") == str(quota)
        assert read(manager, "cpu", "cpu.cfs_period_us") == str(quota * 2)
        assert read(manager, "cpu", "cpu.cfs_burst_us") == str(quota // 2)


@pytest.mark.parametrize(
    ("shares", "text"), [(1, "minimum allowed cpu-shares is 2"), (10**6, "maximum allowed")]
)
def test_shares_out_of_range(manager, shares, text):
    """
    The kernel clamps in silence; we compare.
    """
    with pytest.raises(CgroupError, match=text):
        manager.apply(LinuxResources(cpu=LinuxCPU(shares=shares)))


def test_memory_in_use(manager):
    """
    A limit below the usage names the usage.
    """
    with manager.open_entry() as entry:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            entry.enter()
            hold = bytearray(b"x" * (32 << 20))
            ctypes.CDLL(None).mlockall(3)
            os.write(writer, str(len(hold)).encode())
            time.sleep(600)
            os._exit(0)
    os.read(reader, 10)
    try:
        with pytest.raises(CgroupError, match="unable to set memory limit to 4096 .current usage"):
            manager.apply(LinuxResources(memory=LinuxMemory(limit=4096)))
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def test_devices(manager):
    """
    What the rules do not allow cannot be opened.
    """
    manager.apply(LinuxResources(devices=(LinuxDeviceCgroup(False, access="rwm"),)))

    def attempt():
        try:
            os.open("/dev/kmsg", os.O_RDONLY)
        except PermissionError:
            os.close(os.open("/dev/null", os.O_RDWR))
            return "refused"

    assert run_inside(manager, attempt) == "refused"
    assert "c 1:3 rwm" in read(manager, "devices", "devices.list")


def test_devices_again(manager):
    """
    The second time only the difference is written.
    """
    rules = (LinuxDeviceCgroup(True, "b", 7, 0, "rwm"),)
    manager.apply(LinuxResources(devices=rules))
    again = load_manager(manager.to_state())
    again.apply(LinuxResources(devices=(LinuxDeviceCgroup(True, "b", 7, 1, "r"),)))

    listed = read(manager, "devices", "devices.list").splitlines()

    assert "b 7:1 r" in listed
    assert not [line for line in listed if "7:0" in line]


def test_missing_controller_is_named(manager):
    """
    The error names the controller, where the host has it not.
    """
    if "hugetlb" in manager.paths:
        pytest.skip("needs a host without hugetlb")
    limit = (LinuxHugepageLimit("2MB", 4096),)
    with pytest.raises(CgroupError, match="the cgroup v1 controller hugetlb is not mounted"):
        manager.apply(LinuxResources(hugepage_limits=limit))


def test_freeze_and_kill(manager, sleeper):
    """
    A frozen process dies of SIGKILL at once: the cgroup is thawed after it.
    """
    manager.add(sleeper.pid)
    manager.freeze()
    assert manager.is_frozen()
    assert load_manager(manager.to_state()).is_frozen()

    manager.kill(signal.SIGKILL)

    assert sleeper.wait(10) == -signal.SIGKILL
    assert not manager.is_frozen()


def test_other_signals(manager, sleeper):
    """
    Any signal reaches every process below; who was frozen stays frozen.
    """
    for path in manager.paths.values():
        os.mkdir(f"{path}/sub")
    for path in (manager.paths["cpuset"] + "/sub",):
        for file in ("cpuset.cpus", "cpuset.mems"):
            with open(f"{path}/{file}", "w") as f:
                f.write("0")
    manager.add(sleeper.pid, "sub")

    manager.kill(signal.SIGTERM)

    assert sleeper.wait(10) == -signal.SIGTERM


def test_used_and_frozen_cgroups_are_refused(manager, sleeper):
    """
    A container must be alone in its cgroup, and able to run.
    """
    manager.add(sleeper.pid)
    again = load_manager(manager.to_state())
    with pytest.raises(CgroupError, match=r"not empty: 1 process\(es\) found"):
        again.create()
    sleeper.kill()
    sleeper.wait()
    manager.freeze()

    with pytest.raises(CgroupError, match="unexpectedly frozen"):
        again.create()


def test_below_a_frozen_cgroup(manager, name):
    """
    A refused cgroup leaves no directory in any hierarchy.
    """
    manager.freeze()
    below = open_manager(f"/libcgroups-tests/{name}/x", container_id=name)

    with pytest.raises(CgroupError, match="unexpectedly frozen"):
        below.create()

    assert not [path for path in below.paths.values() if os.path.exists(path)]
    manager.thaw()


def test_removal_takes_everything(real_v1, name):
    """
    Processes and cgroups below go too.
    """
    manager = open_manager(f"/libcgroups-tests/{name}", container_id=name)
    manager.create()
    with subprocess.Popen(["sleep", "600"]) as process:
        manager.add(process.pid)
        for path in manager.paths.values():
            os.makedirs(f"{path}/a/b")

        manager.remove()

        assert process.wait(10) == -signal.SIGKILL
    assert not [path for path in manager.paths.values() if os.path.exists(path)]


def test_oom(manager):
    """
    A process over the limit is killed, counted and reported.
    """
    manager.apply(LinuxResources(memory=LinuxMemory(limit=16 << 20, swap=16 << 20)))
    with manager.events() as events:
        run_inside(manager, lambda: len(bytearray(b"x" * (64 << 20))))

        assert events.wait(10)[0] == "oom"
    assert manager.oom_kills() == 1


def test_end_of_the_last_process(manager, sleeper):
    """
    Watching ends when nobody is left.
    """
    manager.add(sleeper.pid)
    with manager.events() as events:
        assert events.wait(0.1) == ()
        sleeper.kill()
        sleeper.wait()

        assert list(events) == []


def test_stats(manager):
    """
    What ran inside is counted.
    """
    run_inside(manager, lambda: sum(range(10**6)))

    stats = manager.stats()

    assert stats.cpu.total > 0
    assert stats.memory.memory.peak > 0
    assert stats.pids.current == 0
    assert stats.cpuset.cpus


def test_path_of_the_caller(real_v1, name):
    """
    A relative path is below the caller's own cgroup of each hierarchy.
    """
    with open("/proc/self/cgroup") as f:
        own = {key: path for _, key, path in (line.rstrip().split(":", 2) for line in f)}
    with open_manager(f"x/../{name}", container_id="other") as manager:
        manager.create()

        assert manager.paths["memory"].endswith(os.path.join(own["memory"], name))
        assert manager.exists()


def test_nothing_is_read_or_written_twice(real_v1, name, monkeypatch):
    """
    Applying limits is one write per file.
    """
    resources = LinuxResources(
        memory=LinuxMemory(limit=64 << 20, swap=128 << 20),
        cpu=LinuxCPU(quota=50000, period=100000),
        pids=LinuxPids(limit=20),
    )
    with open_manager(f"/libcgroups-tests/{name}", container_id=name) as manager:
        manager.create()
        manager.apply(resources)
        opened = []

        def counting(path, text):
            opened.append(path)
            return write_text(path, text)

        write_text = files.write_text
        monkeypatch.setattr(files, "write_text", counting)
        manager.apply(resources)

    assert [os.path.basename(path) for path in opened] == [
        "pids.max",
        "memory.limit_in_bytes",
        "memory.memsw.limit_in_bytes",
        "cpu.cfs_period_us",
        "cpu.cfs_quota_us",
    ]
