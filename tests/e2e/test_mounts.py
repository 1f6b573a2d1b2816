"""Mounts as a container sees them, option by option, with and without a user namespace."""

import json
import os
import shutil
import stat
import subprocess

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

MAPS = {
    "uidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
    "gidMappings": [{"containerID": 0, "hostID": 100000, "size": 65536}],
}
ADMIN = ["CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]


def mount(config, destination, kind, source, *options, **fields):
    entry = {"destination": destination, "type": kind, "source": str(source)}
    config["mounts"].append(entry | {"options": list(options)} | fields)
    return config


def in_user_namespace(config, **maps):
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(MAPS | maps)
    return config


def capable(config, *names):
    sets = ("bounding", "effective", "permitted")
    config["process"]["capabilities"] = {kind: list(names) for kind in sets}
    return config


def without(config, *kinds):
    """Take namespaces away: the container shares the host's."""
    kept = [ns for ns in config["linux"]["namespaces"] if ns["type"] not in kinds]
    config["linux"]["namespaces"] = kept
    return config


def flags(mountinfo, destination):
    """Return what is said of the topmost mount at a place: mount options, file system options."""
    found = [line.split() for line in mountinfo.splitlines() if line.split()[4] == destination]
    words = found[-1]
    return set(words[5].split(",")), set(words[words.index("-") + 3].split(","))


def tags(mountinfo, destination):
    """Return the propagation of the topmost mount at a place."""
    found = [line.split() for line in mountinfo.splitlines() if line.split()[4] == destination]
    words = found[-1]
    return [word.partition(":")[0] for word in words[6 : words.index("-")]]


SHOW = "cat /proc/self/mountinfo"


@pytest.fixture
def volume(workshop):
    """A tmpfs on the host, with another one in it; gone at the end."""
    made = []

    def make(options="", inner=None):
        place = workshop.folder / f"volume-{len(made)}"
        place.mkdir()
        made.append(place)
        extra = ["-o", options] if options else []
        subprocess.run(["mount", "-t", "tmpfs", *extra, "tmpfs", place], check=True)
        if inner is not None:
            (place / "inner").mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place / "inner"], check=True)
            if inner:
                subprocess.run(
                    ["mount", "-o", f"remount,bind,{inner}", place / "inner"], check=True
                )
        return place

    yield make
    for place in made:
        subprocess.run(["umount", "-R", "-l", place], check=True)


# Options of binds


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ("nosuid,nodev,noexec", [], "rw,nosuid,nodev,noexec,relatime"),
        ("nosuid,nodev,noexec", ["ro"], "ro,relatime"),
        ("nosuid,nodev,noexec", ["ro", "nosuid"], "ro,nosuid,relatime"),
        ("nosuid,nodev", ["exec"], "rw,relatime"),
        ("", ["ro", "rw"], "rw,relatime"),
        ("", ["rw", "ro"], "ro,relatime"),
        ("", ["nosuid", "nodev", "noexec"], "rw,nosuid,nodev,noexec,relatime"),
        ("", ["nosuid", "suid"], "rw,relatime"),
        ("", ["noatime"], "rw,noatime"),
        ("", ["strictatime"], "rw"),
        ("", ["nodiratime"], "rw,nodiratime,relatime"),
        ("noatime", ["ro"], "ro,noatime"),
        ("noatime", ["relatime"], "rw,relatime"),
        ("", ["noatime", "strictatime"], "rw"),
        ("", ["nosymfollow"], "rw,nosymfollow,relatime"),
        ("", ["sync", "lazytime", "silent", "iversion", "mand"], "rw,relatime"),
        ("", ["defaults"], "rw,relatime"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else value or "none",
)
def test_options_of_a_bind(workshop, volume, source, options, expected):
    """
    Without options a bind is what its source is; with any, it is what they say.
    """
    config = workshop.config("sh", "-c", SHOW)
    mount(config, "/mnt", "none", volume(source), "bind", *options)

    assert flags(workshop.inside(config), "/mnt")[0] == set(expected.split(","))


@pytest.mark.parametrize(
    ("options", "outer", "inner"),
    [
        (["rbind", "ro"], "ro,relatime", "rw,nosuid,relatime"),
        (["rbind", "rro"], "ro,relatime", "ro,nosuid,relatime"),
        (["rbind", "rro", "rsuid"], "ro,relatime", "ro,relatime"),
        (["rbind", "rnoatime"], "rw,noatime", "rw,nosuid,noatime"),
        (["rbind", "ro", "rrw", "rnodev"], "rw,nodev,relatime", "rw,nosuid,nodev,relatime"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else value,
)
def test_recursive_options(workshop, volume, options, outer, inner):
    """
    The forms with r are for the whole tree, the others for its top.
    """
    config = workshop.config("sh", "-c", SHOW)
    mount(config, "/mnt", "none", volume(inner="nosuid"), *options)

    seen = workshop.inside(config)

    assert flags(seen, "/mnt")[0] == set(outer.split(","))
    assert flags(seen, "/mnt/inner")[0] == set(inner.split(","))


def test_bind_without_r_has_no_submounts(workshop, volume):
    """
    `bind` takes one mount, `rbind` the tree.
    """
    config = workshop.config("sh", "-c", SHOW)
    mount(config, "/mnt", "none", volume(inner=""), "bind")

    assert "/mnt/inner" not in workshop.inside(config)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["rprivate"], []),
        (["rslave"], ["master"]),
        (["rshared"], ["shared"]),
        (["shared"], ["shared"]),
        (["private"], []),
        (["unbindable"], ["unbindable"]),
    ],
    ids=lambda value: "-".join(value) or "none",
)
def test_propagation_of_a_mount(workshop, volume, options, expected):
    """
    Each mount has its own propagation; the rest of the container keeps the root's.
    """
    place = volume()
    subprocess.run(["mount", "--make-shared", place], check=True)
    config = workshop.config("sh", "-c", SHOW)
    config["linux"]["rootfsPropagation"] = "rslave"
    mount(config, "/mnt", "none", place, "bind", *options)

    found = tags(workshop.inside(config), "/mnt")

    # A slave that is shared again is both.
    assert [tag for tag in found if tag in expected or tag != "master"] == expected


