"""What few documents ask for, and what is planned for it."""

import pytest

from libcontainer.errors import SpecError
from libcontainer.idmap import IdRange, Mapping
from libcontainer.kernel import constants as c
from libcontainer.namespaces import Join
from libcontainer.plan.host import Host
from libcontainer.plan.lastmile import Entry
from libcontainer.process.init import last_mile

POD = Mapping((IdRange(0, 1000, 10),), (IdRange(0, 1000, 10),))
MAPS = [{"containerID": 0, "hostID": 1000, "size": 10}]
OWN = {"uidMappings": MAPS, "gidMappings": MAPS}


def joining(*kinds, new=()):
    found = [{"type": kind, "path": f"/{kind}"} for kind in kinds]
    return {"linux": {"namespaces": [*found, *[{"type": kind} for kind in new]]}}


def host(*kinds, **given):
    own = dict.fromkeys(kinds, "own")
    return Host(namespaces=own, joined={f"/{kind}": kind for kind in kinds}, **given)


def test_joined_user_namespace(plan):
    """
    Init is root in it, its maps are not written, and the intermediate joins.
    """
    found = plan(
        joining("ipc", "user", new=["mount", "pid"]), host=host("ipc", "user", mapping=POD)
    )

    assert found.mapping is None
    assert (found.become_uid, found.become_gid) == (0, 0)
    assert found.namespaces.join == (Join("user", "/user"), Join("ipc", "/ipc"))
    assert found.namespaces.clone == c.CLONE_NEWNS | c.CLONE_NEWPID
    assert found.namespaces.needs_intermediate()


def test_joined_user_namespace_without_root(plan):
    """
    Where 0 is not mapped, init becomes the payload's user.
    """
    mapping = Mapping((IdRange(5, 1000, 1),), (IdRange(6, 1000, 1),))
    changes = joining("user", new=["mount"]) | {"process": {"user": {"uid": 5, "gid": 6}}}

    found = plan(changes, host=host("user", mapping=mapping))

    assert (found.become_uid, found.become_gid) == (5, 6)


@pytest.mark.parametrize("same", [True, False], ids=["equal", "different"])
def test_maps_beside_a_path_are_compared(plan, same):
    """
    Engines repeat the maps; other ones are refused.
    """
    changes = joining("user", new=["mount"])
    changes["linux"] |= OWN
    there = POD if same else Mapping(POD.uids, ())

    if same:
        plan(changes, host=host("user", mapping=there))
    else:
        with pytest.raises(SpecError, match="not those of the user namespace"):
            plan(changes, host=host("user", mapping=there))


@pytest.mark.parametrize(
    ("kinds", "new", "expected"),
    [
        pytest.param(["network"], ["mount"], False, id="no-user"),
        pytest.param(["network"], ["mount", "user"], True, id="new-user"),
        pytest.param(["pid"], ["mount", "user"], True, id="pid-beside-a-new-user"),
        pytest.param([], ["mount", "user"], False, id="nothing-joined"),
    ],
)
def test_when_there_is_an_intermediate(plan, kinds, new, expected):
    """
    Only joining beside a user namespace needs one.
    """
    changes = joining(*kinds, new=new)
    changes["linux"] |= OWN if "user" in new else {}

    assert plan(changes, host=host(*kinds)).namespaces.needs_intermediate() is expected


def test_pid_namespace_beside_a_new_user_namespace(plan):
    """
    It is entered before the new user namespace, from which nobody could; the list only forks.
    """
    changes = joining("pid", new=["mount", "user"])
    changes["linux"] |= OWN

    found = plan(changes, host=host("pid"))

    assert found.namespaces.enters_pid_early()
    assert not found.namespaces.clone & c.CLONE_NEWPID
    assert "setns" not in [entry.call for entry in last_mile(found)]


def test_hooks_of_init_beside_an_early_pid_namespace(plan):
    """
    createContainer hooks are refused by name there: each would begin as an interpreter that the
    others see.
    """
    changes = joining("pid", new=["mount", "user"])
    changes["linux"] |= OWN
    changes["hooks"] = {"createContainer": [{"path": "/bin/true"}]}

    with pytest.raises(SpecError, match="not supported: createContainer hooks where a pid"):
        plan(changes, host=host("pid"))


def test_time_namespace(plan):
    """
    Never by the clone: the clocks could not be set any more.
    """
    offsets = {"boottime": {"secs": 1, "nanosecs": 2}, "monotonic": {"secs": -3}}
    changes = {"linux": {"namespaces": [{"type": "time"}], "timeOffsets": offsets}}

    found = plan(changes).namespaces

    assert found.new("time")
    assert found.clone == 0
    assert found.offsets == "boottime 1 2\nmonotonic -3 0\n"


