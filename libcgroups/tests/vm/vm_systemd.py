"""A cgroup that systemd owns, as root on v2 and v1 and as an ordinary user."""

import os
import signal
import subprocess

import pytest
from conditions import (
    ROOT,
    UNIFIED,
    needs_root,
    needs_systemd,
    needs_user,
    needs_v1,
    needs_v2,
    show,
)

from libcgroups import (
    CgroupError,
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxHugepageLimit,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
    load_manager,
    open_manager,
)
from libcgroups.systemd.bus import Bus
from libcgroups.systemd.units import Units

pytestmark = needs_systemd
USER = not ROOT
can_have_units = pytest.mark.skipif(USER and not UNIFIED, reason="rootless systemd needs v2")


@pytest.fixture
def scope(name, sleeper):
    """A scope around a process."""
    slice_ = "user.slice" if USER else "vmtest.slice"
    with open_manager(f"{slice_}:vm:{name}", container_id=name, systemd=True) as manager:
        assert manager.create() is None
        manager.add(sleeper.pid)
        yield manager


def unit(name):
    return f"vm-{name}.scope"


@can_have_units
def test_scope_is_active(scope, name, sleeper):
    """The unit runs, its cgroup is where the manager says, the process is in it."""
    state = show(unit(name), "ActiveState", "ControlGroup", "Delegate", "Slice", user=USER)
    assert state["ActiveState"] == "active"
    assert state["Delegate"] == "yes"
    assert scope.path.endswith(state["ControlGroup"])
    assert scope.pids() == (sleeper.pid,)
    assert scope.exists()


@can_have_units
def test_limits_are_properties_and_files(scope, name):
    """A limit survives systemd's own rewriting of the files."""
    scope.apply(
        LinuxResources(
            memory=LinuxMemory(limit=64 << 20),
            cpu=LinuxCPU(shares=2048, quota=25500, period=100000),
            pids=LinuxPids(limit=20),
        )
    )
    found = show(
        unit(name), "MemoryMax", "MemoryLimit", "CPUWeight", "CPUShares", "CPUQuotaPerSecUSec",
        "TasksMax", user=USER,
    )  # fmt: skip
    assert found["TasksMax"] == "20"
    assert found["CPUQuotaPerSecUSec"] == "260ms"  # rounded up to whole percents
    if UNIFIED:
        assert found["MemoryMax"] == str(64 << 20)
        assert found["CPUWeight"] == "174"
        with open(f"{scope.path}/memory.max") as f:
            assert f.read().strip() == str(64 << 20)
    else:
        assert found["MemoryLimit"] == str(64 << 20)
        assert found["CPUShares"] == "2048"


@can_have_units
@pytest.mark.skipif(USER, reason="cpuset is applied as root")
def test_cpuset(scope, name):
    """CPUs are a bit mask to systemd."""
    scope.apply(LinuxResources(cpu=LinuxCPU(cpus="0", mems="0")))
    if UNIFIED:
        assert show(unit(name), "AllowedCPUs")["AllowedCPUs"] == "0"
    path = scope.path if UNIFIED else scope.paths["cpuset"]
    with open(f"{path}/cpuset.cpus") as f:
        assert f.read().strip() == "0"


