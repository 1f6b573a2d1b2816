"""Attributes of the process, each read back from the kernel."""

import ctypes
import json
import os
import platform
import signal
import struct
import subprocess
from pathlib import Path

import pytest

# (x86_64, aarch64)
SCHED_GETATTR, IOPRIO_GET = {"x86_64": (315, 252), "aarch64": (275, 31)}[platform.machine()]
PER_LINUX32, ADDR_NO_RANDOMIZE = 0x8, 0x40000  # include/uapi/linux/personality.h


def call(*arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(*arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), arguments[0])
    return result


def scheduler(pid):
    """Policy, flags, nice, priority, runtime, deadline, period."""
    buffer = ctypes.create_string_buffer(56)
    call(SCHED_GETATTR, pid, buffer, 56, 0)
    return struct.unpack_from("<IQiIQQQ", buffer.raw, 4)


def running(workshop, delete_after, process=None, linux=None):
    """Return a container that sleeps, with these attributes."""
    config = workshop.config("sleep", "60")
    config["process"].update(process or {})
    config["linux"].update(linux or {})
    container = workshop.create(config)
    delete_after(container)
    assert container.start().status == 0
    return container


SCHEDULERS = [
    pytest.param({"policy": "SCHED_OTHER", "nice": 7}, (0, 0, 7, 0, 0, 0, 0), id="other"),
    pytest.param({"policy": "SCHED_BATCH", "nice": -3}, (3, 0, -3, 0, 0, 0, 0), id="batch"),
    pytest.param({"policy": "SCHED_IDLE"}, (5, 0, 0, 0, 0, 0, 0), id="idle"),
    pytest.param({"policy": "SCHED_FIFO", "priority": 9}, (1, 0, 0, 9, 0, 0, 0), id="fifo"),
    pytest.param(
        {"policy": "SCHED_RR", "priority": 3, "flags": ["SCHED_FLAG_RESET_ON_FORK"]},
        (2, 1, 0, 3, 0, 0, 0),
        id="round-robin",
    ),
    pytest.param(
        {"policy": "SCHED_DEADLINE", "runtime": 10**6, "deadline": 10**7, "period": 10**8},
        (6, 0, 0, 0, 10**6, 10**7, 10**8),
        id="deadline",
    ),
]


@pytest.mark.parametrize(("asked", "expected"), SCHEDULERS)
def test_scheduler(workshop, delete_after, asked, expected):
    """
    The payload runs under the policy of the document, with all its parameters.
    """
    linux = {}
    if Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists() and asked.get("priority"):
        linux["resources"] = {"cpu": {"realtimePeriod": 10**6, "realtimeRuntime": 10**3}}
    container = running(workshop, delete_after, {"scheduler": asked}, linux)

    found = scheduler(container.pid)

    # Since Linux 6.13 the kernel shows the slice of the fair policies as their runtime.
    assert found[:4] == expected[:4]
    if asked["policy"] == "SCHED_DEADLINE":
        assert found[4:] == expected[4:]


@pytest.mark.parametrize(
    ("name", "number"),
    [("IOPRIO_CLASS_RT", 1), ("IOPRIO_CLASS_BE", 2), ("IOPRIO_CLASS_IDLE", 3)],
)
def test_io_priority(workshop, delete_after, name, number):
    """
    Class and level of the document are the process's.
    """
    container = running(workshop, delete_after, {"ioPriority": {"class": name, "priority": 5}})

    assert call(IOPRIO_GET, 1, container.pid) == number << 13 | 5


def under(domain, workshop, command, *arguments):
    """Do a command of pyoci whose own personality is this."""

    def change():
        ctypes.CDLL(None).personality(domain)

    argv = workshop.argv(command, *arguments)
    return workshop.command(argv, env=workshop.host, preexec_fn=change)[0]


