"""Namespaces that are there already, beside a user namespace."""

import os
import subprocess

import pytest

KINDS = {"ipc": "ipc", "uts": "uts", "network": "net", "pid": "pid", "cgroup": "cgroup"}
MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]
NAMES = {**KINDS, "mount": "mnt", "user": "user", "time": "time"}


def identities(pid, kinds):
    return {kind: os.readlink(f"/proc/{pid}/ns/{NAMES[kind]}") for kind in kinds}


def namespaces(new=(), **joined):
    found = [{"type": kind} for kind in new]
    return found + [{"type": kind, "path": str(path)} for kind, path in joined.items()]


@pytest.fixture
def pod(workshop, delete_after):
    """Return a running container, whose namespaces others join."""

    def make(**linux):
        config = workshop.config("sleep", "60")
        config["root"]["readonly"] = False
        config["linux"].update(linux)
        bundle = workshop.bundle(config)
        own(bundle)
        container = workshop.create(bundle)
        delete_after(container)
        assert container.start().status == 0
        return container

    return make


def own(bundle):
    """Give the bundle's root to the root of the user namespace."""
    subprocess.run(["chown", "-R", "100000:100000", bundle.rootfs], check=True)


def with_user(config, *kinds):
    return {
        "namespaces": [*config["linux"]["namespaces"], {"type": "user"}],
        "uidMappings": MAP,
        "gidMappings": MAP,
    }


def run(workshop, config):
    config["root"]["readonly"] = False
    bundle = workshop.bundle(config)
    own(bundle)
    return bundle, workshop.run(bundle)


SHARED = [
    pytest.param(("ipc", "network", "uts"), id="pod"),
    pytest.param(("ipc", "network", "uts", "pid"), id="pod-with-pid"),
    pytest.param(("network",), id="network"),
    pytest.param((), id="user-alone"),
]


@pytest.mark.parametrize("maps", [{}, {"uidMappings": MAP, "gidMappings": MAP}], ids=["-", "maps"])
@pytest.mark.parametrize("kinds", SHARED)
def test_member_of_a_pod_in_a_user_namespace(workshop, pod, kinds, maps):
    """
    A second container in the first one's user namespace, with some of its other namespaces.
    """
    first = pod(**with_user(workshop.config("true")))
    shared = {kind: f"/proc/{first.pid}/ns/{NAMES[kind]}" for kind in (*kinds, "user")}
    rest = [kind for kind in ("mount", "pid", "ipc", "uts", "network") if kind not in kinds]
    config = workshop.config("sleep", "60")
    config["linux"].update({"namespaces": namespaces(rest, **shared)}, **maps)
    config["root"]["readonly"] = False
    if "uts" in kinds:
        config["hostname"] = ""
    bundle = workshop.bundle(config)
    own(bundle)

    second = workshop.create(bundle)
    assert second.start().status == 0

    assert identities(second.pid, shared) == identities(first.pid, shared)
    for kind in rest:
        assert identities(second.pid, [kind]) != identities(first.pid, [kind])
    with open(f"/proc/{second.pid}/uid_map") as file:
        assert file.read().split() == ["0", "100000", "65536"]
    assert os.stat(f"/proc/{second.pid}").st_uid == 100000
    # The first of a pid namespace ends when all others are reaped, by us.
    second.pyoci("kill", "KILL")
    second.wait()
    assert second.delete().status == 0


def test_inside_of_a_pods_member(workshop, pod):
    """
    Its file systems are those of its namespaces, and its root is root there.
    """
    first = pod(**with_user(workshop.config("true")))
    paths = {kind: f"/proc/{first.pid}/ns/{NAMES[kind]}" for kind in ("ipc", "network", "user")}
    script = "id -u; stat -c %u /dev/mqueue /sys/class/net/lo/mtu; ps | wc -l; hostname"
    config = workshop.config("sh", "-c", script)
    config["linux"]["namespaces"] = namespaces(("mount", "pid", "uts"), **paths)

    _, result = run(workshop, config)

    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.split() == ["0", "0", "0", "4", "pyoci"]


@pytest.mark.parametrize("kinds", [("network",), ("network", "ipc", "uts")], ids=["net", "three"])
def test_new_user_namespace_beside_the_hosts(workshop, pod, delete_after, kinds):
    """
    A container of its own user namespace in namespaces that the host owns (userns-remap with
    `--network container:X`).
    """
    config = workshop.config("sleep", "60")
    config["hostname"] = ""
    first = workshop.create(config)
    delete_after(first)
    assert first.start().status == 0
    paths = {kind: f"/proc/{first.pid}/ns/{NAMES[kind]}" for kind in kinds}
    rest = [kind for kind in ("mount", "pid", "ipc", "uts", "user") if kind not in kinds]
    config = workshop.config("sh", "-c", "cat /proc/self/uid_map; ls /dev/mqueue /sys/class/net")
    config["hostname"] = ""
    config["linux"].update(
        {"namespaces": namespaces(rest, **paths)}, uidMappings=MAP, gidMappings=MAP
    )

    _, result = run(workshop, config)

    assert (result.status, result.stderr) == (0, "")
    assert "100000" in result.stdout
    assert "lo" in result.stdout


