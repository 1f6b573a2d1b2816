"""What an update changes, writes and would undo."""

import pytest

from libcgroups.resources import (
    LinuxBlockIO,
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxHugepageLimit,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
    LinuxThrottleDevice,
)
from libcontainer.limits import changed, merged, undoing

NOTHING = LinuxResources()
OLD = LinuxResources(
    devices=(LinuxDeviceCgroup(allow=False, access="rwm"),),
    memory=LinuxMemory(limit=100, swap=200),
    cpu=LinuxCPU(shares=512, quota=5000, period=10000, idle=1),
    pids=LinuxPids(limit=10),
    unified={"memory.high": "90"},
)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param(NOTHING, OLD, id="nothing"),
        pytest.param(
            LinuxResources(memory=LinuxMemory(limit=0, swap=0, reservation=0)), OLD, id="zeros"
        ),
        pytest.param(
            LinuxResources(memory=LinuxMemory(limit=50)),
            OLD.replace(memory=LinuxMemory(limit=50, swap=200)),
            id="one of a pair",
        ),
        pytest.param(
            LinuxResources(memory=LinuxMemory(limit=-1)),
            OLD.replace(memory=LinuxMemory(limit=-1, swap=-1)),
            id="no limit of memory is none of swap",
        ),
        pytest.param(
            LinuxResources(pids=LinuxPids(limit=0)),
            OLD.replace(pids=LinuxPids(limit=0)),
            id="a document's zero for pids",
        ),
        pytest.param(
            LinuxResources(cpu=LinuxCPU(idle=0)),
            OLD.replace(cpu=LinuxCPU(quota=5000, period=10000, idle=0)),
            id="idle takes the weight with it",
        ),
        pytest.param(
            LinuxResources(cpu=LinuxCPU(burst=0, quota=7)),
            OLD.replace(cpu=LinuxCPU(shares=512, quota=7, period=10000, burst=0, idle=1)),
            id="a zero that counts",
        ),
        pytest.param(
            LinuxResources(unified={"memory.high": "max", "io.weight": "5"}),
            OLD.replace(unified={"memory.high": "max", "io.weight": "5"}),
            id="unified by key",
        ),
        pytest.param(
            LinuxResources(devices=(LinuxDeviceCgroup(allow=True),)), OLD, id="devices never"
        ),
    ],
)
def test_merged(changes, expected):
    """What is given takes the place of what was; zero and nothing are "as it is"."""
    assert merged(OLD, changes) == expected


def test_merged_by_device_and_page_size():
    """Entries of a list take the place of those for the same thing, others are added."""
    first, second = [LinuxThrottleDevice(major=8, minor=n, rate=10) for n in (0, 16)]
    faster = first.replace(rate=20)
    pages = [LinuxHugepageLimit(page_size=size, limit=1) for size in ("2MB", "1GB")]
    old = LinuxResources(
        block_io=LinuxBlockIO(weight=50, throttle_read_bps_device=(first, second)),
        hugepage_limits=(pages[0],),
    )
    changes = LinuxResources(
        block_io=LinuxBlockIO(weight=0, throttle_read_bps_device=(faster,)),
        hugepage_limits=(pages[1],),
    )

    assert merged(old, changes) == LinuxResources(
        block_io=LinuxBlockIO(weight=50, throttle_read_bps_device=(faster, second)),
        hugepage_limits=tuple(pages),
    )


def test_merged_with_no_limits_before():
    """The first limits are those of the update."""
    changes = LinuxResources(memory=LinuxMemory(limit=5), pids=LinuxPids(limit=1))

    assert merged(NOTHING, changes) == changes


def test_v2_writes_memory_and_swap_together():
    """v2's file for swap does not count memory, so either of the two needs the other."""
    changes = LinuxResources(memory=LinuxMemory(swap=300))
    new = merged(OLD, changes)

    assert changed(new, changes, unified=True).memory == LinuxMemory(limit=100, swap=300)
    assert changed(new, changes, unified=False).memory == LinuxMemory(swap=300)


def test_devices_are_never_written():
    """Kubernetes sends a rule that denies all with every update."""
    changes = LinuxResources(devices=OLD.devices, pids=LinuxPids(limit=5))

    assert changed(OLD, changes, unified=False) == LinuxResources(pids=LinuxPids(limit=5))


def test_undoing_is_the_old_values_of_what_is_set():
    """What was given comes back; what was not gets the kernel's own value."""
    wanted = LinuxResources(
        memory=LinuxMemory(limit=1, reservation=7),
        cpu=LinuxCPU(shares=9, burst=5),
        pids=LinuxPids(limit=3),
        unified={"memory.high": "5", "io.max": "7"},
    )

    assert undoing(OLD, wanted) == LinuxResources(
        memory=LinuxMemory(limit=100, reservation=-1),
        cpu=LinuxCPU(shares=512, burst=0),
        pids=LinuxPids(limit=10),
        unified={"memory.high": "90"},
    )
    assert undoing(NOTHING, LinuxResources(pids=LinuxPids(limit=3))) == LinuxResources(
        pids=LinuxPids(limit=-1)
    )
