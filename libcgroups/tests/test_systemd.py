import errno
import re

import pytest

from libcgroups import (
    BusError,
    CgroupError,
    CgroupState,
    LinuxBlockIO,
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
    load_manager,
)
from libcgroups._abi import ffi
from libcgroups.files import Directory
from libcgroups.systemd.annotations import parse_value, properties
from libcgroups.systemd.bus import Bus, split_signature
from libcgroups.systemd.manager import open_systemd
from libcgroups.systemd.names import expand_slice, parse_path
from libcgroups.systemd.properties import INFINITY, v1_properties, v2_properties
from libcgroups.systemd.units import Units


@pytest.mark.parametrize(
    ("path", "user", "unit", "cgroup"),
    [
        ("a.slice:p:n", False, "p-n.scope", "/a.slice/p-n.scope"),
        ("a-b.slice:p:n", False, "p-n.scope", "/a.slice/a-b.slice/p-n.scope"),
        (":p:n", False, "p-n.scope", "/system.slice/p-n.scope"),
        (":p:n", True, "p-n.scope", "/user.slice/p-n.scope"),
        ("-.slice:p:n", False, "p-n.scope", "/p-n.scope"),
        ("a.slice::n", False, "n.scope", "/a.slice/n.scope"),
        ("a.slice:p:a-b.slice", False, "a-b.slice", "/a.slice/a-b.slice"),
        (None, False, "pyoci-box.scope", "/system.slice/pyoci-box.scope"),
    ],
)
def test_unit_names(path, user, unit, cgroup):
    """
    `slice:prefix:name` names a scope in a slice, whose dashes are levels.
    """
    found = parse_path(path, "box", user=user)

    assert (found.name, found.cgroup) == (unit, cgroup)


@pytest.mark.parametrize("path", ["/a/b", "a:b", "a:b:c:d"])
def test_other_forms_are_refused(path):
    """
    With systemd a path that is none of its names is an error, not another manager.
    """
    text = (
        'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, '
        f'got "{path}" instead'
    )
    with pytest.raises(CgroupError, match=re.escape(text)):
        parse_path(path, "box", user=False)


@pytest.mark.parametrize("name", ["a", "-a.slice", "a-.slice", "a--b.slice", "a/b.slice", ".slice"])
def test_bad_slices(name):
    """
    A dash stands between two names.
    """
    with pytest.raises(CgroupError, match="invalid slice name"):
        expand_slice(name)


def test_unit_name_is_no_path():
    """
    A name cannot lead to another cgroup.
    """
    with pytest.raises(CgroupError, match="invalid unit name"):
        parse_path("a.slice:p:../x", "box", user=False)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", ("b", True)),
        ("5", ("i", 5)),
        ("-5", ("i", -5)),
        ("uint64 5", ("t", 5)),
        ("int32 -5", ("i", -5)),
        ("1.5", ("d", 1.5)),
        ("'a b'", ("s", "a b")),
        (r"'it\'s'", ("s", "it's")),
        ("""['a', "b,c"]""", ("as", ["a", "b,c"])),
    ],
)
def test_values(text, value):
    """
    Annotations are GVariant text.
    """
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["", "x", "'a", "'a'b'", "[1]", "[]", "uint64 x"])
def test_bad_values(text):
    """
    Text that is not understood is refused.
    """
    with pytest.raises(CgroupError, match="value parse error"):
        properties({"org.systemd.property.TimeoutStopUSec": text})


def test_annotations():
    """
    Seconds become microseconds, other annotations are not ours.
    """
    assert properties(
        {
            "org.systemd.property.TimeoutStopSec": "2.5",
            "org.systemd.property.After": "['a.service']",
            "other": "x",
        }
    ) == [("TimeoutStopUSec", "t", 2_500_000), ("After", "as", ["a.service"])]