def test_what_is_kept_over_the_exec(plan):
    """
    Memory policy and personality are calls of the list: the mask has one bit more than it says.
    """
    linux = {
        "memoryPolicy": {
            "mode": "MPOL_BIND",
            "nodes": "0-1, 3",
            "flags": ["MPOL_F_STATIC_NODES", "MPOL_F_NUMA_BALANCING"],
        },
        "personality": {"domain": "LINUX32"},
    }

    assert plan({"linux": linux}).inherited == (
        Entry(
            "set_mempolicy",
            (2 | 1 << 15 | 1 << 13, "hex:0b00000000000000", 65),
            "set the memory policy to MPOL_BIND of nodes 0-1, 3",
        ),
        Entry("personality", (8,), "set the personality to LINUX32"),
    )


@pytest.mark.parametrize(
    ("linux", "args"),
    [
        ({"memoryPolicy": {"mode": "MPOL_LOCAL"}}, (4, 0, 0)),
        ({"personality": {"domain": "LINUX"}}, (0,)),
    ],
    ids=["no-nodes", "the-usual"],
)
def test_zeros_are_values(plan, linux, args):
    """
    A policy without nodes has no mask; the usual personality replaces the caller's.
    """
    assert [e.args for e in plan({"linux": linux}).inherited] == [args]


def test_kept_groups(plan):
    """
    Neither the document's groups nor none: the caller's.
    """
    user = {"uid": 0, "gid": 0, "additionalGids": [4]}

    assert plan({"process": {"user": user}}).payload.groups == (4,)
    assert plan({"process": {"user": user}}, keep_groups=True).payload.groups is None


def test_labels(plan):
    """
    A label of AppArmor is written by the list, below its own attributes or, after a fork, by the
    procfs.
    """
    changes = {"process": {"apparmorProfile": "box"}}
    apparmor = {"apparmor": "apparmor/exec"}

    alone = plan(changes, host=Host(**apparmor)).labels
    shared = plan(changes | joining("pid", new=["mount"]), host=host("pid", **apparmor)).labels

    assert alone[0].args[1] == "text:apparmor/exec"
    assert shared[0].args[1] == "text:self/attr/apparmor/exec"


def test_labels_that_this_host_has_not(plan):
    """
    Refused: the author counts on being confined.
    """
    with pytest.raises(SpecError, match="apparmor is disabled or not supported"):
        plan({"process": {"apparmorProfile": "box"}})


@pytest.mark.parametrize(
    ("changes", "given", "text"),
    [
        ({"linux": {"namespaces": []}}, {}, "without a private NET namespace"),
        ({}, {"euid": 7}, "not supported for rootless containers"),
    ],
    ids=["no-namespace", "rootless"],
)
def test_net_devices_refused(plan, changes, given, text):
    """
    Devices move only into a network namespace, and only by root.
    """
    changes = {"linux": {"netDevices": {"eth0": {}}, **changes.get("linux", {})}}

    with pytest.raises(SpecError, match=text):
        plan(changes, host=Host(**given))


def test_net_devices(plan):
    """
    Without a name the device keeps its own; init waits until they are there.
    """
    found = plan({"linux": {"netDevices": {"a": {}, "b": {"name": "eth0"}}}})

    assert found.net_devices == {"a": "a", "b": "eth0"}
    assert found.meet


def test_list_of_a_workload_that_is_no_program(plan):
    """
    All that a program's list has before its start, under the workload's name; nothing is looked
    for and nothing executed.
    """
    program = last_mile(plan())
    without = last_mile(plan(executor="a-name-of-twenty-bytes", sealed=True))

    assert without[1].args[1] == "text:a-name-of-twent"
    assert "execve" not in [entry.call for entry in without]
    rest = [entry for entry in program if entry.call != "faccessat2"]
    assert without[2:] == rest[2:-3]


RIGHT = {"process": {"capabilities": {"bounding": ["CAP_CHECKPOINT_RESTORE"]}}}


@pytest.mark.parametrize(
    ("user", "sealed", "right", "fault"),
    [
        pytest.param(False, True, False, None, id="sealed"),
        pytest.param(True, True, True, None, id="a-right-of-its-own-user-namespace"),
        pytest.param(False, False, False, "x needs a sealed copy", id="open"),
        pytest.param(True, False, False, "x needs a sealed copy", id="open-in-its-own"),
        pytest.param(False, True, True, "x may not have CAP_SYS_ADMIN", id="a-right-of-the-hosts"),
    ],
)
def test_where_an_interpreter_may_run(plan, user, sealed, right, fault):
    """
    As a sealed copy, and where nobody may open the host's files that it has mapped.
    """
    changes = joining(new=["mount", "pid", *(["user"] if user else [])])
    changes["linux"] |= OWN if user else {}
    changes |= RIGHT if right else {}

    if fault is None:
        assert plan(changes, executor="x", sealed=sealed).executor == "x"
    else:
        with pytest.raises(SpecError, match=fault):
            plan(changes, executor="x", sealed=sealed)


def test_where_no_interpreter_may_be_seen(plan):
    """
    By other containers, and by what else runs in this one.
    """
    changes = joining(new=["mount"]) | {"hooks": {"startContainer": [{"path": "/bin/true"}]}}

    with pytest.raises(SpecError) as e:
        plan(changes, executor="x", sealed=True)

    assert e.value.faults == (
        "x needs a new pid namespace",
        "startContainer hooks are not supported beside x",
    )