def test_a_32_bit_personality_of_the_caller(workshop, delete_after):
    """
    uname names another machine to the runtime then, which is no reason not to run.
    """
    bundle = workshop.bundle(workshop.config("cat", "/proc/self/personality"))
    result = under(PER_LINUX32, workshop, "run", "-b", bundle.path, workshop.id())
    assert (result.status, result.stdout.strip(), result.stderr) == (0, "00000008", "")

    container = running(workshop, delete_after)
    result = under(PER_LINUX32, workshop, "exec", container.id, "echo", "here")
    assert (result.status, result.stdout, result.stderr) == (0, "here\n", "")


def test_the_plain_personality_is_set(workshop):
    """
    LINUX is 0, which takes away what the caller has changed of its own.
    """
    config = workshop.config("cat", "/proc/self/personality")
    config["linux"]["personality"] = {"domain": "LINUX"}
    bundle = workshop.bundle(config)

    result = under(ADDR_NO_RANDOMIZE, workshop, "run", "-b", bundle.path, workshop.id())

    assert (result.status, result.stdout.strip(), result.stderr) == (0, "00000000", "")


def test_personality(workshop):
    """
    LINUX32 shows a 32-bit machine to the payload.
    """
    config = workshop.config("uname", "-m")
    config["linux"]["personality"] = {"domain": "LINUX32"}

    shown = workshop.inside(config).strip()

    assert shown != platform.machine()


