"""What is decided for a document on a host."""

import logging

import pytest

from libcgroups.resources import (
    LinuxCPU,
    LinuxDeviceCgroup,
    LinuxMemory,
    LinuxPids,
    LinuxResources,
)
from libcontainer.adjustments import Affinity, Rlimit
from libcontainer.attributes import Domainname, Hostname, LoopbackUp, SessionKeyring, Sysctl
from libcontainer.capabilities import CapabilitySets
from libcontainer.errors import SpecError
from libcontainer.idmap import IdRange, Mapping
from libcontainer.kernel import constants as c
from libcontainer.namespaces import Join, Namespaces
from libcontainer.plan.host import Host
from libcontainer.plan.make import EARLY_MEMORY, split_limits
from libcontainer.plan.plan import Command, Terminal

USER = {
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
    "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
}


def kinds(*names, **paths):
    listed = [{"type": name} for name in names]
    return {"namespaces": listed + [{"type": n, "path": p} for n, p in paths.items()]}


# Namespaces

MNT, PID, IPC, UTS, NET, USR = (
    c.CLONE_NEWNS,
    c.CLONE_NEWPID,
    c.CLONE_NEWIPC,
    c.CLONE_NEWUTS,
    c.CLONE_NEWNET,
    c.CLONE_NEWUSER,
)
HOST = Host(
    namespaces={"pid": "4:1", "ipc": "4:2", "network": "4:3", "uts": "4:4", "mount": "4:5"},
    joined={"/p": "4:91", "/i": "4:92", "/n": "4:93", "/u": "4:94", "/own": "4:2", "/m": "4:95"},
)


@pytest.mark.parametrize(
    ("linux", "expected"),
    [
        pytest.param(kinds("mount"), Namespaces(clone=MNT), id="mount-alone"),
        pytest.param(
            kinds("mount", "pid", "ipc", "uts", "network"),
            Namespaces(clone=MNT | PID | IPC | UTS | NET),
            id="all-in-one-clone",
        ),
        pytest.param(
            USER | kinds("mount", "pid", "ipc", "uts", "network", "user"),
            Namespaces(clone=MNT | PID | UTS | USR, unshare=IPC | NET),
            id="with-user-ipc-and-network-wait-for-the-maps",
        ),
        pytest.param(
            USER | kinds("user", "network", "mount"),
            Namespaces(clone=MNT | USR, unshare=NET),
            id="order-in-the-document-does-not-matter",
        ),
        pytest.param(
            kinds("mount", "cgroup"), Namespaces(clone=MNT, cgroup=True), id="cgroup-comes-later"
        ),
        pytest.param(
            kinds("mount", network="/n", uts="/u", ipc="/i"),
            Namespaces(
                clone=MNT, join=(Join("ipc", "/i"), Join("uts", "/u"), Join("network", "/n"))
            ),
            id="joins-in-our-order",
        ),
        pytest.param(
            kinds("mount", pid="/p"), Namespaces(clone=MNT, pid="/p"), id="pid-by-the-stub"
        ),
        pytest.param(kinds("mount", ipc="/own"), Namespaces(clone=MNT), id="the-runtimes-own"),
        pytest.param(
            kinds("pid", mount="/m"), Namespaces(clone=PID, join=(Join("mount", "/m"),)),
            id="join-mount",
        ),
    ],
)  # fmt: skip
def test_namespaces(plan, linux, expected):
    """
    New ones come with the clone, those that a user namespace would make nobody's after the maps;
    existing ones are joined, unless they are the runtime's own.
    """
    assert plan({"linux": linux}, host=HOST).namespaces == expected


def test_namespaces_are_asked_by_kind():
    """
    `new` is for what is made, `own` for all that is not the runtime's.
    """
    found = Namespaces(clone=MNT, unshare=NET, cgroup=True, join=(Join("ipc", "/i"),), pid="/p")

    assert [k for k in ("mount", "network", "cgroup", "ipc", "pid", "uts") if found.new(k)] == [
        "mount",
        "network",
        "cgroup",
    ]
    assert [k for k in ("mount", "network", "cgroup", "ipc", "pid", "uts") if found.own(k)] == [
        "mount",
        "network",
        "cgroup",
        "ipc",
        "pid",
    ]


