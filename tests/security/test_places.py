"""Where an image leads the runtime: links, files and odd nodes in the place of directories."""

import os
import shutil

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

SPECIAL = ["/proc", "/sys"]
OTHER = ["/sys/fs/cgroup", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue"]


def leave(rootfs, place, kind, canary):
    """Make something else of a directory of the root."""
    path = rootfs / place.strip("/")
    if path.is_dir():
        shutil.rmtree(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    elsewhere = rootfs / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    if kind == "file":
        path.touch()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "chain":
        (rootfs / "second").symlink_to("elsewhere")
        path.symlink_to("/second")
    else:
        target = {
            "absolute": "/elsewhere",
            "relative": "elsewhere" if place.count("/") == 1 else "../elsewhere",
            "dangling": "/nowhere",
            "canary": canary.path,
            "canary-up": "../" * 12 + str(canary.path).lstrip("/"),
            "loop": path.name,
            "magic": "/proc/self/root",
        }[kind]
        path.symlink_to(target)


KINDS = ["absolute", "relative", "dangling", "canary", "canary-up", "chain", "loop", "file", "fifo"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", SPECIAL)
def test_proc_and_sys_are_directories(workshop, canary, host_mounts, place, kind):
    """
    No link, file or pipe stands for /proc or /sys (CVE-2019-19921, -2023-27561, -2025-54867).
    """
    bundle = workshop.bundle(["true"])
    leave(bundle.rootfs, place, kind, canary)

    result = workshop.run(bundle)

    assert result.status == 1
    assert f"on {place}: " in result.stderr


@pytest.mark.parametrize("kind", [*KINDS, "magic"])
@pytest.mark.parametrize("place", OTHER)
def test_other_places_stay_inside(workshop, canary, host_mounts, place, kind):
    """
    Any other place may be a link, and then means what it means to the container.
    """
    bundle = workshop.bundle(["cat", "/proc/self/mountinfo"])
    if place.startswith("/dev/"):
        # Only without the tmpfs on /dev does the image's own count.
        config = bundle.config
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/dev"]
        bundle.write()
    if place != "/sys/fs/cgroup":
        leave(bundle.rootfs, place, kind, canary)
    else:
        config = bundle.config
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/sys"]
        bundle.write()
        leave(bundle.rootfs, place, kind, canary)

    result = workshop.run(bundle)

    assert result.status in (0, 1)
    assert not canary.shown_in(result.stdout)


@pytest.mark.parametrize(
    "destination",
    ["/proc", "/proc/", "/./proc", "/x/../proc", "/link", "//proc", "proc"],
)
@pytest.mark.parametrize("kind", ["bind", "tmpfs"])
def test_only_a_procfs_covers_proc(workshop, host_mounts, destination, kind):
    """
    A forged /proc would take the labels that the runtime writes (CVE-2019-16884).
    """
    forged = workshop.folder / "forged"
    (forged / "self/attr").mkdir(parents=True)
    (forged / "self/attr/exec").touch()
    (forged / "sys").mkdir()
    bundle = workshop.bundle(["true"])
    (bundle.rootfs / "link").symlink_to("/proc")
    (bundle.rootfs / "x").mkdir()
    options = ["bind"] if kind == "bind" else []
    bundle.config["mounts"].append(
        {"destination": destination, "type": kind, "source": str(forged), "options": options}
    )

    result = workshop.run(bundle.write())

    assert result.status == 1
    assert "cannot be mounted because it is" in result.stderr
    assert (forged / "self/attr/exec").read_text() == ""


@pytest.mark.parametrize("destination", ["/proc/self", "/proc/sys", "/proc/1", "/link/sys"])
def test_nothing_covers_a_part_of_proc(workshop, host_mounts, destination):
    """
    Nor may one file of /proc be put over another.
    """
    bundle = workshop.bundle(["true"])
    (bundle.rootfs / "link").symlink_to("/proc")
    bundle.config["mounts"].append(
        {"destination": destination, "type": "bind", "source": "/proc/sys", "options": ["bind"]}
    )

    result = workshop.run(bundle.write())

    assert (result.status, "inside /proc" in result.stderr) == (1, True), result


def test_the_runtime_makes_nothing_but_places(workshop):
    """
    After a container has run, its root has the places of mounts that were missing and no more.
    """
    bundle = workshop.bundle(["true"])
    shutil.rmtree(bundle.rootfs / "sys")
    before = {str(path): path.lstat().st_mtime_ns for path in bundle.rootfs.rglob("*")}

    assert workshop.run(bundle).status == 0

    after = {str(path): path.lstat().st_mtime_ns for path in bundle.rootfs.rglob("*")}
    made = {path.removeprefix(str(bundle.rootfs)) for path in set(after) - set(before)}
    assert made == {"/sys"}
    assert {path: after[path] for path in before} == before


@pytest.mark.parametrize("destination", ["/", "/.", "/x/..", "/up", "/self"])
def test_the_root_is_not_covered(workshop, host_mounts, destination):
    """
    A mount on the root itself would exchange it.
    """
    bundle = workshop.bundle(["true"])
    (bundle.rootfs / "x").mkdir()
    (bundle.rootfs / "up").symlink_to("../../../..")
    (bundle.rootfs / "self").symlink_to("/")
    bundle.config["mounts"].append({"destination": destination, "type": "tmpfs", "source": "t"})

    result = workshop.run(bundle.write())

    assert (result.status, "on the top of rootfs" in result.stderr) == (1, True), result


@pytest.mark.parametrize("user", [False, True], ids=["host", "user-namespace"])
def test_the_cgroup_tree_is_read_only_without_its_namespace(workshop, user):
    """
    A fallback keeps `ro` on every mount of the tree (CVE-2023-25809).
    """
    script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*/; do mkdir $d/x 2>&1; done; true"
    bundle = workshop.bundle(["sh", "-c", script])
    linux = bundle.config["linux"]
    linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "cgroup"]
    if user:
        linux["namespaces"].append({"type": "user"})
        lines = [{"containerID": 0, "hostID": 100000, "size": 65536}]
        linux.update(uidMappings=lines, gidMappings=lines)

    said = workshop.inside(bundle.write()).splitlines()

    assert said
    assert all("Read-only file system" in line or "File exists" in line for line in said), said