@pytest.mark.parametrize(
    "name",
    "ExecStart SuccessAction OnFailure PIDs Slice BPFProgram DeviceAllow X1 ab".split(),
)
def test_annotations_cannot_give_orders(name):
    """
    Nothing that starts a program, acts on the machine or undoes the isolation.
    """
    with pytest.raises(CgroupError, match="name incorrect"):
        properties({f"org.systemd.property.{name}": "'x'"})


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        pytest.param({"pids": LinuxPids(limit=0)}, {"TasksMax": 1}, id="pids-zero"),
        pytest.param({"pids": LinuxPids(limit=-1)}, {"TasksMax": INFINITY}, id="pids-unlimited"),
        pytest.param(
            {"memory": LinuxMemory(limit=10, swap=30, reservation=5)},
            {"MemoryMax": 10, "MemoryLow": 5, "MemorySwapMax": 20},
            id="memory",
        ),
        pytest.param({"memory": LinuxMemory(limit=0)}, {}, id="zero-is-not-given"),
        pytest.param(
            {"cpu": LinuxCPU(shares=1024, quota=25500, period=100000, cpus="0-1", mems="0")},
            {
                "CPUWeight": 100,
                "CPUQuotaPerSecUSec": 260000,
                "CPUQuotaPeriodUSec": 100000,
                "AllowedCPUs": b"\3",
                "AllowedMemoryNodes": b"\1",
            },
            id="cpu",
        ),
        pytest.param(
            {"cpu": LinuxCPU(quota=-1)},
            {"CPUQuotaPerSecUSec": INFINITY, "CPUQuotaPeriodUSec": 100000},
            id="no-quota",
        ),
        pytest.param({"cpu": LinuxCPU(idle=1, shares=9)}, {"CPUWeight": 0}, id="idle"),
        pytest.param({"block_io": LinuxBlockIO(weight=10)}, {}, id="io-by-file-only"),
        pytest.param(
            {
                "pids": LinuxPids(limit=3),
                "unified": {
                    "pids.max": "max", "memory.high": "7", "memory.min": "1",
                    "cpu.max": "max 50000", "cpuset.cpus": "1", "io.max": "8:0 rbps=1",
                },
            },
            {
                "TasksMax": INFINITY, "MemoryHigh": 7, "MemoryMin": 1,
                "CPUQuotaPerSecUSec": INFINITY, "CPUQuotaPeriodUSec": 50000, "AllowedCPUs": b"\2",
            },
            id="unified-overrides",
        ),
    ],
)  # fmt: skip
def test_v2_properties(tmp_path, resources, expected):
    """
    What systemd has a property for it is told.
    """
    found = v2_properties(LinuxResources(**resources), Directory(str(tmp_path)))

    assert {name: value for name, _, value in found} == expected


@pytest.mark.parametrize(
    "resources",
    [
        pytest.param({"cpu": LinuxCPU(cpus="0-9999999999")}, id="cpus"),
        pytest.param({"cpu": LinuxCPU(mems="0-9999999999")}, id="mems"),
        pytest.param({"unified": {"cpuset.cpus": "0-9999999999"}}, id="unified"),
    ],
)
def test_cpus_that_no_kernel_has(tmp_path, resources):
    """
    A mask for ten billion CPUs is not begun.
    """
    with pytest.raises(CgroupError, match="'0-9999999999'"):
        v2_properties(LinuxResources(**resources), Directory(str(tmp_path)))


def test_update_of_the_quota_keeps_the_period(v2):
    """
    Both are sent together, so the other one is read back.
    """
    v2.open("/a")
    v2.write("/a", "cpu.max", "5000 50000\n")
    directory = Directory(f"{v2.root}/a")

    found = v2_properties(LinuxResources(cpu=LinuxCPU(quota=10000)), directory)

    assert found == [("CPUQuotaPerSecUSec", "t", 200000), ("CPUQuotaPeriodUSec", "t", 50000)]


def test_v1_properties(v1):
    """
    v1 has names of its own.
    """
    v1.open("/a")
    resources = LinuxResources(
        memory=LinuxMemory(limit=10, swap=20),
        cpu=LinuxCPU(shares=1024, quota=50000),
        block_io=LinuxBlockIO(weight=100),
    )

    found = v1_properties(resources, Directory(f"{v1.root}/cpu,cpuacct/a"))

    assert {name: value for name, _, value in found} == {
        "MemoryLimit": 10,
        "CPUShares": 1024,
        "CPUQuotaPerSecUSec": 500000,
        "CPUQuotaPeriodUSec": 100000,
        "BlockIOWeight": 100,
    }