# Ids


def test_a_new_user_namespace_is_mapped(plan):
    """
    init becomes root of its namespace.
    """
    made = plan({"linux": USER | kinds("mount", "user")})

    ten = (IdRange(0, 1000, 10),)
    assert made.mapping == Mapping(ten, ten)
    assert (made.become_uid, made.become_gid) == (0, 0)
    assert made.payload.groups == ()


def test_without_root_in_the_mapping_init_becomes_the_user(plan):
    """
    Where uid 0 is not mapped, init is the payload's user from the start.
    """
    linux = {
        "uidMappings": [{"containerID": 1000, "hostID": 1000, "size": 1}],
        "gidMappings": [{"containerID": 1001, "hostID": 1000, "size": 1}],
    }
    user = {"uid": 1000, "gid": 1001}

    made = plan({"linux": linux | kinds("mount", "user"), "process": {"user": user}})

    assert (made.become_uid, made.become_gid) == (1000, 1001)


def test_mappings_without_a_user_namespace_are_not_used(plan):
    """
    No new user namespace: nothing to map, nobody to become.
    """
    made = plan({"linux": USER})

    assert (made.mapping, made.become_uid, made.become_gid) == (None, None, None)


ONE = {
    "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
    "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 1}],
}


@pytest.mark.parametrize(
    ("linux", "host", "groups"),
    [
        pytest.param({}, Host(), (), id="root"),
        pytest.param(USER | kinds("mount", "user"), Host(euid=1000), (), id="rootless-by-helper"),
        pytest.param(ONE | kinds("mount", "user"), Host(euid=1000), None, id="rootless-one-id"),
        pytest.param(ONE | kinds("mount", "user"), Host(), (), id="root-maps-one-id"),
        pytest.param({}, Host(user_namespace=True, setgroups=False), None, id="denied-outside"),
    ],
)
def test_supplementary_groups(plan, linux, host, groups):
    """
    Where setgroups is denied, groups are left alone; else the list is set, even an empty one.
    """
    assert plan({"linux": linux}, host=host).payload.groups == groups


def test_groups_that_cannot_be_had_are_refused(plan):
    """
    Groups in the document and no setgroups: an error, not a container with other rights.
    """
    user = {"uid": 0, "gid": 0, "additionalGids": [5]}

    with pytest.raises(SpecError, match="cannot set any additional groups in a rootless"):
        plan(
            {"process": {"user": user}, "linux": ONE | kinds("mount", "user")},
            host=Host(euid=1000),
        )
    assert plan({"process": {"user": user}}).payload.groups == (5,)


# Capabilities

CHOWN, KILL, SETUID, SYS_TIME = 1 << 0, 1 << 5, 1 << 7, 1 << 25


def test_capabilities_are_cut_to_what_can_be_had(plan, caplog):
    """
    Names that nobody knows, and those that the runtime does not have, are left out and told.
    """
    names = ["CAP_CHOWN", "CAP_SYS_TIME", "CAP_NONSENSE", "CAP_KILL"]
    capabilities = {"bounding": names, "permitted": names, "effective": ["CAP_KILL"]}

    with caplog.at_level(logging.WARNING, "libcontainer"):
        made = plan({"process": {"capabilities": capabilities}}, host=Host(bounding=CHOWN | KILL))

    assert made.payload.capabilities == CapabilitySets(
        bounding=CHOWN | KILL, permitted=CHOWN | KILL, effective=KILL
    )
    assert "ignoring unknown or unavailable capabilities" in caplog.text
    assert "capabilities: [CAP_SYS_TIME CAP_NONSENSE]" in caplog.text


