"""Cgroups: where a container is, what it may use, and what it sees of that."""

import os
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")


def shell(workshop, script):
    return workshop.config("sh", "-c", script)


def share(config, *kinds):
    linux = config["linux"]
    linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] not in kinds]
    return config


def cgroup_file(pid, controller, name):
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return Path(f"/sys/fs/cgroup/{names}{path}/{name}")
    pytest.skip(f"needs the cgroup v1 controller {controller}")


def paths_of(text):
    """Return the paths in a /proc/PID/cgroup, without those of a hierarchy nobody has mounted."""
    points = [line.split(" - ") for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    options = [set(point[1].split(" ")[2].split(",")) for point in points if "cgroup " in point[1]]
    paths = set()
    for line in text.splitlines():
        if line.count(":") < 2:
            continue  # not of that file
        _, names, path = line.split(":", 2)
        if not names or any(set(names.split(",")) <= of_one for of_one in options):
            paths.add(path)
    return paths


RESOURCES = {
    "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 64 << 20},
    "cpu": {"shares": 512, "quota": 20000, "period": 50000},
    "pids": {"limit": 17},
}


def test_limits_are_those_of_the_document(workshop, delete_after):
    """Readable in the container's cgroup as soon as create has returned."""
    config = workshop.config(*FOREVER)
    config["linux"]["resources"].update(RESOURCES)
    container = workshop.create(config)
    delete_after(container)
    pid = container.pid
    files = {
        ("memory", "memory.limit_in_bytes"): 64 << 20,
        ("memory", "memory.soft_limit_in_bytes"): 32 << 20,
        ("cpu", "cpu.shares"): 512,
        ("cpu", "cpu.cfs_quota_us"): 20000,
        ("cpu", "cpu.cfs_period_us"): 50000,
        ("pids", "pids.max"): 17,
    }
    found = {key: int(cgroup_file(pid, *key).read_text()) for key in files}
    assert found == files


def test_the_cgroup_is_where_the_document_says(workshop, delete_after):
    """An absolute cgroupsPath is below the hierarchy's root; delete removes it."""
    config = workshop.config(*FOREVER)
    config["linux"]["cgroupsPath"] = f"/{workshop.token}-parent/inner"
    container = workshop.create(config)
    paths = paths_of(Path(f"/proc/{container.pid}/cgroup").read_text())
    assert paths == {f"/{workshop.token}-parent/inner"}
    assert container.delete("-f").status == 0
    left = [path for path in workshop.cgroups() if path.endswith("inner")]
    assert left == []
    for path in workshop.cgroups():
        os.rmdir(path)  # the parent is the caller's


def test_too_many_processes_are_refused(workshop):
    """pids.limit is enforced."""
    config = shell(workshop, "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait")
    config["linux"]["resources"]["pids"] = {"limit": 4}
    result = workshop.run(config)
    assert "can't fork" in result.stderr


def test_too_much_memory_is_refused(workshop):
    """memory.limit is enforced: the process is killed."""
    config = shell(workshop, "tail /dev/zero 2>/dev/null; echo $?")
    config["linux"]["resources"]["memory"] = {"limit": 8 << 20, "swap": 8 << 20}
    assert workshop.run(config).stdout.strip() in ("137", "1")


def host_disk():
    for line in Path("/proc/partitions").read_text().splitlines()[2:]:
        major, minor, _, name = line.split()
        if not name.startswith(("loop", "ram", "zram")):
            return major, minor
    pytest.skip("needs a disk in /proc/partitions")


def test_devices_of_the_host_are_denied(workshop):
    """Even with CAP_MKNOD the host's disk cannot be opened; the default devices can."""
    major, minor = host_disk()
    script = (
        f"mknod /dev/disk b {major} {minor}; head -c 1 /dev/disk; "
        "for d in null zero full random urandom tty; do head -c 0 <>/dev/$d || echo no $d; done"
    )
    config = shell(workshop, script)
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind].append("CAP_MKNOD")
    result = workshop.run(config)
    assert "/dev/disk: Operation not permitted" in result.stderr
    assert [line for line in result.stdout.splitlines() if line != "no tty"] == []


def test_device_rules_allow_one_device(workshop):
    """The last matching rule decides."""
    script = "cd /dev; mknod mem2 c 1 1 && head -c 0 mem2; mknod x c 1 2; head -c 1 x"
    config = shell(workshop, script)
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind] += ["CAP_MKNOD", "CAP_SYS_RAWIO"]
    config["linux"]["resources"]["devices"] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 1, "access": "rwm"},
    ]
    result = workshop.run(config)
    assert "mem2: Operation not permitted" not in result.stderr
    assert "x: Operation not permitted" in result.stderr


@pytest.mark.parametrize(
    ("fault", "text"),
    [({}, "cgroup is not empty"), ({"terminal": True}, "connect to console socket")],
    ids=["it-is-used", "before-we-know"],
)
def test_a_cgroup_of_others_is_refused_and_spared(workshop, delete_after, fault, text):
    """What lives in the cgroup that the document names is no business of a create that fails."""
    config = workshop.config("sleep", "1000")
    config["linux"]["cgroupsPath"] = f"/{workshop.token}-shared"
    first = workshop.create(config)
    delete_after(first)
    first.start()
    config["process"] |= fault

    options = ("--console-socket", "/nonexistent/socket") if fault else ()
    second = workshop.try_create(config, *options)

    assert (second.created.status, text in second.created.stderr) == (1, True)
    assert first.status == "running"


@pytest.mark.parametrize("namespace", [True, False], ids=["own", "the host's"])
def test_the_cgroup_as_seen_inside(workshop, namespace):
    """With a cgroup namespace it is the root of all; without one its path is seen."""
    config = shell(workshop, "cat /proc/self/cgroup; ls /sys/fs/cgroup | head -n 30")
    share(config, "cgroup")
    if namespace:
        config["linux"]["namespaces"].append({"type": "cgroup"})
    text = workshop.inside(config)
    paths = paths_of(text)
    if namespace:
        assert paths == {"/"}
    else:
        assert paths and all(workshop.token in path for path in paths)
    mounted = [name for name in os.listdir("/sys/fs/cgroup") if name in ("memory", "pids")]
    assert set(mounted) <= set(text.splitlines())


def test_without_cgroups(workshop):
    """`--cgroup-manager disabled` makes none; the container stays where the runtime was."""
    config = workshop.config("cat", "/proc/self/cgroup")
    bundle = workshop.bundle(config)
    result = workshop.pyoci(
        "run", "-b", bundle.path, workshop.id(), globals=("--cgroup-manager", "disabled")
    )
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout == Path("/proc/self/cgroup").read_text()
