"""Namespaces: new ones, those of another container, and what belongs to whom in them."""

import os
import re
import signal
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")
EVERY_KIND = ("bounding", "effective", "permitted", "inheritable", "ambient")


def shell(workshop, script):
    return workshop.config("sh", "-c", script)


def add_user_namespace(config, first=100000, size=65536):
    line = {"containerID": 0, "hostID": first, "size": size}
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(uidMappings=[line], gidMappings=[line])
    return config


def fields(text):
    """Return /proc/self/status, or any text of that form, as a dictionary."""
    return dict([line.split(":\t", 1) for line in text.splitlines() if ":\t" in line])


# -- user namespaces


def test_a_user_namespace_maps_ids(workshop):
    """Root inside is an ordinary user outside, the bound devices work, and files belong to it."""
    script = "id -u; cat /proc/self/uid_map; echo x >/dev/null && head -c 2 /dev/zero | wc -c"
    config = add_user_namespace(shell(workshop, f"{script}; touch /new; sleep 1000"))
    config["root"]["readonly"] = False
    bundle = workshop.bundle(config)
    for folder, names, files in os.walk(bundle.rootfs):
        for name in [*names, *files]:
            os.chown(os.path.join(folder, name), 100000, 100000, follow_symlinks=False)
    os.chown(bundle.rootfs, 100000, 100000)
    container = workshop.create(bundle)
    container.start()
    workshop.until(lambda: (bundle.rootfs / "new").exists(), "the file")
    assert container.stdout.split() == ["0", "0", "100000", "65536", "2"]
    assert (bundle.rootfs / "new").stat().st_uid == 100000
    status = fields(Path(f"/proc/{container.pid}/status").read_text())
    assert status["Uid"].split() == ["100000"] * 4
    assert container.delete("-f").status == 0


def test_a_user_namespace_owns_the_others(workshop):
    """Its root may do to network, ipc and uts what root may: they belong to it."""
    script = "hostname other && hostname; echo 1400 >/sys/class/net/lo/mtu"
    config = add_user_namespace(shell(workshop, script))
    config["linux"].update(readonlyPaths=[], maskedPaths=[])
    config["mounts"] = [m for m in config["mounts"] if "cgroup" not in m["destination"]]
    for mount in config["mounts"]:
        if mount["destination"] == "/sys":
            mount["options"].remove("ro")
    capabilities = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]
    config["process"]["capabilities"] = dict.fromkeys(
        ("bounding", "effective", "permitted"), capabilities
    )
    assert workshop.inside(config) == "other\n"


def test_a_user_of_a_user_namespace(workshop):
    """Ids that are not root of the namespace, with capabilities of it."""
    config = add_user_namespace(workshop.config("cat", "/proc/self/status"))
    config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [50]}
    config["process"]["capabilities"] = {name: ["CAP_CHOWN"] for name in EVERY_KIND}
    status = fields(workshop.inside(config))
    assert (status["Uid"].split()[0], status["Gid"].split()[0]) == ("1000", "1001")
    assert status["Groups"].split() == ["50"]
    assert int(status["CapEff"], 16) == 1  # CAP_CHOWN


def test_a_user_namespace_without_root(workshop):
    """A namespace that maps only the payload's own id, as keep-id without the rest."""
    config = workshop.config("cat", "/proc/self/status")
    line = {"containerID": 1000, "hostID": 100000, "size": 1}
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(uidMappings=[line], gidMappings=[line])
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    for mount in config["mounts"]:
        mount["options"] = [o for o in mount.get("options", []) if not o.startswith("gid=")]
    status = fields(workshop.inside(config))
    assert status["Uid"].split() == ["1000"] * 4


# -- namespaces by path


@pytest.fixture
def neighbour(workshop):
    """A running container whose namespaces others join."""
    container = workshop.create(FOREVER)
    container.start()
    yield container
    assert container.delete("--force").status == 0


def join(config, pid, *kinds):
    for namespace in config["linux"]["namespaces"]:
        if namespace["type"] in kinds:
            name = {"network": "net", "mount": "mnt"}.get(namespace["type"], namespace["type"])
            namespace["path"] = f"/proc/{pid}/ns/{name}"
    if "uts" in kinds:
        del config["hostname"]
    return config


@pytest.mark.parametrize(
    "kinds",
    [("network",), ("ipc",), ("uts",), ("pid",), ("network", "ipc", "uts"), ("network", "pid")],
    ids="+".join,
)
def test_namespaces_are_joined_by_path(workshop, neighbour, kinds):
    """Those with a path are the other container's, the rest are new."""
    names = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
    script = "cd /proc/self/ns; for n in net ipc uts pid mnt; do readlink $n; done"
    config = join(shell(workshop, script), neighbour.pid, *kinds)
    found = dict([line.split(":") for line in workshop.inside(config).splitlines()])
    for kind, name in names.items():
        own = os.readlink(f"/proc/self/ns/{name}").split(":")[1]
        other = os.readlink(f"/proc/{neighbour.pid}/ns/{name}").split(":")[1]
        assert (found[name] == other) == (kind in kinds)
        assert found[name] != own
    assert found["mnt"] != os.readlink(f"/proc/{neighbour.pid}/ns/mnt").split(":")[1]


def test_a_container_in_anothers_pid_namespace(workshop, neighbour):
    """state, kill and wait work by the pid of the process inside."""
    container = workshop.create(join(workshop.config(*FOREVER), neighbour.pid, "pid"))
    assert container.status == "created"
    container.start()
    status = fields(Path(f"/proc/{container.pid}/status").read_text())
    assert len(status["NSpid"].split()) == 2 and status["NSpid"].split()[1] != "1"
    assert f"PPid:\t{os.getpid()}" in Path(f"/proc/{container.pid}/status").read_text()
    assert container.pyoci("kill", "TERM").status == 0
    assert container.wait() == -signal.SIGTERM
    assert container.delete().status == 0


@pytest.mark.parametrize("user", [False, True], ids=["-", "new-user"])
def test_no_interpreter_is_seen_in_a_shared_pid_namespace(workshop, user):
    """A privileged neighbour that looks at every process never finds one of Python."""
    script = (
        "echo ready; while :; do for p in /proc/[0-9]*; do readlink $p/exe; cat $p/comm; done; done"
    )
    config = shell(workshop, script)
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind] += ["CAP_SYS_PTRACE"]
    watcher = workshop.create(config)
    watcher.start()
    workshop.until(lambda: "ready" in watcher.stdout, "ready")
    config = join(workshop.config("sleep", "0.1"), watcher.pid, "pid")
    config["hooks"] = {"createRuntime": [{"path": "/bin/true"}]}
    if user:
        add_user_namespace(config)
    bundle = workshop.bundle(config)
    for _ in range(5):
        assert workshop.inside(bundle) == ""
    seen = set(watcher.stdout.split("\n"))
    assert watcher.delete("-f").status == 0
    assert "sleep" in seen, "the watcher has seen the others"
    assert not [name for name in seen if re.search("python|pyoci$", name)]
