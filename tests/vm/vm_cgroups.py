"""Containers on pure cgroup v2, by the file system and by systemd."""

import json
import os
import subprocess

import pytest

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
as_user = pytest.mark.skipif(os.geteuid() == 0, reason="needs an ordinary user")
unified = pytest.mark.skipif(
    not os.path.exists("/sys/fs/cgroup/cgroup.controllers"), reason="needs cgroup v2 alone"
)
pytestmark = unified

DRIVERS = [
    pytest.param((), None, id="cgroupfs"),
    pytest.param(("--systemd-cgroup",), "", id="systemd"),
]


def limited(path=None, **resources):
    def change(document):
        document["linux"].setdefault("resources", {}).update(resources)
        if path:
            document["linux"]["cgroupsPath"] = path

    return change


@as_root
@pytest.mark.parametrize(("options", "slice"), DRIVERS)
def test_limits_are_seen_and_the_namespace_is_rooted(pyoci, bundle, options, slice):
    """
    The container sees its own cgroup as the root, with the limits of the document.
    """
    script = "cat /proc/self/cgroup /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max"
    script += " /sys/fs/cgroup/cpu.max"
    change = limited(
        "system.slice:pyoci:limits" if options else "/pyoci-limits",
        memory={"limit": 64 << 20},
        pids={"limit": 33},
        cpu={"quota": 50000, "period": 100000},
    )
    folder = bundle("sh", "-c", script, change=change)

    done = pyoci("run", "--bundle", str(folder), "limits", options=options)

    assert done.stdout.split("\n")[:4] == ["0::/", str(64 << 20), "33", "50000 100000"]


@as_root
def test_systemd_owns_the_scope_and_forgets_it(pyoci, bundle):
    """
    The scope is a unit of systemd while the container lives, and gone afterwards.
    """
    folder = bundle("sleep", "100", change=limited("system.slice:pyoci:scope"))

    pyoci.create("scope", folder, options=["--systemd-cgroup"])
    pyoci("start", "scope")
    shown = systemctl("show", "-p", "ActiveState,Slice,Delegate", "pyoci-scope.scope")
    pyoci("delete", "--force", "scope")
    after = systemctl("show", "-p", "LoadState", "pyoci-scope.scope")

    assert "ActiveState=active" in shown
    assert "Slice=system.slice" in shown
    assert "LoadState=not-found" in after


@pytest.mark.parametrize("user", [False, True], ids=["host-user", "new-user"])
@as_root
def test_subgroup_and_delegation(pyoci, bundle, user):
    """
    crun's annotations: the container's root is a cgroup below the scope, and init ends in one
    more, which belongs to the container's root and has no limits; the scope's are in force.
    """
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]

    def change(document):
        limited("system.slice:pyoci:below", pids={"limit": 44})(document)
        document["annotations"] = {
            "run.oci.systemd.subgroup": "payload",
            "run.oci.delegate-cgroup": "own/init",
        }
        if user:
            document["linux"].update(uidMappings=maps, gidMappings=maps)
            document["linux"]["namespaces"].append({"type": "user"})

    folder = bundle("sh", "-c", "cat /proc/self/cgroup; exec sleep 100", change=change)
    subprocess.run(["chown", "-R", "100000:100000", folder / "rootfs"], check=user)

    pyoci.create("below", folder, options=["--systemd-cgroup"])
    pyoci("start", "below")
    pid = json.loads(pyoci("state", "below").stdout)["pid"]
    with open(f"/proc/{pid}/cgroup") as file:
        place = file.read().strip().removeprefix("0::")
    scope = "/sys/fs/cgroup" + place.removesuffix("/payload/own/init")
    with open(f"{scope}/pids.max") as file:
        limit = file.read()
    executed = pyoci("exec", "below", "cat", "/proc/self/cgroup").stdout
    said = (folder / "output").read_text()
    owner = os.stat(f"/sys/fs/cgroup{place}").st_uid
    listed = pyoci("ps", "--format", "json", "below").stdout
    pyoci("delete", "--force", "below")

    assert place.endswith("/pyoci-below.scope/payload/own/init")
    assert (said, limit) == ("0::/own/init\n", "44\n")
    assert executed == "0::/\n"
    assert owner == (100000 if user else 0)
    assert json.loads(listed) == [pid]
    assert not os.path.exists(scope)


def systemctl(*words):
    user = ["--user"] if os.geteuid() else []
    return subprocess.run(
        ["systemctl", *user, *words], capture_output=True, text=True, check=True, timeout=60
    ).stdout


@as_root
@pytest.mark.parametrize("limit", [pytest.param(8 << 20, id="8M")])
def test_memory_limit_kills(pyoci, bundle, limit):
    """
    Who takes more than the limit is killed: 128 + SIGKILL.
    """
    change = limited("/pyoci-oom", memory={"limit": limit, "swap": limit})
    folder = bundle("sh", "-c", "exec dd if=/dev/zero of=/dev/null bs=100M count=1", change=change)

    done = pyoci("run", "--bundle", str(folder), "oom", check=False)

    assert done.returncode == 137


@as_root
def test_device_rules_are_enforced(pyoci, bundle):
    """
    Without rules in the document a disk cannot be opened, made or not.
    """

    def change(document):
        document["linux"]["resources"] = {}
        document["root"]["readonly"] = False
        for kind in ("bounding", "effective", "permitted"):
            document["process"]["capabilities"][kind].append("CAP_MKNOD")

    script = "busybox mknod /dev/disk b 254 0 && head -c 1 /dev/disk; echo $?"
    folder = bundle("busybox", "sh", "-c", script, change=change)

    done = pyoci("run", "--bundle", str(folder), "devices")

    assert done.stdout == "1\n"
    assert "Operation not permitted" in done.stderr


@as_user
def test_rootless_run(pyoci, bundle):
    """
    An ordinary user runs a container in a user namespace.
    """
    folder = bundle("id", "-u")

    assert pyoci("run", "--bundle", str(folder), "mine").stdout == "0\n"


@as_user
def test_rootless_limits_by_the_users_systemd(pyoci, bundle):
    """
    The user's systemd has delegated controllers, so limits work without root.
    """
    change = limited("user.slice:pyoci:mine", memory={"limit": 64 << 20}, pids={"limit": 20})
    folder = bundle("sleep", "100", change=change)

    pyoci.create("mine", folder, options=["--systemd-cgroup"])
    shown = systemctl("show", "-p", "MemoryMax,TasksMax,ActiveState", "pyoci-mine.scope")

    assert f"MemoryMax={64 << 20}" in shown
    assert "TasksMax=20" in shown
    assert "ActiveState=active" in shown