@pytest.mark.parametrize(
    ("rules", "policy", "some"),
    [
        pytest.param(
            (LinuxDeviceCgroup(True, "b", 8, 0, "rw"), LinuxDeviceCgroup(True, "b", 9, None, "r")),
            "strict",
            [("/dev/block/8:0", "rw"), ("block-9", "r"), ("char-136", "rwm"), ("char-*", "m")],
            id="list",
        ),
        pytest.param((LinuxDeviceCgroup(True, access="rwm"),), "auto", [], id="all"),
        pytest.param(
            (LinuxDeviceCgroup(True, access="rwm"), LinuxDeviceCgroup(False, "b", 8, 0, "w")),
            "auto",
            [],
            id="all-but-one-is-for-our-program",
        ),
    ],
)
def test_devices(tmp_path, rules, policy, some):
    """
    systemd knows a list of what is allowed, and forgets the old list first.
    """
    found = v2_properties(LinuxResources(devices=rules), Directory(str(tmp_path)))

    assert found[0] == ("DevicePolicy", "s", policy)
    assert found[1] == ("DeviceAllow", "a(ss)", [])
    assert set(some) <= set(found[-1][2])


def test_signatures():
    """
    A signature splits into complete types.
    """
    assert split_signature("ssa(sv)a(sa(sv))ayb") == ["s", "s", "a(sv)", "a(sa(sv))", "ay", "b"]


class FakeReply:
    def __init__(self, *values):
        self.values = list(values)

    def read(self, kind):
        return self.values.pop(0)


class FakeBus:
    """A systemd that does what it is told, once `refuse` is empty."""

    def __init__(self):
        self.calls = []
        self.refuse = []
        self.result = "done"
        self.slice = "a.slice"  # which the unit is in

    def call(self, member, signature="", *values, **_):
        self.calls.append((member, *values))
        if self.refuse and self.refuse[0][0] == member:
            raise BusError(*self.refuse.pop(0)[1:])
        return FakeReply("/job/1")

    def subscribe(self):
        self.calls.append(("subscribe",))

    def signals(self, member, patience):
        yield FakeReply(7, "/job/0", "other.scope", "failed")
        if self.result:
            yield FakeReply(8, "/job/1", "x.scope", self.result)

    def get(self, name, interface="", path=""):
        if name == "Slice":
            return self.slice
        return "/user.slice/user-1000.slice/user@1000.service"


@pytest.fixture
def bus():
    return FakeBus()


@pytest.fixture
def units(bus):
    return Units(user=False, bus=bus)


def members(bus):
    return [call[0] for call in bus.calls]


def test_job_is_awaited(bus, units):
    """
    The signal is subscribed to before the call, because it may come before the reply.
    """
    units.start("x.scope", [("Delegate", "b", True)])

    assert bus.calls == [
        ("subscribe",),
        ("StartTransientUnit", "x.scope", "replace", [("Delegate", ("b", True))], []),
    ]


def test_stale_unit_is_reset(bus, units):
    """
    A unit left from one that failed is forgotten, and the start is tried once more.
    """
    bus.refuse = [("StartTransientUnit", "org.freedesktop.systemd1.UnitExists", "exists")]

    units.start("x.scope", [])

    assert members(bus)[1:] == ["StartTransientUnit", "ResetFailedUnit", "StartTransientUnit"]


def test_unknown_properties_are_left_out(bus, units):
    """
    An older systemd names what it does not know; the file is written all the same.
    """
    text = "SetUnitProperties: Cannot set property B, or unknown property."
    bus.refuse = [("SetUnitProperties", "org.freedesktop.DBus.Error.PropertyReadOnly", text)]

    units.set("x.scope", [("A", "t", 1), ("B", "t", 2)])

    assert bus.calls[-1] == ("SetUnitProperties", "x.scope", True, [("A", ("t", 1))])


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ("failed", "error creating systemd unit `x.scope`: got `failed`"),
        (None, "timeout waiting for systemd job /job/1"),
    ],
)
def test_failed_jobs(bus, units, result, text):
    """
    A unit that does not start is an error with systemd's word for it.
    """
    bus.result = result

    with pytest.raises(CgroupError, match=text):
        units.start("x.scope", [])


def test_stopping_what_is_gone(bus, units):
    """
    A unit that is gone is as stopped as one can be.
    """
    bus.refuse = [("StopUnit", "org.freedesktop.systemd1.NoSuchUnit", "gone")]

    units.stop("x.scope")

    assert members(bus) == ["subscribe", "StopUnit"]


