import errno
import os
import re

import pytest

from libcgroups import (
    CgroupError,
    ControlFileError,
    ControllerMissing,
    LinuxBlockIO,
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxHugepageLimit,
    LinuxInterfacePriority,
    LinuxMemory,
    LinuxNetwork,
    LinuxPids,
    LinuxRdma,
    LinuxResources,
    LinuxThrottleDevice,
    LinuxWeightDevice,
)
from libcgroups.files import Directory
from libcgroups.testing import fake_v1
from libcgroups.v1 import blkio, cpu, memory

SEEDED = {"cpuset.cpus": "0-3", "cpuset.mems": "0"}


def case(id_, resources, **files):
    return pytest.param(
        LinuxResources(**resources), {k.replace("__", "."): v for k, v in files.items()}, id=id_
    )


@pytest.mark.parametrize(
    ("resources", "files"),
    [
        case("nothing", {}),
        case(
            "memory",
            {"memory": LinuxMemory(limit=10, swap=20, reservation=5, swappiness=0)},
            memory__limit_in_bytes="10",
            memory__memsw__limit_in_bytes="20",
            memory__soft_limit_in_bytes="5",
            memory__swappiness="0",
        ),
        case(
            "memory-unlimited-is-swap-unlimited-too",
            {"memory": LinuxMemory(limit=-1)},
            memory__limit_in_bytes="-1",
            memory__memsw__limit_in_bytes="-1",
        ),
        case(
            "oom-killer-off",
            {"memory": LinuxMemory(disable_oom_killer=True)},
            memory__oom_control="1",
        ),
        case("swappiness-of-all-ones", {"memory": LinuxMemory(swappiness=2**64 - 1)}),
        case(
            "cpu",
            {"cpu": LinuxCPU(shares=2048, quota=5000, period=20000, burst=100)},
            cpu__shares="2048",
            cpu__cfs_quota_us="5000",
            cpu__cfs_period_us="20000",
            cpu__cfs_burst_us="100",
        ),
        case("cpu-unlimited", {"cpu": LinuxCPU(quota=-5)}, cpu__cfs_quota_us="-5"),
        case(
            "realtime",
            {"cpu": LinuxCPU(realtime_period=1000, realtime_runtime=500)},
            cpu__rt_period_us="1000",
            cpu__rt_runtime_us="500",
        ),
        case("idle", {"cpu": LinuxCPU(idle=1, shares=5)}, cpu__idle="1"),
        case("pids", {"pids": LinuxPids(limit=5)}, pids__max="5"),
        case("pids-zero", {"pids": LinuxPids(limit=0)}, pids__max="1"),
        case(
            "blkio",
            {
                "block_io": LinuxBlockIO(
                    weight=500,
                    weight_device=(LinuxWeightDevice(8, 0, weight=200),),
                    throttle_read_bps_device=(LinuxThrottleDevice(8, 0, 1),),
                    throttle_write_bps_device=(LinuxThrottleDevice(8, 0, 2),),
                    throttle_read_iops_device=(LinuxThrottleDevice(8, 0, 3),),
                    throttle_write_iops_device=(LinuxThrottleDevice(8, 0, 4),),
                )
            },
            blkio__bfq__weight="500",
            blkio__bfq__weight_device="8:0 200",
            blkio__throttle__read_bps_device="8:0 1",
            blkio__throttle__write_bps_device="8:0 2",
            blkio__throttle__read_iops_device="8:0 3",
            blkio__throttle__write_iops_device="8:0 4",
        ),
        case(
            "hugetlb",
            {"hugepage_limits": (LinuxHugepageLimit("2MB", 4096),)},
            hugetlb__2MB__limit_in_bytes="4096",
            hugetlb__2MB__rsvd__limit_in_bytes="4096",
        ),
        case(
            "network",
            {"network": LinuxNetwork(0x100001, (LinuxInterfacePriority("lo", 7),))},
            net_cls__classid="1048577",
            net_prio__ifpriomap="lo 7",
        ),
        case(
            "rdma",
            {"rdma": {"mlx5_1": LinuxRdma(3, 10)}},
            rdma__max="mlx5_1 hca_handle=3 hca_object=10",
        ),
        case("cpuset", {"cpu": LinuxCPU(cpus="1", mems="0")}, cpuset__cpus="1"),
    ],
)
def test_limits(v1, resources, files):
    """
    Each limit is in its file afterwards, and no other file is touched.
    """
    manager = v1.open("/a/b")

    manager.apply(resources)

    assert v1.changed("/a/b") == SEEDED | files