def test_a_new_user_namespace_has_every_capability(plan):
    """
    There the runtime's own bounding set does not matter; what the kernel has does.
    """
    capabilities = {"bounding": ["CAP_SYS_TIME", "CAP_CHECKPOINT_RESTORE"]}
    host = Host(bounding=0, last_capability=39)

    made = plan(
        {"process": {"capabilities": capabilities}, "linux": USER | kinds("mount", "user")},
        host=host,
    )

    assert made.payload.capabilities.bounding == SYS_TIME
    assert made.payload.last_capability == 39


def test_no_capabilities_object_is_no_capability(plan):
    """
    An absent object is five empty sets.
    """
    assert plan().payload.capabilities == CapabilitySets()


# Limits

MEBI = 1 << 20
NO_DEVICES = {"devices": ()}
SMALL, LARGE = LinuxMemory(limit=EARLY_MEMORY), LinuxMemory(limit=EARLY_MEMORY + 1)


@pytest.mark.parametrize(
    ("given", "early", "late"),
    [
        pytest.param(None, {"devices": ()}, None, id="nothing"),
        pytest.param({"pids": LinuxPids(limit=5)}, {"pids": LinuxPids(limit=5)}, None, id="pids"),
        pytest.param({"memory": LARGE}, {"memory": LARGE}, None, id="large-memory-is-early"),
        pytest.param({"memory": SMALL}, {}, {"memory": SMALL}, id="small-memory-is-late"),
        pytest.param(
            {"memory": LinuxMemory(limit=-1)}, {"memory": LinuxMemory(limit=-1)}, None,
            id="unlimited-memory-is-early",
        ),
        pytest.param(
            {"cpu": LinuxCPU(shares=5, quota=1000, period=100000, cpus="0")},
            {"cpu": LinuxCPU(shares=5, cpus="0")},
            {"cpu": LinuxCPU(quota=1000, period=100000)},
            id="bandwidth-is-late",
        ),
        pytest.param(
            {"cpu": LinuxCPU(shares=5)}, {"cpu": LinuxCPU(shares=5)}, None, id="shares-are-early"
        ),
        pytest.param(
            {"unified": {"cpu.max": "1 2", "cpu.max.burst": "1", "io.max": "x"}},
            {"unified": {"io.max": "x"}},
            {"unified": {"cpu.max": "1 2", "cpu.max.burst": "1"}},
            id="unified-by-key",
        ),
        pytest.param(
            {"unified": {"pids.max": "1"}}, {"unified": {"pids.max": "1"}}, None, id="unified-early"
        ),
        pytest.param(
            {"memory": SMALL, "cpu": LinuxCPU(burst=1), "unified": {"memory.low": "1"}},
            {"cpu": LinuxCPU()},
            {"memory": SMALL, "cpu": LinuxCPU(burst=1), "unified": {"memory.low": "1"}},
            id="all-late",
        ),
    ],
)  # fmt: skip
def test_limits_before_and_after_python(given, early, late):
    """
    CPU bandwidth and a small memory limit wait until no Python is in the cgroup any more.
    """
    resources = None if given is None else LinuxResources(**given)

    found = split_limits(resources, devices=True)

    expected_late = None if late is None else LinuxResources(**late)
    assert found == (LinuxResources(**(NO_DEVICES | early)), expected_late)


@pytest.mark.parametrize(
    ("given", "devices", "expected"),
    [
        pytest.param(None, True, (), id="nothing-said-is-deny-all"),
        pytest.param(None, False, None, id="nested-without-rules"),
        pytest.param(
            (LinuxDeviceCgroup(allow=True, access="rwm"),), True,
            (LinuxDeviceCgroup(allow=True, access="rwm"),), id="rules",
        ),
        pytest.param((LinuxDeviceCgroup(allow=True),), False, None, id="nested-with-rules"),
    ],
)  # fmt: skip
def test_device_rules(given, devices, expected):
    """
    Device rules are always on, but not from inside a user namespace, where they cannot be set.
    """
    early, _ = split_limits(LinuxResources(devices=given), devices=devices)

    assert early.devices == expected


