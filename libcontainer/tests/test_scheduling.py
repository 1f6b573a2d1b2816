"""Scheduling policies and I/O priorities, as main sets them."""

import errno
from struct import unpack

import pytest

from libcontainer.adjustments import Affinity, Rlimit, adjust
from libcontainer.errors import InitFailed
from libcontainer.plan.process import adjustments
from libcontainer.scheduling import IoPriority, SchedulerPolicy
from libcontainer.spec.linux import Linux
from libcontainer.spec.process import Process


def planned(linux=None, **process):
    document = {"cwd": "/", "args": ["x"], **process}
    return adjustments(Process.from_json(document), Linux.from_json(linux or {}), affinity=None)


def test_what_is_set_by_pid_in_order():
    """
    The scheduler is the last: under SCHED_DEADLINE not even the affinity may be changed.
    """
    found = planned(
        rlimits=[{"type": "RLIMIT_CPU", "soft": 1, "hard": 2}],
        ioPriority={"class": "IOPRIO_CLASS_IDLE", "priority": 3},
        scheduler={
            "policy": "SCHED_DEADLINE",
            "flags": ["SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_DL_OVERRUN"],
            "runtime": 1,
            "deadline": 2,
            "period": 3,
        },
    )

    assert found == (
        Rlimit(0, 1, 2),
        Affinity(),
        IoPriority(3, 3),
        SchedulerPolicy(policy=6, flags=5, runtime=1, deadline=2, period=3),
    )


def test_the_struct_that_the_kernel_gets(kernel):
    """
    sched_attr is 56 bytes: size, policy, flags, nice, priority, three times, two clamps.
    """
    adjust([SchedulerPolicy(policy=0, flags=1, nice=-5)], 7, kernel)

    [(pid, attributes)] = kernel.named("sched_setattr")
    assert pid == 7
    assert unpack("<IIQiIQQQII", attributes) == (56, 0, 1, -5, 0, 0, 0, 0, 0, 0)


def test_io_priority_is_of_the_process_alone(kernel):
    """
    Class and level are the process's, not its group's.
    """
    adjust([IoPriority(2, 4)], 7, kernel)

    assert kernel.calls == [("ioprio_set", (7, 2, 4))]


@pytest.mark.parametrize(
    ("linux", "hint"),
    [
        ({"resources": {"cpu": {"cpus": "0"}}}, True),
        ({"resources": {"cpu": {}}}, False),
        ({}, False),
    ],
    ids=["cpuset", "cpu", "none"],
)
def test_refusal_names_the_cpuset(kernel, linux, hint):
    """
    A refused scheduler of a container with a cpuset says what the two have to do with each other.
    """
    kernel.fail["sched_setattr"] = errno.EPERM
    asked = planned(linux, scheduler={"policy": "SCHED_DEADLINE"})

    with pytest.raises(InitFailed) as e:
        adjust(asked, 7, kernel)

    assert e.value.errno == errno.EPERM
    assert str(e.value).startswith("set the scheduler to SCHED_DEADLINE: operation not permitted")
    assert ("resources.cpu.cpus" in str(e.value)) is hint