def test_cpuset_is_filled_from_above(v1):
    """
    A new cpuset takes its parents' values: no process could join an empty one.
    """
    v1.open("/a/b")

    assert v1.read("/a", "cpuset.cpus") == "0-3"
    assert v1.read("/a/b", "cpuset.mems") == "0"


def test_controllers_mounted_together_are_one_directory(v1):
    """
    cpu and cpuacct share a hierarchy, and so the directory.
    """
    paths = v1.open("/a").paths

    assert paths["cpu,cpuacct"] == f"{v1.root}/cpu,cpuacct/a"
    assert "cpu" not in paths


def test_missing_controller_is_named_only_when_asked_for(tmp_path):
    """
    A controller that is not mounted matters only to who wants a limit of it.
    """
    tree = fake_v1(tmp_path, mounts=("memory", "cpuset", "name=systemd"))
    manager = tree.open("/a")
    manager.apply(LinuxResources(memory=LinuxMemory(limit=5)))

    with pytest.raises(ControllerMissing, match="v1 controller pids is not mounted") as e:
        manager.apply(LinuxResources(pids=LinuxPids(limit=5)))

    assert e.value.controller == "pids"


def test_unified_is_refused(v1):
    """
    `unified` names files of v2.
    """
    with pytest.raises(CgroupError, match="cannot use unified on cgroup v1"):
        v1.open("/a").apply(LinuxResources(unified={"memory.max": "1"}))


def test_swappiness_out_of_range(v1):
    """
    The error has the value and the range.
    """
    with pytest.raises(CgroupError, match=re.escape("value: 101 (valid range is 0-100)")):
        v1.open("/a").apply(LinuxResources(memory=LinuxMemory(swappiness=101)))


@pytest.mark.parametrize(
    ("shares", "kept", "text"),
    [
        pytest.param(1, "2", "the minimum allowed cpu-shares is 2", id="below"),
        pytest.param(300000, "262144", "the maximum allowed cpu-shares is 262144", id="above"),
    ],
)
def test_shares_out_of_range(v1, shares, kept, text):
    """
    The kernel moves shares into its range silently; we say so.
    """
    v1.open("/a")
    directory = Directory(os.path.dirname(v1.file("/a", "cpu.shares")))
    writes = cpu.writes(LinuxResources(cpu=LinuxCPU(shares=shares)), directory)
    next(writes)
    v1.write("/a", "cpu.shares", kept)

    with pytest.raises(CgroupError, match=text):
        next(writes)


def test_old_kernels_weight_file(tmp_path):
    """
    Without BFQ's files the weight goes into CFQ's.
    """
    resources = LinuxResources(block_io=LinuxBlockIO(weight=10, leaf_weight=20))

    files = [write.file for write in blkio.writes(resources, Directory(str(tmp_path)))]

    assert files == ["blkio.weight", "blkio.leaf_weight"]


def test_memory_in_use_is_named(v1):
    """
    A limit below what is in use is refused with the usage.
    """
    v1.open("/a")
    v1.write("/a", "memory.usage_in_bytes", "300\n")
    v1.write("/a", "memory.max_usage_in_bytes", "400\n")
    directory = Directory(os.path.dirname(v1.file("/a", "memory.stat")))
    write = next(memory.writes(LinuxResources(memory=LinuxMemory(limit=5)), directory))

    error = memory.explain(write, ControlFileError("x", "5", 16), directory)

    assert str(error) == "unable to set memory limit to 5 (current usage: 300, peak usage: 400)"
    assert error.errno == 16


def test_device_list_of_a_new_cgroup_is_written_whole(v1):
    """
    Nobody relies on the list of a new cgroup, so it is not read.
    """
    manager = v1.open("/a")
    manager.apply(LinuxResources(devices=(LinuxDeviceCgroup(False, access="rwm"),)))

    assert v1.read("/a", "devices.deny") == "a"
    allowed = v1.read("/a", "devices.allow").splitlines()
    assert (allowed[0], allowed[-1], len(allowed)) == ("b *:* m", "c 136:* rwm", 12)


def test_device_rule_that_is_refused_is_named(v1, monkeypatch):
    """
    The lines go to the kernel by one write each, and the error has the one that it refused.
    """
    written = []

    def write(fd, data):
        written.append(data)
        if data == b"c 1:5 rwm\n":
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    manager = v1.open("/box")
    monkeypatch.setattr("libcgroups.files.posix.write", write)

    with pytest.raises(ControlFileError) as e:
        manager.apply(LinuxResources(devices=(LinuxDeviceCgroup(False, access="rwm"),)))

    text = 'write "c 1:5 rwm" to devices.allow of /box: invalid argument'
    assert (str(e.value), e.value.errno) == (text, errno.EINVAL)
    assert written[:2] == [b"a\n", b"b *:* m\n"]