@needs_root
def test_devices(scope, name):
    """systemd knows the device rules too, so its own rewriting opens nothing."""
    scope.apply(LinuxResources(devices=(LinuxDeviceCgroup(True, "b", 7, 0, "r"),)))
    found = show(unit(name), "DevicePolicy", "DeviceAllow")
    assert found["DevicePolicy"] == "strict"
    subprocess.run(["systemctl", "daemon-reload"], check=True)
    result = subprocess.run(
        ["sh", "-c", f"echo $$ > {scope.path}/cgroup.procs; cat </dev/kmsg"],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "Operation not permitted" in result.stderr


@can_have_units
def test_found_again(scope, sleeper):
    """A later process finds the unit by the saved state alone, and can add to it."""
    again = load_manager(scope.to_state())
    assert again.pids() == (sleeper.pid,)
    with subprocess.Popen(["sleep", "600"]) as other:
        again.add(other.pid)
        assert sorted(again.pids()) == sorted((sleeper.pid, other.pid))
        other.kill()


@can_have_units
def test_kill_and_remove(name, sleeper):
    """After removal neither unit nor cgroup is left, and the name is free again."""
    for _ in range(2):
        with subprocess.Popen(["sleep", "600"]) as process:
            manager = open_manager(f":vm:{name}", container_id=name, systemd=True)
            manager.create()
            manager.add(process.pid)
            manager.freeze()
            manager.remove()
            assert process.wait(30) == -signal.SIGKILL
        assert show(unit(name), "LoadState", user=USER)["LoadState"] == "not-found"
        assert not manager.exists()


@can_have_units
def test_annotations_become_properties(name, sleeper):
    """`org.systemd.property.*`: seconds become microseconds."""
    annotations = {
        "org.systemd.property.TimeoutStopSec": "uint64 7",
        "org.systemd.property.Description": "'my job'",
    }
    with open_manager(
        f":vm:{name}", container_id=name, systemd=True, annotations=annotations
    ) as manager:
        manager.create()
        manager.add(sleeper.pid)
        found = show(unit(name), "TimeoutStopUSec", "Description", user=USER)
    assert found == {"TimeoutStopUSec": "7s", "Description": "my job"}


@can_have_units
@needs_v2
def test_subgroup(name, sleeper):
    """The process lives one level below the unit, so the unit can hand controllers to it."""
    annotations = {"run.oci.systemd.subgroup": "container"}
    with open_manager(
        f":vm:{name}", container_id=name, systemd=True, annotations=annotations
    ) as manager:
        manager.create()
        manager.add(sleeper.pid)
        with open(f"/proc/{sleeper.pid}/cgroup") as f:
            assert f.read().strip().endswith(f"vm-{name}.scope/container")


@can_have_units
@needs_v2
def test_oom_policy(name, sleeper):
    """memory.oom.group is a property at the start, and an unknown property is no failure."""
    resources = LinuxResources(unified={"memory.oom.group": "1"})
    with open_manager(f":vm:{name}", container_id=name, systemd=True) as manager:
        manager.create(resources)
        manager.add(sleeper.pid)
        manager.apply(resources)
        with open(f"{manager.path}/memory.oom.group") as f:
            assert f.read().strip() == "1"


@needs_v1
@needs_root
def test_v1_hierarchies_of_others(scope, sleeper):
    """Hierarchies that systemd does not use have the cgroup and the process too."""
    with open(f"/proc/{sleeper.pid}/cgroup") as f:
        paths = {line.split(":")[2] for line in f.read().splitlines()}
    assert len(paths) == 1
    assert scope.path.endswith(paths.pop())


@needs_v1
@needs_user
def test_rootless_needs_v2(name):
    with pytest.raises(CgroupError, match="rootless systemd cgroups manager on cgroup v1"):
        open_manager(None, container_id=name, systemd=True)


@needs_user
@needs_v2
def test_controller_that_is_not_delegated_is_named(scope):
    """The error says which controller lacks, where, and how to delegate it."""
    limit = (LinuxHugepageLimit("2MB", 2 << 20),)
    with pytest.raises(CgroupError, match="hugetlb") as e:
        scope.apply(LinuxResources(hugepage_limits=limit))
    assert "delegate" in str(e.value) or "not available" in str(e.value)


@needs_user
@needs_v2
def test_rootless_memory_limit_holds(scope):
    scope.apply(LinuxResources(memory=LinuxMemory(limit=64 << 20)))
    with open(f"{scope.path}/memory.max") as f:
        assert f.read().strip() == str(64 << 20)
    assert os.stat(scope.path).st_uid == os.getuid()


@can_have_units
def test_without_a_bus(name, sleeper):
    """systemd's own socket does where no bus daemon runs."""
    folder = os.environ["XDG_RUNTIME_DIR"] if USER else "/run"
    bus = Bus(f"unix:path={folder}/systemd/private", direct=True)
    units = Units(user=USER, bus=bus)

    units.start(unit(name), [("PIDs", "au", [sleeper.pid])])
    state = show(unit(name), "ActiveState", user=USER)
    units.stop(unit(name))

    assert state == {"ActiveState": "active"}
    assert show(unit(name), "LoadState", user=USER)["LoadState"] == "not-found"


@can_have_units
@needs_v2
def test_delegated_subgroup(name, sleeper):
    """A cgroup below the subgroup belongs to the container's root, and init moves there."""
    annotations = {"run.oci.systemd.subgroup": "container"}
    with open_manager(
        f":vm:{name}", container_id=name, systemd=True, annotations=annotations
    ) as manager:
        manager.create()
        manager.add(sleeper.pid)
        manager.chown(os.getuid() if USER else 12345, "init")
        manager.add(sleeper.pid, "init")
        assert os.stat(f"{manager.path}/container/init").st_uid in (os.getuid() or 12345,)
        with open(f"/proc/{sleeper.pid}/cgroup") as f:
            assert f.read().strip().endswith(f"vm-{name}.scope/container/init")


@can_have_units
def test_name_that_is_taken(scope, name, sleeper):
    """A second container of that name, in whatever slice, is refused and clears nothing."""
    others = "app.slice" if USER else "vmother.slice"
    second = open_manager(f"{others}:vm:{name}", container_id=name, systemd=True)
    second.create()
    with pytest.raises(CgroupError, match="already"):
        second.add(sleeper.pid)
    second.remove()
    load_manager(second.to_state()).remove()
    assert show(unit(name), "ActiveState", user=USER)["ActiveState"] == "active"
    assert scope.pids() == (sleeper.pid,)
