"""Mounts on pure cgroup v2 and on a kernel without the newest calls, as root and as a user."""

import json
import os
import subprocess

import pytest

ROOT = os.geteuid() == 0
SHOW = "cat /proc/self/mountinfo"
needs_root = pytest.mark.skipif(not ROOT, reason="needs root")
needs_v2 = pytest.mark.skipif(
    not os.path.exists("/sys/fs/cgroup/cgroup.controllers"), reason="needs cgroup v2 alone"
)
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def kinds(document, *without):
    linux = document["linux"]
    linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] not in without]
    return linux


def mapped(document):
    document["linux"]["namespaces"].append({"type": "user"})
    document["linux"].update(uidMappings=MAPS, gidMappings=MAPS)


def run(pyoci, folder):
    done = pyoci("run", "--bundle", str(folder), f"box-{os.getpid()}", check=False)
    assert done.returncode == 0, done
    return done.stdout


def places(mountinfo, below):
    lines = [line.split() for line in mountinfo.splitlines() if " - " in line]
    return {w[4]: (w[3], w[5].split(","), w[w.index("-") + 1]) for w in lines if w[4] >= below
            and (w[4] + "/").startswith(below + "/")}  # fmt: skip


@needs_v2
@pytest.mark.parametrize("user", [False, True] if ROOT else [True], ids=str)
@pytest.mark.parametrize("namespace", [True, False], ids=["own", "host"])
def test_the_cgroup_tree_is_read_only(pyoci, bundle, user, namespace):
    """
    Real mount, bind or nothing: whichever the kernel allows, no restriction is lost
    (CVE-2023-25809).
    """

    def change(document):
        if user and ROOT:
            mapped(document)
        if not namespace:
            kinds(document, "cgroup")
        document["mounts"] = [m for m in document["mounts"] if m["destination"] != "/sys/fs/cgroup"]
        document["mounts"].append(
            {"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
             "options": ["nosuid", "noexec", "nodev", "ro"]}
        )  # fmt: skip

    script = f"busybox mkdir /sys/fs/cgroup/x 2>&1; {SHOW}"
    folder = bundle("sh", "-c", script, change=change)
    seen = run(pyoci, folder)

    assert "Read-only file system" in seen
    found = places(seen, "/sys/fs/cgroup")
    assert found
    assert all("ro" in options for _, options, _ in found.values()), found
    if namespace:
        assert found["/sys/fs/cgroup"][0] == "/"


@needs_root
def test_a_joined_pid_namespace_has_its_own_proc(pyoci, bundle):
    """
    Where a procfs cannot be told its pid namespace (before Linux 6.17), it is made inside.
    """
    with subprocess.Popen(["unshare", "-pf", "--mount-proc", "sleep", "300"]) as neighbour:
        children = f"/proc/{neighbour.pid}/task/{neighbour.pid}/children"
        pid = ""
        while not pid:
            pid = open(children).read().strip()  # noqa: SIM115

        def change(document):
            for namespace in document["linux"]["namespaces"]:
                if namespace["type"] == "pid":
                    namespace["path"] = f"/proc/{pid}/ns/pid"

        try:
            seen = run(pyoci, bundle("sh", "-c", "echo /proc/[0-9]*; cat /proc/1/comm",
                                     change=change))  # fmt: skip
        finally:
            os.kill(int(pid), 9)

    assert seen.splitlines()[1] == "sleep"
    assert len(seen.splitlines()[0].split()) < 6


@needs_root
def test_mapped_ids_of_a_disk(pyoci, bundle, tmp_path):
    """
    A folder of a disk shows the ids that the document says.
    """
    source = tmp_path / "owned"
    source.mkdir()
    os.chown(source, 3, 4)

    def change(document):
        mapped(document)
        document["mounts"].append(
            {"destination": "/tmp", "type": "bind", "source": str(source),
             "options": ["bind", "idmap"]}
        )  # fmt: skip

    os.chmod(tmp_path, 0o755)
    assert run(pyoci, bundle("busybox", "stat", "-c", "%u %g", "/tmp", change=change)) == "3 4\n"


@needs_root
def test_a_tmpfs_whose_ids_this_kernel_cannot_map(pyoci, bundle, tmp_path):
    """
    Before Linux 6.3 the error names mount and reason.
    """
    if tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 3):
        pytest.skip("this kernel maps the ids of tmpfs")

    def change(document):
        document["mounts"].append(
            {"destination": "/tmp", "type": "bind", "source": "/dev/shm",
             "options": ["bind", "idmap"], "uidMappings": MAPS, "gidMappings": MAPS}
        )  # fmt: skip

    done = pyoci("run", "--bundle", str(bundle("true", change=change)), "box", check=False)

    assert done.returncode == 1
    assert "bind /dev/shm onto /tmp: mount_setattr: invalid argument" in done.stderr
    assert "cannot map the ids" in done.stderr


@pytest.mark.skipif(ROOT, reason="needs an ordinary user")
def test_a_user_without_a_network_namespace(pyoci, bundle):
    """
    The host's network gives no sysfs of one's own: the host's is bound, read-only.
    """

    def change(document):
        kinds(document, "network")
        document["mounts"] = [m for m in document["mounts"] if m["destination"] != "/sys"]
        document["mounts"].insert(
            1,
            {"destination": "/sys", "type": "sysfs", "source": "sysfs",
             "options": ["nosuid", "noexec", "nodev", "ro"]},
        )  # fmt: skip

    found = places(run(pyoci, bundle("sh", "-c", SHOW, change=change)), "/sys")

    assert found["/sys"][2] == "sysfs"
    assert all("ro" in options for _, options, _ in found.values()), found


@pytest.mark.skipif(ROOT, reason="needs an ordinary user")
def test_a_user_cannot_map_ids_of_mounts(pyoci, bundle):
    """
    An id-mapped mount takes rights on the host.
    """

    def change(document):
        document["mounts"].append(
            {"destination": "/tmp", "type": "bind", "source": "/tmp", "options": ["bind", "idmap"]}
        )

    done = pyoci("run", "--bundle", str(bundle("true", change=change)), "box", check=False)

    assert done.returncode == 1
    assert "id-mapped mounts are not supported for rootless containers" in done.stderr


@pytest.mark.skipif(ROOT, reason="needs an ordinary user")
def test_a_source_that_the_user_may_not_open(pyoci, bundle):
    """
    Nobody opens it for him; the error names it.
    """

    def change(document):
        document["mounts"].append(
            {"destination": "/tmp", "type": "bind", "source": "/root/x", "options": ["bind"]}
        )

    done = pyoci("run", "--bundle", str(bundle("true", change=change)), "box", check=False)

    assert (done.returncode, json.dumps(done.stderr).count("/root/x")) == (1, 1), done
    assert "bind /root/x onto /tmp: open_tree: permission denied" in done.stderr