def test_a_nested_runtime_sets_no_device_rules(plan):
    """
    In a user namespace of its own the runtime cannot.
    """
    assert plan(host=Host(user_namespace=True)).early.devices is None
    assert plan().early.devices == ()


# What is impossible


@pytest.mark.parametrize(
    ("changes", "options", "text"),
    [
        pytest.param({"hostname": "h", "linux": kinds("mount")}, {},
                     "unable to set hostname without a private UTS namespace", id="hostname"),
        pytest.param({"domainname": "d", "linux": kinds("mount")}, {},
                     "unable to set domainname without a private UTS namespace", id="domainname"),
        pytest.param({"linux": kinds("pid") | {"maskedPaths": ["/x"]}}, {},
                     "unable to restrict sys entries without a private MNT namespace", id="mask"),
        pytest.param({"linux": kinds("pid") | {"readonlyPaths": ["/x"]}}, {},
                     "unable to restrict sys entries without a private MNT namespace", id="ro"),
        pytest.param({"linux": kinds("pid"), "mounts": [{"destination": "/p", "type": "proc"}]}, {},
                     "unable to mount without a private MNT namespace", id="mounts"),
        pytest.param({"linux": {"rootfsPropagation": "rprivate"}}, {"pivot": False},
                     "rootfsPropagation of [r]private is not safe without pivot_root", id="pivot"),
        pytest.param({"linux": kinds("mount") | {"sysctl": {"net.ipv4.ip_forward": "1"}}}, {},
                     'sysctl "net.ipv4.ip_forward" not allowed in host network namespace',
                     id="sysctl-net"),
        pytest.param({"linux": kinds("mount") | {"sysctl": {"kernel.shmmax": "1"}}}, {},
                     'sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace',
                     id="sysctl-ipc"),
        pytest.param({"process": None}, {}, "process property must not be empty", id="process"),
    ],
)  # fmt: skip
def test_what_a_host_makes_impossible_is_refused(plan, changes, options, text):
    """
    What the document alone does not show to be wrong is refused in runc's words.
    """
    with pytest.raises(SpecError) as e:
        plan(changes, **options)

    assert str(e.value) == text


def test_a_user_needs_a_user_namespace(plan):
    """
    Without root there must be a user namespace.
    """
    with pytest.raises(SpecError, match="^rootless container requires user namespaces$"):
        plan(host=Host(euid=1000))


def test_all_impossible_things_are_told_at_once(plan):
    """
    One error names all of them.
    """
    with pytest.raises(SpecError) as e:
        plan({"hostname": "h", "domainname": "d", "linux": kinds("mount")}, host=Host(euid=1))

    assert len(e.value.faults) == 3


def test_a_joined_namespace_that_is_the_hosts_is_no_private_one(plan):
    """
    A path that leads to the runtime's own network namespace does not make its sysctls allowed.
    """
    linux = kinds("mount", network="/own") | {"sysctl": {"net.core.somaxconn": "1"}}
    host = Host(namespaces={"network": "4:3"}, joined={"/own": "4:3"})

    with pytest.raises(SpecError, match="not allowed in host network namespace"):
        plan({"linux": linux}, host=host)


# The rest


def test_setup_steps(plan):
    """
    Keyring, loopback of a new network, names: in this order, before the first mount.
    """
    made = plan({"hostname": "h", "domainname": "d"})

    assert made.setup == (
        SessionKeyring(name="_ses.box"),
        LoopbackUp(),
        Hostname("h"),
        Domainname("d"),
    )
    assert plan({"linux": kinds("mount")}, keyring=False).setup == ()


def test_a_keyring_in_a_user_namespace(plan):
    """
    A joined network gets no loopback; the keyring is as without a user namespace.
    """
    made = plan({"linux": USER | kinds("mount", "user")})

    assert made.setup == (SessionKeyring(name="_ses.box"),)


def test_sysctls_come_first_when_all_is_built(plan):
    """
    They are written through the host's procfs, which is gone after the pivot.
    """
    made = plan({"linux": {"sysctl": {"net.a": "1", "kernel.shmmax": "2"}}})

    assert made.finish[:2] == (Sysctl("net.a", "1"), Sysctl("kernel.shmmax", "2"))


