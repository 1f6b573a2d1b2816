import os

import pytest

from libcgroups import CgroupError, CgroupState, load_manager
from libcgroups.paths import clean, own_cgroups, saved_hierarchy
from libcgroups.testing import fake_v1, fake_v2


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/a/b", "/a/b", id="plain"),
        pytest.param("a//b/./c/", "/a/b/c", id="untidy"),
        pytest.param("/../../etc", "/etc", id="above-the-top"),
        pytest.param("/a/../b", "/b", id="up-and-down"),
        pytest.param("", "/", id="empty"),
    ],
)
def test_clean(path, expected):
    """
    A path is tidied by its text alone, and ".." stops at the top.
    """
    assert clean(path) == expected


def test_nul_is_refused():
    """
    A NUL byte would end the path early for the kernel.
    """
    with pytest.raises(CgroupError, match="NUL"):
        clean("/a\0b")


@pytest.mark.parametrize(
    ("path", "own", "expected"),
    [
        pytest.param("/a/b", "/user/x", "/a/b", id="absolute-is-below-the-mount"),
        pytest.param("a/b", "/user/x", "/user/a/b", id="relative-is-beside-the-caller"),
        pytest.param(None, "/user/x", "/user/box", id="absent-is-the-id-beside-the-caller"),
        pytest.param("../../../a", "/user/x", "/a", id="cannot-leave"),
        pytest.param("a", "/", "/a", id="caller-at-the-top"),
    ],
)
def test_v2_paths(tmp_path, path, own, expected):
    """
    cgroupsPath on v2: relative ones start beside the caller's own cgroup, as runc's do.
    """
    tree = fake_v2(tmp_path, own=own)

    assert tree.manager(path).path == tree.root + expected


@pytest.mark.parametrize(
    ("path", "own", "expected"),
    [
        pytest.param("/a/b", "/user/x", "/a/b", id="absolute-is-below-the-mount"),
        pytest.param("a/b", "/user/x", "/user/x/a/b", id="relative-is-in-the-callers"),
        pytest.param(None, "/user/x", "/user/x/box", id="absent-is-the-id-in-the-callers"),
        pytest.param("../../../a", "/user/x", "/a", id="cannot-leave"),
    ],
)
def test_v1_paths(tmp_path, path, own, expected):
    """
    cgroupsPath on v1: relative ones start in the caller's own cgroup of each hierarchy.
    """
    tree = fake_v1(tmp_path, own=own)

    paths = tree.manager(path).paths

    assert paths["memory"] == f"{tree.root}/memory{expected}"
    assert paths["cpu,cpuacct"] == f"{tree.root}/cpu,cpuacct{expected}"
    assert paths["name=systemd"] == f"{tree.root}/systemd{expected}"


def test_inside_a_container_the_own_cgroup_is_the_mount(tmp_path):
    """
    Without a cgroup namespace /proc names the host's path, which is not below the mount.
    """
    tree = fake_v2(tmp_path)
    (tmp_path / "proc/self/cgroup").write_text("0::/host/docker/abc\n")

    assert tree.manager("a").path == tree.root + "/a"


def test_unusual_mount_point_is_found_by_mountinfo(tmp_path):
    """
    A controller that is mounted elsewhere is used there.
    """
    tree = fake_v1(tmp_path, mounts=("memory", "pids"))
    os.rename(f"{tree.root}/pids", tmp_path / "mié pids")
    (tmp_path / "proc/self/mountinfo").write_text(
        f"31 23 0:28 / {tree.root} rw - tmpfs tmpfs rw\n"
        f"39 31 0:36 / {tmp_path}/mié\\040pids rw,relatime - cgroup cgroup rw,pids\n"
    )

    assert tree.manager("/a").paths["pids"] == f"{tmp_path}/mié pids/a"


def test_form_feed_in_a_name_ends_no_line(tmp_path):
    """
    Kernel files end lines by a line feed alone; whoever names cgroups or mounts can use others.
    """
    tree = fake_v1(tmp_path, mounts=("memory", "pids"))
    os.rename(f"{tree.root}/pids", tmp_path / "elsewhere")
    odd = "\x0c \x85 \u2028"
    proc = tmp_path / "proc/self"
    with (proc / "cgroup").open("a") as file:
        file.write(f"77:name=odd:/{odd}\n")
    (proc / "mountinfo").write_text(
        f"38 31 0:35 / /home/{odd.replace(' ', '')} rw - fuse fuse rw\n"
        f"39 31 0:36 / {tmp_path}/elsewhere rw,relatime - cgroup cgroup rw,pids\n"
    )

    assert own_cgroups(f"{tmp_path}/proc")["name=odd"] == f"/{odd}"
    assert tree.manager("/a").paths["pids"] == f"{tmp_path}/elsewhere/a"


def test_hierarchy_that_is_not_mounted_is_left_out(tmp_path):
    """
    What the kernel has and nobody mounted is no error until a limit needs it.
    """
    tree = fake_v1(tmp_path, mounts=("memory", "pids"))
    os.rename(f"{tree.root}/pids", tmp_path / "elsewhere")

    assert list(tree.manager("/a").paths) == ["memory"]


def test_no_hierarchy_at_all(tmp_path):
    """
    Where nothing is mounted the error says where was looked.
    """
    tree = fake_v1(tmp_path, mounts=())

    with pytest.raises(CgroupError, match="no cgroup hierarchy is mounted below"):
        tree.manager("/a")


def test_symlink_is_not_followed(tmp_path, v2):
    """
    A symlink in the way is refused: it could lead out of the hierarchy.
    """
    os.symlink("/", f"{v2.root}/link")

    with pytest.raises(CgroupError, match="link is not a directory"):
        v2.manager("/link/a/b").create()


@pytest.mark.parametrize("make", [fake_v1, fake_v2])
def test_state_finds_the_same_cgroup(tmp_path, make):
    """
    The saved state alone leads to the same directories; nothing is computed again.
    """
    manager = make(tmp_path, own="/user/x").open("a/b")

    again = load_manager(CgroupState.from_json(manager.to_state().to_json()))

    assert again.paths == manager.paths
    assert again.to_state() == manager.to_state()
    assert again.exists()


@pytest.mark.parametrize(
    ("key", "path", "mount"),
    [
        pytest.param("pids", "/r/pids/a/b", "/r/pids", id="controller"),
        pytest.param("cpu,cpuacct", "/r/cpu/a", "/r/cpu", id="one-of-two"),
        pytest.param("name=systemd", "/r/systemd/a", "/r/systemd", id="named"),
        pytest.param("", "/r/unified/a", "/r/unified", id="v2"),
        pytest.param("pids", "/r/pids", "/r/pids", id="root"),
        pytest.param("pids", "/r/pids/", "/r/pids", id="root-as-it-is-saved"),
        pytest.param("pids", "/elsewhere/a", "", id="nothing-mounted-there"),
    ],
)
def test_mount_point_of_a_saved_cgroup(key, path, mount):
    """
    A state has whole paths; where the hierarchy begins tells its root from a cgroup.
    """
    found = saved_hierarchy("/r", key, path)

    assert (found.path, found.mount) == (path, mount)
    assert found.is_root == (path.rstrip("/") == mount)
