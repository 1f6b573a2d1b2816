"""What main changes of init by its pid."""

import errno
import os
import struct

import pytest

from libcontainer.adjustments import Adjustment, Affinity, Rlimit, adjust, list_mask
from libcontainer.errors import InitFailed
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.memory_policy import policy_call
from libcontainer.scheduling import IoPriority, SchedulerPolicy, scheduling
from libcontainer.spec.linux import LinuxMemoryPolicy
from libcontainer.spec.process import Process


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0", [0]),
        ("0-3", [0, 1, 2, 3]),
        ("1,3-4,63", [1, 3, 4, 63]),
        ("64", [64]),
        ("2-2,2", [2]),
    ],
)
def test_lists_of_cpus(text, cpus):
    """
    A list is a mask of whole words.
    """
    mask = list_mask(text)

    assert int.from_bytes(mask, "little") == sum(1 << cpu for cpu in cpus)
    assert len(mask) % 8 == 0


@pytest.mark.parametrize("text", ["65536", "0-99999999999999", "1,70000"])
def test_numbers_that_no_machine_has(text):
    """
    Are refused before they make a mask as large as memory.
    """
    with pytest.raises(OSError, match="no such number") as e:
        list_mask(text)

    assert e.value.errno == errno.EINVAL


def test_changes_are_made_in_order(kernel):
    """
    By pid, one call each.
    """
    adjust((Rlimit(7, 1, 2), Affinity("0-1"), IoPriority(2, 3)), 42, kernel)

    assert kernel.calls == [
        ("prlimit", (42, 7, 1, 2)),
        ("sched_setaffinity", (42, b"\x03" + bytes(7))),
        ("ioprio_set", (42, 2, 3)),
    ]


@pytest.mark.parametrize(
    ("adjustment", "call", "text"),
    [
        (Rlimit(7, 1, 2), "prlimit", "error setting rlimit type 7: operation not permitted"),
        (
            Affinity("0"),
            "sched_setaffinity",
            "set the CPU affinity to 0: operation not permitted",
        ),
    ],
)
def test_the_first_refusal_ends_it(kernel, adjustment, call, text):
    """
    With the errno, and in runc's words where it has any.
    """
    kernel.fail[call] = errno.EPERM

    with pytest.raises(InitFailed) as e:
        adjust((adjustment, Rlimit(1, 1, 1)), 42, kernel)

    assert str(e.value) == text
    assert e.value.errno == errno.EPERM
    assert kernel.names == [call]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.EPERM])
def test_all_cpus_are_best_effort(kernel, code):
    """
    Without a list a refusal loses only that the caller's own affinity ends with the caller.
    """
    kernel.fail["sched_setaffinity"] = code

    adjust((Affinity(),), 42, kernel)

    assert kernel.names == ["sched_setaffinity"]


def test_a_scheduler_comes_last_with_all_its_numbers(kernel):
    """
    Under SCHED_DEADLINE nothing else may be changed any more.
    """
    process = Process.from_json(
        {
            "cwd": "/",
            "scheduler": {
                "policy": "SCHED_DEADLINE",
                "flags": ["SCHED_FLAG_RESET_ON_FORK"],
                "runtime": 1,
                "deadline": 2,
                "period": 3,
            },
            "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        }
    )

    adjust(scheduling(process, cpuset=False, real_time=False), 42, kernel)

    assert kernel.names == ["ioprio_set", "sched_setattr"]
    assert kernel.calls[0][1] == (42, 2, 4)
    pid, attributes = kernel.calls[1][1]
    assert (pid, len(attributes)) == (42, 56)
    assert struct.unpack("<IIQiIQQQII", attributes) == (56, 6, 1, 0, 0, 1, 2, 3, 0, 0)


def test_a_refused_deadline_beside_a_cpuset_is_explained():
    """
    The kernel says only EPERM.
    """
    plain = "set the scheduler to SCHED_DEADLINE: operation not permitted"
    why = " (a scheduler cannot be set together with resources.cpu.cpus)"

    assert SchedulerPolicy(6).refusal(errno.EPERM) == plain
    assert SchedulerPolicy(6, cpuset=True).refusal(errno.EPERM) == plain + why


def test_a_refused_real_time_policy_is_explained():
    """
    A cgroup of v1 without a share of the time takes no process of these policies.
    """
    plain = "set the scheduler to SCHED_FIFO: operation not permitted"
    why = " (on cgroup v1 it needs resources.cpu.realtimeRuntime)"

    assert SchedulerPolicy(1, priority=1).refusal(errno.EPERM) == plain + why
    assert SchedulerPolicy(1, priority=1, real_time=True).refusal(errno.EPERM) == plain
    assert SchedulerPolicy(0, nice=-1).refusal(errno.EPERM) == plain.replace("FIFO", "OTHER")


@pytest.mark.parametrize(
    "adjustment", [Rlimit(1, 2, 2**64 - 1), Affinity(), Affinity("0"), SchedulerPolicy(1)]
)
def test_the_written_form(adjustment):
    """
    With the class name, like a step.
    """
    assert Adjustment.from_json(adjustment.to_json()) == adjustment


@pytest.mark.parametrize("data", [None, {}, {"adjustment": "Nothing"}, {"adjustment": "Rlimit"}])
def test_what_is_no_adjustment(data):
    """
    Is refused.
    """
    with pytest.raises(ValueError):
        Adjustment.from_json(data)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        pytest.param({"mode": "MPOL_DEFAULT"}, (0, 0, 0), id="default"),
        pytest.param(
            {"mode": "MPOL_BIND", "nodes": "0"}, (2, "hex:" + "01" + "00" * 7, 65), id="bind"
        ),
        pytest.param(
            {"mode": "MPOL_INTERLEAVE", "nodes": "0-1", "flags": ["MPOL_F_STATIC_NODES"]},
            (0x8003, "hex:" + "03" + "00" * 7, 65),
            id="flags",
        ),
    ],
)
def test_memory_policies(policy, expected):
    """
    Mode with flags, the mask, and one bit more than it has.
    """
    assert policy_call(LinuxMemoryPolicy.from_json({"nodes": ""} | policy)) == expected


def test_a_real_process(apart):
    """
    Limits, affinity and priorities of another process, on the real kernel.
    """

    def body():
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(writer)
            os.read(reader, 1)
            os._exit(0)
        os.close(reader)
        cpu = min(os.sched_getaffinity(0))
        changes = (Rlimit(7, 55, 66), Affinity(str(cpu)), IoPriority(2, 6), SchedulerPolicy(3))
        adjust(changes, pid, LinuxKernel())
        assert os.sched_getaffinity(pid) == {cpu}
        assert os.sched_getscheduler(pid) == os.SCHED_BATCH
        with open(f"/proc/{pid}/limits") as file:
            line = next(line for line in file if line.startswith("Max open files"))
        assert line.split()[3:5] == ["55", "66"]
        adjust((Affinity(),), pid, LinuxKernel())
        assert len(os.sched_getaffinity(pid)) >= len(os.sched_getaffinity(0))
        os.close(writer)
        os.waitpid(pid, 0)

    apart(body)