class Library:
    """A libsystemd with one message, which comes after the waits that are told."""

    def __init__(self, waits):
        self.waits = waits

    def sd_bus_new(self, holder):
        return 0

    def sd_bus_set_address(self, bus, address):
        return 0

    def sd_bus_set_bus_client(self, bus, client):
        return 0

    def sd_bus_start(self, bus):
        return 0

    def sd_bus_flush_close_unref(self, bus):
        pass

    def sd_bus_process(self, bus, holder):
        if not self.waits:
            holder[0] = ffi.cast("sd_bus_message *", 1)
        return 0

    def sd_bus_wait(self, bus, microseconds):
        return self.waits.pop(0)

    def sd_bus_message_is_signal(self, message, interface, member):
        return True

    def sd_bus_message_unref(self, message):
        pass


@pytest.fixture
def connected(monkeypatch):
    """A bus whose waits end as told."""

    def connect(*waits):
        library = Library(list(waits))
        monkeypatch.setattr("libcgroups.systemd.bus._library", lambda: library)
        return Bus("unix:path=/nowhere")

    return connect


def test_a_signal_does_not_end_a_wait(connected):
    """
    A handler that raises nothing changes nothing, as elsewhere in Python.
    """
    bus = connected(-errno.EINTR, 1, -errno.EINTR)

    assert next(bus.signals("JobRemoved", 30)).is_signal("JobRemoved")


def test_a_wait_that_fails(connected):
    """
    Other errors of a wait are told.
    """
    with pytest.raises(BusError, match="^sd_bus_wait: connection reset by peer$"):
        next(connected(-errno.ECONNRESET).signals("JobRemoved", 30))


@pytest.fixture
def managed(v2, units):
    """A manager of a unit on a fake tree."""

    def make(path="a.slice:p:n", **options):
        given = {"rootless": False, "annotations": {}, "root": v2.root, "proc": v2.proc} | options
        return open_systemd(path, "box", units=units, **given)

    return make


def test_scope_is_made_around_the_first_process(managed, bus, v2):
    """
    `add` starts the unit; the next process goes in by the file.
    """
    v2.make("/a.slice/p-n.scope")
    manager = managed(annotations={"org.systemd.property.Description": "'mine'"})
    assert manager.create() is None
    assert manager.open_entry() is None

    manager.add(17)
    manager.add(18)

    _, unit, mode, sent, _ = bus.calls[1]
    sent = dict(sent)
    assert (unit, mode) == ("p-n.scope", "replace")
    assert sent["PIDs"] == ("au", [17])
    assert sent["Slice"] == ("s", "a.slice")
    assert sent["Delegate"] == ("b", True)
    assert sent["Description"] == ("s", "mine")
    assert v2.read("/a.slice/p-n.scope", "cgroup.procs") == "18"
    assert members(bus).count("StartTransientUnit") == 1


def test_limits_go_both_ways(managed, bus, v2):
    """
    A limit is a property and a file.
    """
    v2.make("/a.slice/p-n.scope")
    manager = managed()
    manager.add(17)

    manager.apply(LinuxResources(pids=LinuxPids(limit=5)))

    assert bus.calls[-1] == (
        "SetUnitProperties", "p-n.scope", True, [("TasksMax", ("t", 5))],
    )  # fmt: skip
    assert v2.read("/a.slice/p-n.scope", "pids.max") == "5"


def test_state_leads_back_to_the_unit(managed, v2):
    """
    The unit, its slice and its paths are saved.
    """
    v2.make("/a.slice/p-n.scope")
    state = managed().to_state()

    again = load_manager(CgroupState.from_json(state.to_json()))

    assert state.unit == "p-n.scope"
    assert again.to_state() == state
    assert again.path == f"{v2.root}/a.slice/p-n.scope"


def test_rootless_unit_is_below_the_users_manager(managed, v2):
    """
    The user's systemd has a cgroup of its own.
    """
    assert managed(rootless=True).path == (
        f"{v2.root}/user.slice/user-1000.slice/user@1000.service/a.slice/p-n.scope"
    )


