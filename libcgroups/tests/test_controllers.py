import pytest

from libcgroups import (
    LinuxBlockIO,
    LinuxCPU,
    LinuxHugepageLimit,
    LinuxInterfacePriority,
    LinuxMemory,
    LinuxNetwork,
    LinuxPids,
    LinuxRdma,
    LinuxResources,
)
from libcgroups.controllers import concerned, has_limits, split


@pytest.mark.parametrize(
    ("resources", "names"),
    [
        pytest.param(LinuxResources(), [], id="nothing"),
        pytest.param(
            LinuxResources(
                memory=LinuxMemory(limit=0, disable_oom_killer=False),
                cpu=LinuxCPU(shares=0),
                block_io=LinuxBlockIO(weight=0),
            ),
            [],
            id="zeros-of-docker",
        ),
        pytest.param(LinuxResources(pids=LinuxPids(limit=0)), ["pids"], id="pids-zero-counts"),
        pytest.param(LinuxResources(cpu=LinuxCPU(idle=0)), ["cpu"], id="idle-zero-counts"),
        pytest.param(LinuxResources(cpu=LinuxCPU(cpus="0")), ["cpuset"], id="cpuset-alone"),
        pytest.param(
            LinuxResources(
                devices=(),
                memory=LinuxMemory(swappiness=0),
                cpu=LinuxCPU(quota=1, mems="0"),
                pids=LinuxPids(limit=1),
                block_io=LinuxBlockIO(weight=10),
                hugepage_limits=(LinuxHugepageLimit("2MB", 0),),
                network=LinuxNetwork(1, (LinuxInterfacePriority("lo", 1),)),
                rdma={"x": LinuxRdma(1)},
            ),
            "pids memory io cpu devices cpuset hugetlb net_cls net_prio rdma".split(),
            id="all-in-order",
        ),
    ],
)
def test_controllers_that_are_concerned(resources, names):
    """
    An explicit zero that means "not set" concerns nobody; the order is that of writing.
    """
    assert concerned(resources) == names


def test_device_rules_are_no_limits():
    """
    What decides whether a missing cgroup matters is a limit, not a device rule.
    """
    assert not has_limits(LinuxResources(devices=()))
    assert has_limits(LinuxResources(unified={"cpu.max": "max"}))


RESOURCES = LinuxResources(
    devices=(),
    memory=LinuxMemory(limit=5),
    cpu=LinuxCPU(shares=7, quota=1, period=2, burst=3, cpus="0"),
    unified={"memory.high": "1", "cpu.max.burst": "2", "cpu.weight": "3"},
)


def test_split():
    """
    CPU bandwidth and memory come late, as typed fields and as unified ones.
    """
    early, late = split(RESOURCES)

    assert early == LinuxResources(
        devices=(), cpu=LinuxCPU(shares=7, cpus="0"), unified={"cpu.weight": "3"}
    )
    assert late == LinuxResources(
        memory=LinuxMemory(limit=5),
        cpu=LinuxCPU(quota=1, period=2, burst=3),
        unified={"memory.high": "1", "cpu.max.burst": "2"},
    )


def test_split_with_memory_early():
    """
    A memory limit that leaves room for the set-up may come early.
    """
    early, late = split(RESOURCES, memory_early=True)

    assert early.memory == LinuxMemory(limit=5)
    assert early.unified == {"memory.high": "1", "cpu.weight": "3"}
    assert late.memory is None