@pytest.mark.parametrize(
    ("policy", "shown"),
    [
        pytest.param({"mode": "MPOL_BIND", "nodes": "0"}, "bind:0", id="bind"),
        pytest.param({"mode": "MPOL_PREFERRED", "nodes": "0"}, "prefer:0", id="preferred"),
        pytest.param({"mode": "MPOL_LOCAL"}, "local", id="local"),
        pytest.param(
            {"mode": "MPOL_INTERLEAVE", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
            "interleave=static:0",
            id="static",
        ),
    ],
)
def test_memory_policy(workshop, policy, shown):
    """
    The payload's pages come from where the document says.
    """
    if not Path("/proc/self/numa_maps").exists():
        pytest.skip("needs a kernel with NUMA, for /proc/self/numa_maps")
    config = workshop.config("sh", "-c", "grep stack /proc/self/numa_maps")
    config["linux"]["memoryPolicy"] = policy

    assert shown in workshop.inside(config).split()


@pytest.mark.parametrize("first", [None, 0, 1000], ids=["host-user", "new-user", "without-root"])
def test_exec_joins_the_session_keyring(workshop, delete_after, first):
    """
    The container's own, found by its name, however often: no exec makes another.
    """
    if not Path("/proc/keys").exists():
        pytest.skip("needs the kernel's keyrings (CONFIG_KEYS)")
    config = workshop.config("sleep", "60")
    config["linux"]["maskedPaths"] = []  # /proc/keys among them
    config["process"]["user"] = dict.fromkeys(("uid", "gid"), first or 0)
    if first is not None:
        mapping = [{"containerID": first, "hostID": 100000 + first, "size": 2000}]
        config["linux"].update(uidMappings=mapping, gidMappings=mapping)
        config["linux"]["namespaces"].append({"type": "user"})
    container = workshop.create(config)
    delete_after(container)
    assert container.start().status == 0

    def rings():
        keys = container.pyoci("exec", "cat", "/proc/keys").stdout.splitlines()
        return [line.split()[0] for line in keys if f"_ses.{container.id}" in line]

    found = rings()
    assert len(found) == 1
    assert [rings(), rings()] == [found, found]


def test_exec_has_the_memory_policy_and_the_personality(workshop, delete_after):
    """
    They are the container's, so each process that is added has them.
    """
    if not Path("/proc/self/numa_maps").exists():
        pytest.skip("needs a kernel with NUMA, for /proc/self/numa_maps")
    linux = {
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0"},
        "personality": {"domain": "LINUX32"},
    }
    container = running(workshop, delete_after, linux=linux)

    script = "cat /proc/self/personality; grep stack /proc/self/numa_maps"
    result = container.pyoci("exec", "sh", "-c", script)

    words = result.stdout.split()
    assert (result.status, result.stderr, words[0]) == (0, "", "00000008")
    assert "bind:0" in words


@pytest.mark.parametrize(
    ("asked", "expected"), [case for case in SCHEDULERS if case.id in ("batch", "deadline")]
)
def test_exec_has_the_scheduler(workshop, delete_after, asked, expected):
    """
    A process that is added runs under the document's policy, also one that forbids a fork.
    """
    container = running(workshop, delete_after, {"scheduler": asked})
    file = workshop.folder / "exec.pid"

    options = ("-d", "--pid-file", file)
    result = workshop.pyoci("exec", *options, container.id, "sleep", "60")
    if result.status and "device or resource busy" in result.stderr:
        pytest.skip("needs time that no other deadline has been promised")
    assert (result.status, result.stderr) == (0, "")

    pid = int(file.read_text())
    found = scheduler(pid)
    os.kill(pid, signal.SIGKILL)
    workshop.reap(pid)  # it is ours, and the container cannot end before it
    assert found[:4] == expected[:4]
    if asked["policy"] == "SCHED_DEADLINE":
        assert found[4:] == expected[4:]


def test_affinity_is_the_cgroups(workshop):
    """
    A runtime that is itself bound to one CPU does not bind its containers.
    """
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two CPUs")
    bundle = workshop.bundle(workshop.config("grep", "Cpus_allowed_list", "/proc/self/status"))
    expected = workshop.run(bundle).stdout

    bound = ["taskset", "-c", "1", *workshop.argv("run", "-b", bundle.path, workshop.id())]
    result, _ = workshop.command(bound, env=workshop.host)

    assert (result.status, result.stdout) == (0, expected)


def test_a_refused_attribute_is_named(workshop):
    """
    What the kernel refuses fails create, by name.
    """
    config = workshop.config("true")
    config["process"]["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 1}

    container = workshop.try_create(config)

    assert container.created.status == 1
    assert "set the scheduler to SCHED_DEADLINE: invalid argument" in container.created.stderr


def test_a_refused_real_time_policy_is_explained(workshop):
    """
    On cgroup v1 it takes a share of the time, which nothing else says.
    """
    if not Path("/sys/fs/cgroup/cpu/cpu.rt_runtime_us").exists():
        pytest.skip("needs cgroup v1 with real-time group scheduling")
    config = workshop.config("true")
    config["process"]["scheduler"] = {"policy": "SCHED_FIFO", "priority": 1}

    result = workshop.run(config)

    assert result.status == 1
    assert "(on cgroup v1 it needs resources.cpu.realtimeRuntime)" in result.stderr


@pytest.mark.parametrize("command", ["run", "exec"])
def test_a_refused_oom_score_is_named(workshop, delete_after, command):
    """
    Engines show it: a container is often to be killed later than its engine.
    """
    config = workshop.config("true")
    config["process"]["oomScoreAdj"] = -1000
    if command == "run":
        result = workshop.run(config)
    else:
        container = running(workshop, delete_after)
        path = workshop.folder / "process.json"
        path.write_text(json.dumps(config["process"]))
        result = workshop.pyoci("exec", "--process", path, container.id)
    if result.status == 0:
        pytest.skip("needs a root without CAP_SYS_RESOURCE")

    text = f"{command} failed: set oom_score_adj to -1000: permission denied\n"
    assert result.stderr == text


def test_a_refused_memory_policy_is_named(workshop):
    """
    Mode and nodes are what may be wrong.
    """
    config = workshop.config("true")
    config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "1000"}

    result = workshop.run(config)

    text = "set the memory policy to MPOL_BIND of nodes 1000: invalid argument"
    assert (result.status, result.stderr) == (1, f"run failed: {text}\n")


def test_the_runtime_keeps_its_own(workshop):
    """
    What is set by pid is never set of the runtime itself.
    """
    before = scheduler(0)
    config = workshop.config("true")
    config["process"]["scheduler"] = {"policy": "SCHED_IDLE"}

    workshop.inside(config)

    assert scheduler(0) == before
    assert subprocess.run(["true"], check=False).returncode == 0