# Options of file systems


@pytest.mark.parametrize(
    ("options", "own", "system"),
    [
        (["size=4k", "nosuid"], "rw,nosuid,relatime", "rw,size=4k"),
        (["sync"], "rw,relatime", "rw,sync"),
        (["sync", "async"], "rw,relatime", "rw"),
        (["dirsync", "lazytime"], "rw,relatime", "rw,dirsync,lazytime"),
        (["ro", "mode=700"], "ro,relatime", "rw,mode=700"),
        (["rro", "rnodev"], "ro,nodev,relatime", "rw"),
        (["noexec", "rexec"], "rw,relatime", "rw"),
        (["defaults", "noatime"], "rw,noatime", "rw"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_options_of_a_tmpfs(workshop, options, own, system):
    """
    What is of the mount goes to the mount, what is of the file system to the file system, and
    neither has more.
    """
    config = mount(workshop.config("sh", "-c", SHOW), "/mnt", "tmpfs", "tmpfs", *options)

    found = flags(workshop.inside(config), "/mnt")

    assert found[0] == set(own.split(","))
    # Kernels tell what they were built with, too.
    assert found[1] - {"inode64", "seclabel"} == set(system.split(","))


def test_the_mode_of_a_tmpfs(workshop):
    """
    It is that of the directory it covers; what was not there is for everybody, as a new tmpfs is.
    """
    config = workshop.config("stat", "-c", "%a", "/old", "/new", "/own")
    for place, *options in (("/old",), ("/new",), ("/own", "mode=711")):
        mount(config, place, "tmpfs", "tmpfs", *options)
    bundle = workshop.bundle(config)
    (bundle.rootfs / "old").mkdir(mode=0o750)
    (bundle.rootfs / "own").mkdir(mode=0o750)

    assert workshop.inside(bundle) == "750\n1777\n711\n"


def test_an_unknown_option_is_told_in_the_kernels_words(workshop):
    """
    The file system is the judge of its options, and its own words are the best diagnosis.
    """
    config = mount(workshop.config("true"), "/mnt", "tmpfs", "tmpfs", "sixe=4k")

    result = workshop.run(config)

    assert result.status == 1
    assert "mount tmpfs on /mnt" in result.stderr
    assert "Unknown parameter 'sixe'" in result.stderr


def test_an_unknown_file_system(workshop):
    """
    A file system that this kernel does not have is named.
    """
    result = workshop.run(mount(workshop.config("true"), "/mnt", "nofs", "nofs"))

    assert (result.status, "mount nofs on /mnt: fsopen: no such device" in result.stderr) == (
        1,
        True,
    )


def test_an_unknown_option_of_a_bind_is_not_passed_on(workshop, volume):
    """
    A bind has no file system of its own, so the option could reach nothing.
    """
    config = mount(workshop.config("sh", "-c", SHOW), "/mnt", "none", volume(), "bind", "size=4k")

    result = workshop.run(config)

    assert result.status == 0, result
    assert "size=4k" not in flags(result.stdout, "/mnt")[1]


def test_options_longer_than_the_new_calls_take(workshop):
    """
    An overlay of many layers, as engines make it, whose option has more than 255 bytes.
    """
    layers = [workshop.folder / f"{'layer' * 12}-{n}" for n in range(8)]
    for n, layer in enumerate(layers):
        layer.mkdir()
        (layer / f"file-{n}").write_text(str(n))
    config = workshop.config("sh", "-c", f"ls /mnt; {SHOW}")
    option = "lowerdir=" + ":".join(map(str, layers))
    assert len(option) > 255
    mount(config, "/mnt", "overlay", "overlay", option, "nosuid", "noatime")

    seen = workshop.inside(config)

    assert [f"file-{n}" in seen for n in range(8)] == [True] * 8
    assert {"nosuid", "noatime"} <= flags(
        seen[seen.index("\n" * 1) :].split("file-7\n")[1], "/mnt"
    )[0]
    assert seen.count(" /mnt ") == 1  # nothing is left of how it was made


def test_a_disk_that_is_mounted_read_only_is_not_written(workshop):
    """
    `ro` is for the file system too when its source is a device: no journal is replayed.
    """
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("needs mkfs.ext4")
    image = workshop.folder / "disk"
    with open(image, "wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    done = subprocess.run(["losetup", "-f", "--show", image], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs a loop device: {done.stderr.strip()}")
    device = done.stdout.strip()
    try:
        config = mount(workshop.config("sh", "-c", SHOW), "/mnt", "ext4", device, "ro", "nosuid")
        found = flags(workshop.inside(config), "/mnt")
    finally:
        subprocess.run(["losetup", "-d", device], check=True)

    assert {"ro", "nosuid"} <= found[0]
    assert "ro" in found[1]


# remount


@pytest.mark.parametrize(
    ("first", "again", "own", "system"),
    [
        (["nosuid"], ["remount", "bind", "ro", "noexec"], {"ro", "noexec"}, {"rw"}),
        (["size=4k"], ["remount", "size=8k"], {"rw"}, {"size=8k"}),
        (["nosuid"], ["remount", "ro"], {"ro"}, {"ro"}),
        (["nosuid"], ["remount", "size=8k"], {"nosuid"}, {"size=8k"}),
        (["sync"], ["remount", "async"], {"rw"}, {"rw"}),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else None,
)
def test_remount(workshop, first, again, own, system):
    """
    `remount` changes what is mounted there: the mount and, unless it says `bind`, what it shows.
    """
    config = mount(workshop.config("sh", "-c", SHOW), "/mnt", "tmpfs", "tmpfs", *first)
    mount(config, "/mnt", "tmpfs", "tmpfs", *again)

    seen = workshop.inside(config)
    found = flags(seen, "/mnt")

    assert seen.count(" /mnt ") == 1
    assert own <= found[0]
    assert system <= found[1]
    assert "sync" not in found[1]


def test_dev_is_filled_before_it_is_remounted_read_only(workshop):
    """
    A /dev that turns read-only has its devices all the same.
    """
    config = workshop.config("sh", "-c", f"ls /dev; {SHOW}")
    mount(config, "/dev", "tmpfs", "tmpfs", "remount", "ro", "nosuid")

    seen = workshop.inside(config)

    assert "urandom" in seen
    assert {"ro", "nosuid"} <= flags(seen[seen.index("zero\n") + 5 :], "/dev")[0]


# Links


def test_copy_symlink(workshop):
    """
    With `copy-symlink` a source that is a link is made again; any other source is mounted.
    """
    (workshop.folder / "link").symlink_to("/etc/passwd")
    (workshop.folder / "file").write_text("text")
    config = workshop.config("sh", "-c", "readlink /new/link; cat /new/file")
    mount(config, "/new/link", "none", workshop.folder / "link", "bind", "copy-symlink")
    mount(config, "/new/file", "none", workshop.folder / "file", "bind", "copy-symlink")

    assert workshop.inside(config) == "/etc/passwd\ntext"


def test_neither_end_is_followed(workshop):
    """
    `src-nofollow` binds a link itself, `dest-nofollow` covers one.
    """
    (workshop.folder / "link").symlink_to("/etc/passwd")
    config = workshop.config("sh", "-c", "readlink /tmp/link; cat /etc/group")
    mount(config, "/tmp/link", "none", workshop.folder / "link", "bind", "src-nofollow",
          "dest-nofollow")  # fmt: skip
    bundle = workshop.bundle(config)
    (bundle.rootfs / "tmp/link").symlink_to("/etc/group")

    assert workshop.inside(bundle).startswith("/etc/passwd\nroot:x:0:")


@pytest.mark.parametrize("link", ["/real", "real", "../../../real", "/a/../real", "other"], ids=str)
def test_a_link_as_destination_stays_inside(workshop, volume, link):
    """
    Links of the image are followed inside the root, dangling ones made.
    """
    place = volume()
    (place / "found").touch()
    config = mount(workshop.config("sh", "-c", "ls /real"), "/link", "none", place, "bind")
    bundle = workshop.bundle(config)
    (bundle.rootfs / "link").symlink_to(link)
    (bundle.rootfs / "other").symlink_to("/real")
    (bundle.rootfs / "a").mkdir()

    assert workshop.inside(bundle) == "found\n"
    assert not os.path.exists("/real")


# Places


def test_missing_places_are_made(workshop, volume):
    """
    A directory for a directory, an empty file for all else, with the directories above.
    """
    (workshop.folder / "file").write_text("text")
    config = workshop.config("sh", "-c", "cat /a/b/file; stat -c %a /a /a/b; ls -d /c/d")
    mount(config, "/a/b/file", "none", workshop.folder / "file", "bind")
    mount(config, "c/d", "none", volume(), "bind")

    assert workshop.inside(config) == "text755\n755\n/c/d\n"


def test_the_order_is_the_documents(workshop, volume):
    """
    A later mount covers an earlier one, and is made in what that has mounted.
    """
    first, second = volume(), volume()
    (first / "only-first").touch()
    (second / "only-second").touch()
    config = workshop.config("sh", "-c", "ls /mnt; ls /mnt/deep")
    mount(config, "/mnt", "none", first, "bind")
    mount(config, "/mnt", "none", second, "bind")
    mount(config, "/mnt/deep", "none", first, "bind")

    assert workshop.inside(config) == "deep\nonly-second\nonly-first\n"
    assert (second / "deep").is_dir()


def test_a_missing_source_is_named(workshop):
    """
    The error names both ends, the call and the kernel's reason.
    """
    config = mount(workshop.config("true"), "/mnt", "none", "/none/such", "bind", "ro")

    result = workshop.run(config)

    said = "bind /none/such onto /mnt (ro): open_tree: no such file or directory"
    assert (result.status, said in result.stderr) == (1, True), result


def test_a_directory_is_not_bound_onto_a_file(workshop, volume):
    """
    The place must be of the same kind.
    """
    result = workshop.run(mount(workshop.config("true"), "/etc/passwd", "none", volume(), "bind"))

    assert result.status == 1
    assert "onto /etc/passwd" in result.stderr
    assert "not a directory" in result.stderr


@pytest.mark.parametrize("destination", ["/proc/sys", "/proc/self", "/x/self", "/proc/1/root"])
def test_nothing_is_mounted_in_proc(workshop, volume, destination):
    """
    A mount below /proc would undo masks, whatever way leads there.
    """
    config = mount(workshop.config("true"), destination, "none", volume(), "bind")
    bundle = workshop.bundle(config)
    (bundle.rootfs / "x").symlink_to("/proc")

    result = workshop.run(bundle)

    assert result.status == 1
    assert "cannot be mounted because it is inside /proc" in result.stderr


@pytest.mark.parametrize("kind", ["tmpfs", "bind"])
def test_proc_is_not_covered_through_a_link(workshop, volume, kind):
    """
    A link to /proc is /proc.
    """
    extra = ["bind"] if kind == "bind" else []
    config = mount(workshop.config("true"), "/x", kind, volume(), *extra)
    bundle = workshop.bundle(config)
    (bundle.rootfs / "x").symlink_to("proc")

    result = workshop.run(bundle)

    assert (result.status, "because it is not of type proc" in result.stderr) == (1, True), result


def test_files_of_lxcfs_are_bound_into_proc(workshop):
    """
    Some files of /proc may be replaced: the container's own measure of CPU and memory.
    """
    (workshop.folder / "uptime").write_text("1 2\n")
    config = workshop.config("cat", "/proc/uptime")
    mount(config, "/proc/uptime", "none", workshop.folder / "uptime", "bind")

    assert workshop.inside(config) == "1 2\n"


def test_a_procfs_may_be_bound_onto_proc(workshop):
    """
    An engine without a pid namespace binds the host's.
    """
    config = workshop.config("sh", "-c", f"test -d /proc/{os.getpid()} && echo same")
    without(config, "pid")
    config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/proc"]
    mount(config, "/proc", "none", "/proc", "rbind")
    config["mounts"].insert(0, config["mounts"].pop())

    assert workshop.inside(config) == "same\n"


# Roots


def test_a_root_on_an_overlay(workshop, busybox):
    """
    The root may be any file system, as engines make it.
    """
    bundle = workshop.bundle(["sh", "-c", f"touch /made; {SHOW}"])
    bundle.config["root"]["readonly"] = False
    lower, upper, work = [workshop.folder / name for name in ("lower", "upper", "work")]
    bundle.rootfs.rename(lower)
    for folder in (bundle.rootfs, upper, work):
        folder.mkdir()
    option = f"lowerdir={lower},upperdir={upper},workdir={work}"
    subprocess.run(["mount", "-t", "overlay", "-o", option, "none", bundle.rootfs], check=True)
    try:
        seen = workshop.inside(bundle.write())
    finally:
        subprocess.run(["umount", bundle.rootfs], check=True)

    assert " / / rw" in seen
    assert (upper / "made").exists()


@pytest.mark.parametrize("propagation", ["shared", "rslave", "private"])
def test_a_root_on_a_shared_mount(workshop, volume, propagation):
    """
    What the container mounts does not reach a shared mount of the host.
    """
    place = volume("size=16m")
    subprocess.run(["mount", "--make-shared", place], check=True)
    bundle = workshop.bundle(["sh", "-c", SHOW])
    shutil.copytree(bundle.rootfs, place / "rootfs", symlinks=True)
    bundle.config["root"]["path"] = str(place / "rootfs")
    bundle.config["linux"]["rootfsPropagation"] = propagation
    before = workshop.mounts()

    workshop.inside(bundle.write())

    assert workshop.mounts() == before


def test_the_hosts_root_as_root(workshop):
    """
    `/` may be the root: a container with the host's files and namespaces of its own.
    """
    config = workshop.config("sh", "-c", "echo $$; ls /proc | grep -c '^[0-9]'")
    config["root"] = {"path": "/", "readonly": True}
    result = workshop.run(config)

    assert (result.status, result.stdout.split()[0]) == (0, "1"), result


@pytest.mark.parametrize(
    ("propagation", "expected"),
    [
        ("shared", ["shared"]),
        ("rshared", ["shared"]),
        ("slave", ["master"]),
        ("rslave", ["master"]),
        ("private", []),
        ("rprivate", []),
        ("unbindable", ["unbindable"]),
        ("runbindable", ["unbindable"]),
    ],
)
def test_propagation_of_the_root(workshop, volume, propagation, expected):
    """
    The root and what is in it have the propagation that the document asks for.
    """
    place = volume("size=16m")
    subprocess.run(["mount", "--make-shared", place], check=True)
    bundle = workshop.bundle(["sh", "-c", SHOW])
    shutil.copytree(bundle.rootfs, place / "rootfs", symlinks=True)
    bundle.config["root"]["path"] = str(place / "rootfs")
    bundle.config["linux"]["rootfsPropagation"] = propagation
    mount(bundle.config, "/mnt", "none", place, "bind")

    seen = workshop.inside(bundle.write())

    assert tags(seen, "/") == expected
    # Of what is mounted in it, only the r forms say anything; a bind is a peer of its source.
    assert set(tags(seen, "/mnt")) <= {"shared", "master", *expected}


def test_host_mounts_arrive_with_slave(workshop, volume, delete_after):
    """
    With the default propagation what the host mounts later in a bound directory is seen inside.
    """
    place = volume()
    subprocess.run(["mount", "--make-shared", place], check=True)
    (place / "late").mkdir()
    script = "until test -e /mnt/late/here; do sleep 0.02; done; echo seen"
    config = mount(workshop.config("sh", "-c", script), "/mnt", "none", place, "rbind")
    container = workshop.create(config)
    delete_after(container)
    container.start()
    subprocess.run(["mount", "-t", "tmpfs", "none", place / "late"], check=True)
    (place / "late/here").touch()

    assert container.wait() == 0
    assert container.stdout == "seen\n"


# Without a pivot


def test_without_a_pivot(workshop):
    """
    The root is moved over the host's where the kernel allows no pivot.
    """
    seen = workshop.inside(workshop.config("sh", "-c", f"ls -d /bin; {SHOW}"), "--no-pivot")

    assert "ro" in flags(seen.partition("\n")[2], "/")[0]


@pytest.mark.parametrize("option", [[], ["--no-pivot"]], ids=["pivot", "no-pivot"])
def test_a_user_namespace_inside_mounts_no_bare_proc(workshop, option):
    """
    A process without rights could else mount one without masks, in a user namespace of its own:
    the kernel allows it while any whole proc is mounted, also one that lies below.
    """
    made = "busybox unshare -Urmpf busybox mount -t proc none /tmp"
    config = workshop.config("sh", "-c", f"{made}; busybox unshare -Urm true && echo made")
    config["process"]["user"] = {"uid": 1000, "gid": 1000}

    result = workshop.run(config, *option)

    if result.stdout != "made\n":
        pytest.skip(f"needs user namespaces for everybody: {result.stderr}")
    assert "mount: permission denied" in result.stderr


def test_without_a_mount_namespace(workshop):
    """
    Then the root is only changed, and nothing is mounted.
    """
    config = without(workshop.config("sh", "-c", "ls -d /bin /mnt"), "mount")
    config["mounts"] = []
    config["root"]["readonly"] = False
    for name in ("maskedPaths", "readonlyPaths"):
        del config["linux"][name]
    before = workshop.mounts()

    result = workshop.run(config)

    assert (result.stdout, workshop.mounts()) == ("/bin\n", before)


@pytest.mark.parametrize("what", ["mounts", "readonly", "maskedPaths"])
def test_what_needs_a_mount_namespace(workshop, volume, what):
    """
    Without one it would change the host's own mounts, so it is refused.
    """
    place = volume("size=16m")
    bundle = workshop.bundle(without(workshop.config("true"), "mount"))
    shutil.copytree(bundle.rootfs, place / "rootfs", symlinks=True)
    config = bundle.config
    kept = {
        "mounts": config["mounts"],
        "readonly": True,
        "maskedPaths": config["linux"]["maskedPaths"],
    }[what]
    config["mounts"] = kept if what == "mounts" else []
    config["root"] = {"path": str(place / "rootfs"), "readonly": what == "readonly"}
    config["linux"]["maskedPaths"] = kept if what == "maskedPaths" else []
    config["linux"]["readonlyPaths"] = []
    before = workshop.mounts()

    result = workshop.run(bundle.write())

    assert result.status == 1
    assert "without a private MNT namespace" in result.stderr
    assert workshop.mounts() == before


# User namespaces


def test_a_source_that_container_root_may_not_reach(workshop, volume):
    """
    It is opened with the host's rights, but in the container's namespace: what the host has made
    read-only cannot be made writable inside.
    """
    place = volume()
    (place / "closed").mkdir(mode=0o700)
    (place / "closed/file").write_text("text\n")
    (place / "closed").chmod(0o755)
    place.chmod(0o700)
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
    script = f"cat /mnt/file; mount -o remount,bind,rw /mnt; touch /mnt/new; {SHOW}"
    config = in_user_namespace(workshop.config("sh", "-c", script))
    capable(config, *ADMIN)
    mount(config, "/mnt", "none", place / "closed", "bind", "nodev")
    bundle = workshop.bundle(config)
    (bundle.rootfs / "mnt").mkdir()

    result = workshop.run(bundle)

    assert result.stdout.startswith("text\n"), result
    assert "Read-only file system" in result.stderr
    assert {"ro", "nodev"} <= flags(result.stdout.partition("\n")[2], "/mnt")[0]


@pytest.mark.parametrize("what", ["closed", "idmap"])
def test_sources_of_a_user_namespace_that_is_joined(workshop, what):
    """
    They come the same way, and the ids of a mount can be those of the namespace.
    """
    closed = workshop.folder / "closed"
    (closed / "in").mkdir(parents=True)
    (closed / "in/file").write_text("text")
    closed.chmod(0o700)
    with subprocess.Popen(["unshare", "-U", "sleep", "60"]) as neighbour:
        try:
            own = os.readlink("/proc/self/ns/user")
            workshop.until(lambda: os.readlink(f"/proc/{neighbour.pid}/ns/user") != own)
            for kind in ("uid", "gid"):
                with open(f"/proc/{neighbour.pid}/{kind}_map", "w") as file:
                    file.write("0 100000 65536")
            config = workshop.config("sh", "-c", "cat /tmp/file; stat -c %u /tmp/file")
            path = f"/proc/{neighbour.pid}/ns/user"
            config["linux"]["namespaces"].append({"type": "user", "path": path})
            options = ["bind", "idmap"] if what == "idmap" else ["bind"]
            mount(config, "/tmp", "none", closed / "in", *options)
            said = workshop.inside(config)
        finally:
            neighbour.kill()

    assert said == ("text0\n" if what == "idmap" else "text65534\n")


def test_a_missing_source_behind_a_closed_door(workshop):
    """
    What main could not open either is told by the step that wanted it.
    """
    closed = workshop.folder / "closed"
    closed.mkdir(mode=0o700)
    config = in_user_namespace(workshop.config("true"))
    mount(config, "/tmp", "none", closed / "none", "bind")

    result = workshop.run(config)

    said = f"bind {closed}/none onto /tmp: open_tree: no such file or directory"
    assert (result.status, said in result.stderr) == (1, True), result


@pytest.mark.parametrize(
    ("options", "expected"),
    [([], "ro,nosuid"), (["nodev"], "ro,nosuid,nodev"), (["noatime"], "ro,nosuid,noatime")],
    ids=["none", "nodev", "noatime"],
)
def test_locked_flags_stay(workshop, volume, options, expected):
    """
    What the host has set on a source stays in a user namespace, unless the document clears it.
    """
    config = in_user_namespace(workshop.config("sh", "-c", SHOW))
    mount(config, "/tmp", "none", volume("ro,nosuid"), "bind", *options)
    if "noatime" in options:
        # Access times are locked, too.
        result = workshop.run(config)
        assert (result.status, "cannot change locked atime flags" in result.stderr) == (1, True)
        return

    found = flags(workshop.inside(config), "/tmp")[0]

    assert set(expected.split(",")) <= found


def test_a_locked_flag_cannot_be_cleared(workshop, volume):
    """
    A document that wants what the host forbids is told so.
    """
    config = in_user_namespace(workshop.config("true"))
    mount(config, "/tmp", "none", volume("ro,nodev"), "bind", "rw")

    result = workshop.run(config)

    assert (result.status, "cannot clear locked flags ro" in result.stderr) == (1, True), result


def test_the_hosts_sys_stands_in_for_a_new_one(workshop):
    """
    A user namespace in the host's network may mount no sysfs; it gets the host's, read-only.
    """
    config = without(in_user_namespace(workshop.config("sh", "-c", SHOW)), "network")
    config["mounts"] = [m for m in config["mounts"] if m["type"] != "cgroup"]

    seen = workshop.inside(config)

    places = [line.split() for line in seen.splitlines() if line.split()[4].startswith("/sys")]
    assert len(places) > 2
    assert all("ro" in words[5].split(",") for words in places)


def test_no_writable_sys_stands_in(workshop):
    """
    The host's /sys is nothing to write to.
    """
    config = without(in_user_namespace(workshop.config("true")), "network")
    for entry in config["mounts"]:
        if entry["type"] == "sysfs":
            entry["options"].remove("ro")

    result = workshop.run(config)

    assert result.status == 1
    assert "mount sysfs on /sys: fsopen: operation not permitted" in result.stderr


def test_terminals_without_their_group(workshop):
    """
    Where the user namespace has no group 5, the terminals belong to the container's own.
    """
    one = [{"containerID": 0, "hostID": 0, "size": 1}]
    config = in_user_namespace(workshop.config("sh", "-c", SHOW), uidMappings=one, gidMappings=one)

    result = workshop.run(config)

    assert result.status == 0, result
    assert not any(word.startswith("gid=") for word in flags(result.stdout, "/dev/pts")[1])


def test_an_id_that_is_not_mapped_is_refused(workshop):
    """
    Any other file system is refused with the kernel's words.
    """
    config = in_user_namespace(workshop.config("true"))
    mount(config, "/tmp", "tmpfs", "tmpfs", "uid=70000")

    result = workshop.run(config)

    assert result.status == 1
    assert "mount tmpfs on /tmp" in result.stderr


def test_a_masked_proc_cannot_be_mounted_anew(workshop):
    """
    Where every visible /proc has masks, a new one is refused, and the error says why.
    """
    script = (
        "mount --bind /dev/null /proc/timer_list && "
        f"exec {' '.join(map(str, workshop.argv('run', '-b', '{}', workshop.id())))}"
    )
    bundle = workshop.bundle(["true"])
    for kind in ("cgroup",):
        bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["type"] != kind]
    in_user_namespace(bundle.config)
    bundle.write()

    result, _ = workshop.command(
        ["unshare", "-m", "sh", "-c", script.replace("{}", str(bundle.path))]
    )

    assert result.status == 1
    assert "mount proc on /proc: fsmount: operation not permitted" in result.stderr
    assert "hidden" in result.stderr


def test_nested_with_one_id(workshop):
    """
    Inside a user namespace that has one id and forbids setgroups, as any user can make.
    """
    one = [{"containerID": 0, "hostID": 0, "size": 1}]
    config = in_user_namespace(
        workshop.config("sh", "-c", "id -u; echo x >/dev/null; ls /sys/class/net"),
        uidMappings=one, gidMappings=one,
    )  # fmt: skip
    bundle = workshop.bundle(config)
    argv = ["unshare", "-Ur", *workshop.argv("run", "-b", bundle.path, workshop.id())]

    result, _ = workshop.command(argv)

    assert (result.status, result.stdout) == (0, "0\nlo\n"), result


# Mapped ids


def maps(host):
    lines = [{"containerID": 0, "hostID": host, "size": 10}]
    return {"uidMappings": lines, "gidMappings": lines}


@pytest.mark.parametrize(
    ("options", "fields", "user", "expected"),
    [
        (["idmap"], maps(5000), False, "5000 5001"),
        (["ridmap"], maps(5000), False, "5000 5001"),
        ([], maps(5000), False, "5000 5001"),
        (["idmap"], {}, True, "0 1"),
        (["idmap"], maps(100007), True, "7 8"),
        (["idmap=uids=0-100003-4;gids=1-100009-1"], {}, True, "3 9"),
        (["idmap=uids=@0-3-4;gids=@1-9-1"], {}, True, "3 9"),
        (["idmap=uids=5-5-1#0-33-1;gids=1-44-1"], {}, False, "33 44"),
    ],
    ids=["fields", "recursive", "no-option", "container", "fields-user", "inline-user", "relative",
         "two-ranges"],
)  # fmt: skip
def test_mapped_ids(workshop, volume, options, fields, user, expected):
    """
    A mount can show other ids than its files have.
    """
    source = workshop.folder / "owned"
    source.mkdir()
    os.chown(source, 0, 1)
    config = workshop.config("stat", "-c", "%u %g", "/mnt")
    if user:
        in_user_namespace(config)
    mount(config, "/mnt", "none", source, "bind", *options, **fields)
    bundle = workshop.bundle(config)
    (bundle.rootfs / "mnt").mkdir()

    assert workshop.inside(bundle) == expected + "\n"


def test_ridmap_maps_submounts(workshop, volume):
    """
    `idmap` is for the top mount of a tree, `ridmap` for all of it.
    """
    place = volume(inner="")
    answers = []
    for option in ("idmap", "ridmap"):
        config = workshop.config("stat", "-c", "%u", "/mnt", "/mnt/inner")
        mount(config, "/mnt", "none", place, "rbind", option, **maps(5000))
        result = workshop.run(config)
        if "cannot map the ids" in result.stderr:
            pytest.skip(f"needs id-mapped tmpfs, Linux 6.3: this is {os.uname().release}")
        answers.append(result.stdout.split())

    assert answers == [["5000", "0"], ["5000", "5000"]]


def test_what_cannot_be_mapped_is_named(workshop):
    """
    Not every file system can show other ids; the error says which mount asked for it.
    """
    config = mount(workshop.config("true"), "/mnt", "none", "/proc/sys/kernel/hostname", "bind",
                   "idmap", **maps(5000))  # fmt: skip

    result = workshop.run(config)

    assert result.status == 1
    assert "onto /mnt: mount_setattr: invalid argument (this kernel cannot map" in result.stderr


@pytest.mark.parametrize(
    "option",
    ["idmap=uids=0-1-1", "idmap=uids=0-1;gids=0-1-1", "idmap=uids=@0-90000-1;gids=0-1-1",
     "idmap=uids=0-1-0;gids=0-1-1", "idmap=uids=0-4294967295-2;gids=0-1-1"],
)  # fmt: skip
def test_a_mapping_that_cannot_be_read(workshop, option):
    """
    A mapping in an option is checked before anything is made.
    """
    config = in_user_namespace(workshop.config("true"))
    mount(config, "/tmp", "none", "/tmp", "bind", option)

    result = workshop.run(config)

    assert (result.status, f"mount /tmp: {option}: " in result.stderr) == (1, True), result


# Devices


def test_a_bound_dev_is_left_alone(workshop, volume):
    """
    No node and no link is made in a /dev that somebody else has filled.
    """
    place = volume()
    (place / "mine").touch()
    config = workshop.config("ls", "/dev")
    config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
    mount(config, "/dev", "none", place, "bind")

    assert workshop.inside(config) == "mine\n"


def test_a_read_only_dev(workshop):
    """
    A read-only /dev is filled first.
    """
    config = workshop.config("sh", "-c", "echo x >/dev/null && ls /dev; touch /dev/new")
    for entry in config["mounts"]:
        if entry["destination"] == "/dev":
            entry["options"].append("ro")

    result = workshop.run(config)

    assert "urandom" in result.stdout
    assert "Read-only file system" in result.stderr


@pytest.mark.parametrize("dev", ["tmpfs", "read-only", "image", "bound", "bound-with-console"])
def test_the_terminal_on_dev_console(workshop, volume, console, dev):
    """
    It is bound on /dev/console, also where /dev or the root is read-only; but nothing is made in
    a /dev that somebody else has filled.
    """
    config = workshop.config("sh", "-c", "stat -c %F /dev/console; tty")
    config["process"]["terminal"] = True
    for entry in config["mounts"]:
        if entry["destination"] == "/dev" and dev == "read-only":
            entry["options"].append("ro")
    if dev not in ("tmpfs", "read-only"):
        config["mounts"] = [m for m in config["mounts"] if m["destination"] != "/dev"]
        config["mounts"] = [m for m in config["mounts"] if m["destination"][:8] != "/dev/shm"]
        config["mounts"] = [m for m in config["mounts"] if m["type"] != "mqueue"]
    if dev.startswith("bound"):
        place = volume()
        (place / "pts").mkdir()
        if dev == "bound-with-console":
            (place / "console").touch()
        mount(config, "/dev", "none", place, "bind")
        config["mounts"].insert(0, config["mounts"].pop())
    bundle = workshop.bundle(config)
    if dev == "image":
        (bundle.rootfs / "dev/pts").mkdir()
    container = workshop.create(bundle, "--console-socket", console.path)
    console.master()
    container.start()
    said = console.read_to_end().split("\r\n")

    container.wait()
    assert container.delete().status == 0
    if dev == "bound":
        assert "No such file or directory" in said[0]
    else:
        assert said[0] == "character special file"
    assert said[1] == "/dev/pts/0"


def device(path, kind, major=None, minor=None, **fields):
    numbers = {} if major is None else {"major": major, "minor": minor}
    return {"path": path, "type": kind} | numbers | fields


@pytest.mark.parametrize("user", [False, True], ids=["host", "user-namespace"])
def test_devices_of_every_kind(workshop, user):
    """
    `u` is `c`, `p` is a pipe; directories above are made, mode and owner are the document's.
    """
    config = workshop.config("sh", "-c", "stat -c '%F %a %u %g' /dev/sub/p /dev/zero; ls /dev/ptmx")
    config["linux"]["devices"] = [
        device("/dev/sub/p", "p", fileMode=0o640, uid=7, gid=8),
        device("/dev/zero", "u", 1, 5),
        device("/dev/ptmx", "c", 1, 3),
    ]
    if user:
        in_user_namespace(config)

    owner = "65534 65534" if user else "0 0"
    said = f"fifo 640 7 8\ncharacter special file 666 {owner}\n/dev/ptmx\n"
    assert workshop.inside(config) == said


def test_devices_that_the_host_has_not(workshop):
    """
    In a user namespace a node with a name, mode or owner of its own is made by the runtime.
    """
    config = workshop.config("sh", "-c", "stat -c '%F %t:%T %a %u %g' /dev/own /dev/zero; "
                             "echo x >/dev/own; head -c 3 /dev/zero | wc -c")  # fmt: skip
    config["linux"]["devices"] = [
        device("/dev/own", "c", 1, 3, fileMode=0o600, uid=0, gid=9),
        device("/dev/zero", "c", 1, 5, fileMode=0o444),
    ]

    said = workshop.inside(in_user_namespace(config)).splitlines()

    assert said == [
        "character special file 1:3 600 0 9", "character special file 1:5 444 0 0", "3",
    ]  # fmt: skip


def test_nodes_that_are_there(workshop):
    """
    A node of the image is kept if it is the right one; any other stops the container.
    """
    config = workshop.config("stat", "-c", "%t:%T %a", "/dev/null")
    config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
    bundle = workshop.bundle(config)
    os.mknod(bundle.rootfs / "dev/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.chmod(bundle.rootfs / "dev/null", 0o600)

    assert workshop.inside(bundle) == "1:3 600\n"

    bundle = workshop.bundle(config)
    os.mknod(bundle.rootfs / "dev/null", stat.S_IFCHR | 0o600, os.makedev(1, 5))
    result = workshop.run(bundle)

    assert result.status == 1
    assert "another file is there" in result.stderr


def test_a_device_whose_directory_is_a_link(workshop):
    """
    It is made where the link leads inside the root.
    """
    config = workshop.config("stat", "-c", "%F", "/real/null")
    config["linux"]["devices"] = [device("/link/null", "c", 1, 3)]
    bundle = workshop.bundle(config)
    (bundle.rootfs / "link").symlink_to("../../../real")
    (bundle.rootfs / "real").mkdir()

    assert workshop.inside(bundle) == "character special file\n"


# Masks


def test_masks_through_links(workshop):
    """
    What a link of the image leads to is masked; a path that is not there needs no mask.
    """
    config = workshop.config("sh", "-c", "cat /etc/secret; ls /etc/folder; cat /etc/none")
    config["linux"]["maskedPaths"] = ["/link", "/etc/folder", "/etc/folder", "/none", "/etc/link"]
    bundle = workshop.bundle(config)
    (bundle.rootfs / "etc/folder").mkdir()
    (bundle.rootfs / "etc/folder/file").touch()
    (bundle.rootfs / "etc/secret").write_text("secret")
    (bundle.rootfs / "link").symlink_to("/etc/secret")
    (bundle.rootfs / "etc/link").symlink_to("../../etc/secret")

    result = workshop.run(bundle)

    assert result.stdout == ""
    assert "secret" not in result.stderr


def test_what_is_masked_and_read_only(workshop):
    """
    A path in both lists is masked.
    """
    config = workshop.config("sh", "-c", "cat /etc/passwd; ls /etc/folder")
    config["linux"]["maskedPaths"] = ["/etc/passwd", "/etc/folder"]
    config["linux"]["readonlyPaths"] = ["/etc/passwd", "/etc/folder", "/etc"]
    bundle = workshop.bundle(config)
    (bundle.rootfs / "etc/folder").mkdir()
    (bundle.rootfs / "etc/folder/file").touch()

    assert workshop.inside(bundle) == ""


def test_read_only_paths_with_submounts(workshop, volume):
    """
    A read-only path is so with all that is mounted below it.
    """
    config = workshop.config("sh", "-c", "touch /mnt/inner/x /mnt/x 2>&1; true")
    config["linux"]["readonlyPaths"] = ["/mnt"]
    mount(config, "/mnt", "none", volume(inner=""), "rbind")

    assert workshop.inside(config).count("Read-only file system") == 2


def test_a_label_without_selinux_is_ignored(workshop):
    """
    Where there is no SELinux, mount labels mean nothing.
    """
    if os.path.exists("/sys/fs/selinux/status"):
        pytest.skip("this host has SELinux")
    config = workshop.config("sh", "-c", SHOW)
    config["linux"]["mountLabel"] = "system_u:object_r:container_file_t:s0:c1,c2"
    config["annotations"] = {"run.oci.mount_context_type": "rootcontext"}

    assert "context" not in workshop.inside(config)


def test_the_cgroup_mounts_are_read_only(workshop):
    """
    With `ro` nothing of the cgroup tree can be written, whichever way it was mounted.
    """
    config = workshop.config("sh", "-c", SHOW)
    seen = workshop.inside(config)

    places = [w for w in map(str.split, seen.splitlines()) if w[4].startswith("/sys/fs/cgroup")]
    assert places
    assert json.dumps([w[4] for w in places if "ro" not in w[5].split(",")]) == "[]"


def test_a_container_that_runs_systemd(workshop):
    """
    Engines bind the hierarchy that systemd uses over the read-only one, writable, and mask what
    would start a program on the host.
    """
    if not os.path.isdir("/sys/fs/cgroup/systemd"):
        pytest.skip("needs cgroup v1 with the hierarchy of systemd")
    script = f"stat -c %t:%T /sys/fs/cgroup/systemd/release_agent; {SHOW}"
    config = workshop.config("sh", "-c", script)
    mount(config, "/sys/fs/cgroup/systemd", "bind", "/sys/fs/cgroup/systemd", "bind", "nodev",
          "noexec", "nosuid")  # fmt: skip
    config["linux"]["maskedPaths"].append("/sys/fs/cgroup/systemd/release_agent")

    first, _, seen = workshop.inside(config).partition("\n")

    assert first == "1:3"
    own = [w.split() for w in seen.splitlines() if w.split()[4] == "/sys/fs/cgroup/systemd"]
    assert {w[5].split(",")[0] for w in own} == {"ro", "rw"}
    assert "ro" in flags(seen, "/sys/fs/cgroup")[0]


@pytest.mark.parametrize("user", [False, True], ids=["host", "user-namespace"])
def test_cgroups_in_a_namespace_of_their_own(workshop, user):
    """
    With a cgroup namespace the mounts are real ones, whose root is the container's cgroup.
    """
    config = workshop.config("sh", "-c", SHOW)
    config["linux"]["namespaces"].append({"type": "cgroup"})
    if user:
        in_user_namespace(config)
    config["mounts"] = [m for m in config["mounts"] if m["type"] != "cgroup"]
    mount(config, "/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "nodev", "noexec", "ro")

    seen = [line.split() for line in workshop.inside(config).splitlines()]

    trees = [w for w in seen if w[w.index("-") + 1] in ("cgroup", "cgroup2")]
    assert trees
    assert {w[3] for w in trees} == {"/"}
    assert all("ro" in w[5].split(",") for w in trees)