@pytest.mark.parametrize("owner", ["host", "another-user"])
def test_pid_namespace_beside_a_new_user_namespace(workshop, pod, delete_after, owner):
    """
    A container of its own user namespace among the processes of another (userns-remap with
    `--pid container:X`), which the host owns, or a user namespace beside ours.
    """
    changes = with_user(workshop.config("true")) if owner == "another-user" else {}
    first = pod(**changes)
    config = workshop.config("sh", "-c", "ps -o pid,comm; cat /proc/self/uid_map; sleep 60")
    config["root"]["readonly"] = False
    config["linux"].update(
        {
            "namespaces": namespaces(
                ("mount", "ipc", "uts", "network", "user", "cgroup"),
                pid=f"/proc/{first.pid}/ns/pid",
            )
        },
        uidMappings=MAP,
        gidMappings=MAP,
    )
    bundle = workshop.bundle(config)
    own(bundle)

    second = workshop.create(bundle)
    delete_after(second)
    assert second.start().status == 0
    workshop.until(lambda: "65536" in second.stdout, "its maps")

    assert identities(second.pid, ["pid"]) == identities(first.pid, ["pid"])
    assert identities(second.pid, ["user"]) != identities(first.pid, ["user"])
    assert "1 sleep" in second.stdout, "its procfs shows the processes of both"
    assert os.stat(f"/proc/{second.pid}").st_uid == 100000
    assert second.pyoci("exec", "true").status == 0
    assert second.pyoci("kill", "KILL").status == 0
    assert second.wait() == -9
    assert second.delete().status == 0


def test_other_maps_than_the_namespaces_are_refused(workshop, pod):
    """
    Maps beside a path are a check, not a wish.
    """
    first = pod(**with_user(workshop.config("true")))
    config = workshop.config("true")
    other = [{"containerID": 0, "hostID": 200000, "size": 65536}]
    config["linux"].update(
        {"namespaces": namespaces(("mount", "pid"), user=f"/proc/{first.pid}/ns/user")},
        uidMappings=other,
        gidMappings=other,
    )
    config["hostname"] = ""

    _, result = run(workshop, config)

    assert result.status == 1
    assert "the id mappings are not those of the user namespace" in result.stderr


def test_a_path_of_another_kind_is_refused(workshop):
    """
    A path must lead to a namespace of its type.
    """
    config = workshop.config("true")
    config["linux"].update(
        {"namespaces": namespaces(("mount", "pid", "user"), network="/proc/self/ns/mnt")},
        uidMappings=MAP,
        gidMappings=MAP,
    )
    config["hostname"] = ""

    _, result = run(workshop, config)

    assert result.status == 1
    assert "join the network namespace /proc/self/ns/mnt: invalid argument" in result.stderr


OFFSETS = {"boottime": {"secs": 1_000_000_000, "nanosecs": 5}, "monotonic": {"secs": 7}}


@pytest.mark.parametrize("user", [False, True], ids=["host-user", "new-user"])
@pytest.mark.parametrize("offsets", [OFFSETS, None], ids=["offsets", "none"])
def test_time_namespace(workshop, user, offsets):
    """
    The clocks of a new time namespace are ahead by what the document says, from the first process.
    """
    config = workshop.config("sh", "-c", "cat /proc/self/timens_offsets /proc/uptime")
    if user:
        config["linux"].update(with_user(config))
    config["linux"]["namespaces"].append({"type": "time"})
    if offsets:
        config["linux"]["timeOffsets"] = offsets

    _, result = run(workshop, config)

    assert (result.status, result.stderr) == (0, "")
    clocks, uptime = result.stdout.rsplit("\n", 2)[:2]
    expected = ["monotonic", "7", "0", "boottime", "1000000000", "5"]
    none = ["monotonic", "0", "0", "boottime", "0", "0"]
    assert clocks.split() == (expected if offsets else none)
    assert (float(uptime.split()[0]) > 1_000_000_000) is bool(offsets)


def test_clocks_below_zero_are_refused(workshop):
    """
    No clock can begin before the boot.
    """
    config = workshop.config("true")
    config["linux"]["namespaces"].append({"type": "time"})
    config["linux"]["timeOffsets"] = {"boottime": {"secs": -(10**15)}}

    _, result = run(workshop, config)

    assert result.status == 1
    assert "set the clocks of the time namespace: numerical result out of range" in result.stderr


def test_time_namespace_by_path(workshop, delete_after):
    """
    A time namespace is joined by its path.
    """
    config = workshop.config("sleep", "60")
    config["linux"]["namespaces"].append({"type": "time"})
    config["linux"]["timeOffsets"] = OFFSETS
    first = workshop.create(config)
    delete_after(first)
    first.start()
    config = workshop.config("readlink", "/proc/self/ns/time")
    path = f"/proc/{first.pid}/ns/time"
    config["linux"]["namespaces"].append({"type": "time", "path": path})

    assert workshop.inside(config).strip() == os.readlink(path)
