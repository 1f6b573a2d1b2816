"""Rules for `process.scheduler` and `process.ioPriority`."""

from __future__ import annotations

from .apart import apart
from .words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..process import Process

# include/uapi/linux/sched.h
POLICIES = {
    "SCHED_OTHER": 0,
    "SCHED_FIFO": 1,
    "SCHED_RR": 2,
    "SCHED_BATCH": 3,
    "SCHED_ISO": 4,
    "SCHED_IDLE": 5,
    "SCHED_DEADLINE": 6,
}
FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01,
    "SCHED_FLAG_RECLAIM": 0x02,
    "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08,
    "SCHED_FLAG_KEEP_PARAMS": 0x10,
    "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}
# include/uapi/linux/ioprio.h
IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_REAL_TIME = ("SCHED_FIFO", "SCHED_RR")


def faults(process: Process, path: str) -> Iterator[str]:
    """Yield what is wrong with both objects of the process at `path`."""
    return apart(_scheduler(process, f"{path}.scheduler"), _io_priority(process))


def _scheduler(process: Process, path: str) -> Iterator[str]:
    if (scheduler := process.scheduler) is None:
        return
    policy, priority = scheduler.policy, scheduler.priority
    if not policy:
        yield "scheduler policy is required"
    elif policy not in POLICIES:
        yield f"{path}.policy: unknown, got {quote(policy)}"
    if not -20 <= scheduler.nice <= 19:
        yield f"invalid scheduler.nice: {scheduler.nice}"
    elif scheduler.nice and policy not in ("SCHED_OTHER", "SCHED_BATCH"):
        yield f"{path}.nice: only for SCHED_OTHER and SCHED_BATCH"
    if policy in _REAL_TIME and not 1 <= priority <= 99:
        yield f"{path}.priority: must be between 1 and 99 for {policy}, got {priority}"
    if policy not in _REAL_TIME and priority:
        yield "scheduler.priority can only be specified for SchedFIFO or SchedRR policy"
    for i, flag in enumerate(scheduler.flags):
        if flag not in FLAGS:
            yield f"{path}.flags[{i}]: unknown, got {quote(flag)}"
    if policy != "SCHED_DEADLINE" and (scheduler.runtime or scheduler.deadline or scheduler.period):
        yield ("scheduler runtime/deadline/period can only be specified for SchedDeadline policy")


def _io_priority(process: Process) -> Iterator[str]:
    if (io := process.io_priority) is None:
        return
    if io.class_ not in IO_CLASSES:
        yield f"invalid ioPriority.Class: {quote(io.class_)}"
    if not 0 <= io.priority <= 7:
        yield f"invalid ioPriority.Priority: {io.priority}"