def test_rootless_needs_v2(v1, units):
    """
    v1 has no safe delegation.
    """
    with pytest.raises(CgroupError, match="cannot use rootless systemd cgroups manager on cgroup"):
        open_systemd(
            None, "box", units=units, rootless=True, annotations={}, root=v1.root, proc=v1.proc
        )


def test_oom_policy(managed, bus, v2):
    """
    memory.oom.group has a property, but only at the start.
    """
    v2.make("/a.slice/p-n.scope")
    manager = managed()
    manager.create(LinuxResources(unified={"memory.oom.group": "1"}))

    manager.add(17)

    assert dict(bus.calls[1][3])["OOMPolicy"] == ("s", "kill")


def test_subgroup_name_is_a_name(managed):
    """
    An annotation cannot lead out of the unit.
    """
    with pytest.raises(CgroupError, match="is not a name"):
        managed(annotations={"run.oci.systemd.subgroup": "../x"})


def test_usage_is_checked_before_the_property(managed, bus, v2):
    """
    A limit below the usage would kill by the property already.
    """
    v2.make("/a.slice/p-n.scope")
    v2.write("/a.slice/p-n.scope", "memory.current", "100\n")
    manager = managed()
    manager.add(17)

    with pytest.raises(CgroupError, match="rejecting memory limit 50 <= usage 100"):
        manager.apply(LinuxResources(memory=LinuxMemory(limit=50, check_before_update=True)))

    assert "SetUnitProperties" not in members(bus)


TAKEN = ("StartTransientUnit", "org.freedesktop.systemd1.UnitExists", "exists")


@pytest.mark.parametrize("name", ["n", "system.slice"])
def test_unit_of_another_is_left_alone(managed, bus, v2, name):
    """
    Where the name is taken, by a container in any slice or by the host, removal is not for it.
    """
    manager = managed(f"a.slice:p:{name}")
    path = manager.path.removeprefix(v2.root)
    assert manager.create() is None
    v2.make(path)  # by the other one, meanwhile
    v2.write(path, "cgroup.procs", "17\n")
    bus.refuse = [TAKEN, TAKEN]
    with pytest.raises(BusError, match="exists"):
        manager.add(18)

    manager.remove()

    assert "StopUnit" not in members(bus)
    assert v2.changed(path) == {"cgroup.procs": "17"}


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda m: m.kill(9), id="kill"),
        pytest.param(lambda m: m.freeze(), id="freeze"),
        pytest.param(lambda m: m.thaw(), id="thaw"),
        pytest.param(lambda m: m.chown(1), id="chown"),
        pytest.param(lambda m: m.apply(LinuxResources(pids=LinuxPids(limit=1))), id="apply"),
    ],
)
def test_nothing_is_done_to_a_unit_before_it_is_ours(managed, bus, v2, act):
    """
    A cgroup that is there before `add` is somebody else's.
    """
    v2.make("/a.slice/p-n.scope")

    with pytest.raises(CgroupError, match="^unit p-n.scope has not been started$"):
        act(managed())

    assert (bus.calls, v2.changed("/a.slice/p-n.scope")) == ([], {})


@pytest.mark.parametrize("result", ["failed", None], ids=["failed", "never-done"])
def test_unit_that_does_not_come_to_run_is_ours_to_stop(managed, bus, result):
    """
    Once systemd has taken it the name is ours.
    """
    manager = managed()
    bus.result = result
    with pytest.raises(CgroupError):
        manager.add(17)
    bus.result = "done"

    manager.remove()

    assert "StopUnit" in members(bus)


@pytest.mark.parametrize(("found", "stopped"), [("a.slice", True), ("b.slice", False)])
def test_unit_of_a_saved_state_is_stopped_where_it_was(managed, bus, units, found, stopped):
    """
    A unit ends with its processes; then another slice may have one of that name.
    """
    manager = load_manager(managed().to_state())
    manager._open_units = units
    bus.slice = found

    manager.remove()

    assert ("StopUnit" in members(bus)) == stopped


def test_unit_that_has_ended_is_not_stopped(managed, bus, units):
    """
    That is what mostly becomes of one.
    """
    manager = load_manager(managed().to_state())
    manager._open_units = units
    bus.refuse = [("GetUnit", "org.freedesktop.systemd1.NoSuchUnit", "gone")]

    manager.remove()

    assert members(bus) == ["GetUnit"]