def test_frozen_by_a_parent_is_not_own(v1):
    """
    `is_frozen` is about this cgroup; a frozen parent refuses a new container all the same.
    """
    manager = v1.open("/a")
    v1.write("/a", "freezer.state", "FROZEN\n")

    assert not manager.is_frozen()
    with pytest.raises(CgroupError, match="unexpectedly frozen"):
        manager.create()


def test_used_cgroup_is_refused(v1):
    """
    Every process that is inside already counts once.
    """
    manager = v1.open("/a")
    v1.write("/a", "cgroup.procs", "17\n18\n")

    with pytest.raises(CgroupError, match=re.escape("not empty: 2 process(es) found")):
        manager.create()


@pytest.mark.parametrize("sub", ["../x", "a/../../x", "a\0b"])
def test_sub_cgroup_cannot_leave(v1, sub):
    """
    A cgroup below ours is below ours.
    """
    with pytest.raises(CgroupError, match="bad sub cgroup path"):
        v1.open("/a").add(1, sub)


def test_oom_kills(v1):
    """
    The kernel counts kills; an old one does not tell.
    """
    manager = v1.open("/a")
    assert manager.oom_kills() == 0
    v1.write("/a", "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert manager.oom_kills() == 3
    v1.write("/a", "memory.oom_control", "oom_kill_disable 0\n")
    assert manager.oom_kills() is None


def test_error_has_the_file_the_value_and_the_cgroup(v1):
    """
    An error says what was written where, and the cgroup's name without the mount point.
    """
    manager = v1.open("/box")
    os.unlink(v1.file("/box", "pids.max"))

    with pytest.raises(ControlFileError) as e:
        manager.apply(LinuxResources(pids=LinuxPids(limit=-1)))

    assert str(e.value) == 'write "max" to pids.max of /box: no such file or directory'
    assert e.value.errno == 2


@pytest.fixture
def not_in_pids(monkeypatch):
    """A user who may make cgroups everywhere but in the hierarchy of pids."""
    real = os.mkdir

    def mkdir(path, mode):
        if "/pids/" in path:
            raise OSError(errno.EACCES, "Permission denied", path)
        real(path, mode)

    monkeypatch.setattr("libcgroups.files.posix.mkdir", mkdir)


def test_rootless_leaves_out_what_is_refused(v1, not_in_pids):
    """
    A hierarchy without rights is left out, and only a limit of it is an error.
    """
    v1.make("/new", without=("pids",))
    manager = v1.manager("/new", rootless=True)

    manager.create()
    manager.apply(LinuxResources(memory=LinuxMemory(limit=5)))

    assert "pids" not in manager.paths
    assert "pids" not in manager.to_state().paths
    text = "cannot set pids limit: container could not join or create cgroup"
    with pytest.raises(ControllerMissing, match=text):
        manager.apply(LinuxResources(pids=LinuxPids(limit=5)))


def test_root_leaves_nothing_out(v1, not_in_pids):
    """
    The tolerance is for rootless only.
    """
    v1.make("/new", without=("pids",))

    with pytest.raises(ControlFileError, match="mkdir .*/pids/new: permission denied"):
        v1.manager("/new").create()


def test_interrupted_freeze_leaves_nobody_frozen(v1, monkeypatch):
    """
    A handler may raise while the processes are waited for.
    """
    manager = v1.open("/a")

    def interrupted(directory, file):
        raise KeyboardInterrupt

    monkeypatch.setattr(Directory, "read", interrupted)

    with pytest.raises(KeyboardInterrupt):
        manager.freeze()

    assert v1.read("/a", "freezer.state") == "THAWED"


def test_removal_does_not_kill_our_own_group(hybrid, monkeypatch):
    """
    The v2 hierarchy of a hybrid host lists who is of another pid namespace as 0.
    """
    manager = hybrid.open("/a")
    killed = []
    monkeypatch.setattr("libcgroups.files.posix.kill", lambda *given: killed.append(given))
    busy = OSError(errno.EBUSY, os.strerror(errno.EBUSY))
    answers = [busy, busy]

    def rmdir(path):
        if path.startswith(f"{hybrid.root}/unified") and answers:
            raise answers.pop()

    monkeypatch.setattr("libcgroups.files.posix.rmdir", rmdir)
    with open(f"{manager.paths['']}/cgroup.procs", "w") as file:
        file.write("0\n17\n")

    manager.remove()

    assert killed == [(17, 9)]