@pytest.mark.parametrize(
    ("changes", "field", "expected"),
    [
        pytest.param({}, "umask", 0o022, id="umask-default"),
        pytest.param({"process": {"user": {"uid": 0, "gid": 0, "umask": 0}}}, "umask", 0,
                     id="umask-0-is-given"),
        pytest.param({}, "command", Command(("sh",), ("A=b",), "/", 0), id="command"),
        pytest.param({"process": {"rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1, "hard": 2}]}},
                     "adjustments", (Rlimit(7, 1, 2), Affinity()), id="rlimit"),
        pytest.param({}, "oom_score_adj", None, id="oom-left-alone"),
        pytest.param({"process": {"oomScoreAdj": 0}}, "oom_score_adj", 0, id="oom-0-is-given"),
        pytest.param({}, "terminal", None, id="no-terminal"),
        pytest.param({"process": {"terminal": True}}, "terminal", Terminal(), id="terminal"),
        pytest.param({"process": {"terminal": True, "consoleSize": {"height": 2, "width": 3}}},
                     "terminal", Terminal(2, 3), id="terminal-size"),
        pytest.param({"process": {"consoleSize": {"height": 2, "width": 3}}}, "terminal", None,
                     id="size-without-terminal"),
        pytest.param({}, "propagation", None, id="propagation-default"),
        pytest.param({"linux": {"rootfsPropagation": "rslave"}}, "propagation", None, id="slave"),
        pytest.param({"linux": {"rootfsPropagation": "shared"}}, "propagation", c.MS_SHARED,
                     id="shared-after-the-pivot"),
        pytest.param({"linux": {"rootfsPropagation": "runbindable"}}, "propagation",
                     c.MS_UNBINDABLE | c.MS_REC, id="unbindable-after-the-pivot"),
        pytest.param({}, "annotations", {}, id="annotations"),
        pytest.param({}, "seccomp", None, id="seccomp"),
        pytest.param({}, "meet", False, id="nobody-to-meet"),
        pytest.param({"hooks": {"poststart": [{"path": "/h"}]}}, "meet", False, id="later-hooks"),
        pytest.param({"hooks": {"prestart": [{"path": "/h"}]}}, "meet", True, id="prestart"),
        pytest.param({"hooks": {"createContainer": [{"path": "/h"}]}}, "meet", True, id="own-hook"),
        pytest.param({"mounts": [{"destination": "/d", "type": "ext4", "source": "/dev/sda"}]},
                     "meet", True, id="a-device-is-mounted"),
    ],
)  # fmt: skip
def test_fields(plan, changes, field, expected):
    """
    What is not given has the default of the other runtimes; zero is given.
    """
    assert getattr(plan(changes), field) == expected


@pytest.mark.parametrize(
    ("host", "optional"),
    [(Host(), False), (Host(user_namespace=True), True)],
    ids=["host", "nested"],
)
def test_a_refused_oom_score_is_expected_only_in_a_user_namespace(plan, host, optional):
    """
    A runtime that is root of a user namespace may not lower the score.
    """
    assert plan(host=host).oom_score_optional is optional


@pytest.mark.parametrize(
    ("version", "limit", "expected"),
    [
        pytest.param("1.0.2-dev", 0, -1, id="none-to-engines"),
        pytest.param("1.2.1", 0, -1, id="before-1.3"),
        pytest.param("1.3.0", 0, 0, id="a-value-since"),
        pytest.param("1.0.0", 7, 7, id="a-limit"),
    ],
)
def test_a_pids_limit_of_zero(plan, version, limit, expected):
    """
    Before runtime-spec 1.3 engines wrote 0 for no limit; since then it is a limit.
    """
    changes = {"ociVersion": version, "linux": {"resources": {"pids": {"limit": limit}}}}

    assert plan(changes).early.pids.limit == expected
