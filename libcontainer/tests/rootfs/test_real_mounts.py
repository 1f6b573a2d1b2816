"""The steps on the real kernel, in a mount namespace of their own."""

import errno
import os

import pytest

from libcontainer.errors import StepFailed
from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.rootfs.root import Rootfs
from libcontainer.rootfs.steps import (
    BindMount,
    LateReadOnly,
    Mask,
    NewMount,
    Propagation,
    ReadOnlyPath,
    RootMount,
    RootReadOnly,
)
from libcontainer.step import apply_all, prepare_all
from libcontainer.testing import Link, make_tree

pytestmark = pytest.mark.root


def mounts(below):
    """Return mount point, options, optional fields and type of each mount below a folder."""
    found = []
    with open("/proc/self/mountinfo") as file:
        for line in file:
            own, _, other = line.partition(" - ")
            fields = own.split()
            if fields[4].startswith(str(below)):
                point = fields[4].removeprefix(str(below)) or "/"
                found.append((point, fields[5], tuple(fields[6:]), other.split()[0]))
    return found


@pytest.fixture
def build(tmp_path, privately):
    """Build a root from a tree with steps, and look at it inside."""

    def run(tree, steps, check, *, flags=0):
        folder = make_tree(tmp_path / "rootfs", tree)

        def body():
            kernel = LinuxKernel()
            os.chdir(folder)
            root = Rootfs(kernel, str(folder))
            all_steps = [RootMount(path=str(folder)), *steps]
            prepare_all(all_steps, root, kernel)
            apply_all(all_steps, root, kernel)
            check(folder)

        privately(body, flags=flags)

    return run


def is_read_only(path):
    try:
        open(path / ".probe", "w").close()
    except OSError as e:
        return e.errno == errno.EROFS
    os.unlink(path / ".probe")
    return False


def test_new_mounts(build):
    """
    File systems are mounted with their attributes, sizes and modes.
    """
    steps = [
        NewMount(kind="proc", source="proc", destination="/proc"),
        NewMount(
            kind="tmpfs", source="tmpfs", destination="/dev",
            set=c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_STRICTATIME, data=("mode=755", "size=64k"),
            keep=True,
        ),
        NewMount(
            kind="devpts", source="devpts", destination="/dev/pts",
            set=c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NOEXEC,
            data=("newinstance", "ptmxmode=0666", "mode=0620"), propagation=("rprivate",),
        ),
        LateReadOnly("/dev"),
    ]  # fmt: skip

    def check(root):
        assert mounts(root) == [
            ("/", mounts(root)[0][1], (), mounts(root)[0][3]),
            ("/proc", "rw,relatime", (), "proc"),
            ("/dev", "ro,nosuid", (), "tmpfs"),
            ("/dev/pts", "rw,nosuid,noexec,relatime", (), "devpts"),
        ]
        assert (root / "proc/self/stat").exists()
        assert os.statvfs(root / "dev").f_blocks * os.statvfs(root / "dev").f_bsize == 65536
        assert is_read_only(root / "dev")
        assert (root / "dev/pts/ptmx").stat().st_rdev == os.makedev(5, 2)

    build({}, steps, check)


def test_a_refused_option_is_explained_by_the_kernel(build):
    """
    The kernel's own message is part of the error; nothing is mounted.
    """

    def check(root):
        kernel = LinuxKernel()
        handle = Rootfs(kernel, str(root))
        handle.fd = os.open(root, c.O_PATH)
        step = NewMount(kind="tmpfs", source="t", destination="/a", data=("nonsense=1",))
        with pytest.raises(StepFailed, match=r"tmpfs: Unknown parameter 'nonsense'") as e:
            apply_all([step], handle, kernel)
        assert e.value.errno == errno.EINVAL
        assert [point for point, *_ in mounts(root)] == ["/"]

    build({}, [], check)


def test_binds(build, tmp_path):
    """
    A bind has its attributes at the top only, the recursive ones in the whole tree.
    """
    source = make_tree(tmp_path / "source", {"sub": {}, "file": "text"})

    def check_with(root):
        kernel = LinuxKernel()
        kernel.mount("t", f"{source}/sub", "tmpfs", 0)
        os.chdir(root)
        handle = Rootfs(kernel, str(root))
        handle.fd = os.open(root, c.O_PATH)
        ro = c.MOUNT_ATTR_RDONLY
        steps = [
            BindMount(source=str(source), destination="/top", change=True, set=ro),
            BindMount(source=str(source), destination="/all", recursive_set=ro | 0x4),
            BindMount(source=str(source), destination="/own", recursive=False),
            BindMount(source=f"{source}/file", destination="/etc/file", change=True, set=ro),
            BindMount(
                source=str(source), destination="/shared", recursive=False,
                propagation=("private", "shared"),
            ),
        ]  # fmt: skip
        prepare_all(steps, handle, kernel)
        apply_all(steps, handle, kernel)
        assert is_read_only(root / "top")
        assert not is_read_only(root / "top/sub")
        assert is_read_only(root / "all")
        assert is_read_only(root / "all/sub")
        found = {point: (options, fields) for point, options, fields, _ in mounts(root)}
        assert "/own/sub" not in found
        assert found["/all/sub"][0].startswith("ro,nodev")
        assert found["/etc/file"][0].startswith("ro")
        assert found["/own"][1] == ()
        assert found["/shared"][1][0].startswith("shared:")
        assert (root / "etc/file").read_text() == "text"
        assert not is_read_only(source)

    build({}, [], check_with)


def test_a_source_is_what_it_was_before_the_first_mount(build):
    """
    A mount of the container cannot redirect the source of a later bind.
    """

    def check(root):
        kernel = LinuxKernel()
        handle = Rootfs(kernel, str(root))
        handle.fd = os.open(root, c.O_PATH)
        steps = [
            NewMount(kind="tmpfs", source="t", destination="/data"),
            BindMount(source=f"{root}/data", destination="/copy"),
        ]
        prepare_all(steps, handle, kernel)
        apply_all(steps, handle, kernel)
        assert (root / "copy/mark").read_text() == "image"
        assert not (root / "data/mark").exists()

    build({"data": {"mark": "image"}}, [], check)


def test_masks(build):
    """
    A masked file reads as empty, a masked directory has nothing and takes nothing, links are
    followed inside the root, and what is not there is passed over.
    """
    tree = {
        "secret": "x",
        "keys": {"a": "x"},
        "more": {"b": "x"},
        "link": Link("/hidden"),
        "hidden": {"c": "x"},
        "dev": {"null": "not a device"},
    }
    steps = [Mask(f"/{name}") for name in ("secret", "keys", "more", "link", "none", "none/x")]

    def check(root):
        assert (root / "secret").read_bytes() == b""
        assert (root / "secret").stat().st_rdev == os.makedev(1, 3)
        for name in ("keys", "more", "hidden"):
            assert list((root / name).iterdir()) == []
            assert is_read_only(root / name)
        assert (root / "dev/null").read_text() == "not a device"

    build(tree, steps, check)


def test_read_only_paths(build):
    """
    A path and all mounts below it turn read-only; other flags stay.
    """
    steps = [
        NewMount(kind="tmpfs", source="t", destination="/a/sub", set=c.MOUNT_ATTR_NOEXEC),
        ReadOnlyPath("/a"),
        ReadOnlyPath("/none"),
        ReadOnlyPath("/file"),
    ]

    def check(root):
        assert is_read_only(root / "a")
        assert is_read_only(root / "a/sub")
        assert not is_read_only(root)
        options = {point: words for point, words, *_ in mounts(root)}
        assert options["/a/sub"].startswith("ro,noexec")
        with pytest.raises(OSError, match="Read-only"):
            (root / "file").write_text("y")

    build({"a": {}, "file": "x"}, steps, check)


def test_the_root_alone_turns_read_only(build):
    """
    What is mounted in the root stays writable.
    """
    steps = [NewMount(kind="tmpfs", source="t", destination="/tmp"), RootReadOnly()]

    def check(root):
        assert is_read_only(root)
        assert not is_read_only(root / "tmp")

    build({}, steps, check)


def test_a_busy_mount_is_not_made_read_only(build):
    """
    A file that stays open for writing is told as EBUSY, after a short wait.
    """

    def check(root):
        kernel = LinuxKernel()
        handle = Rootfs(kernel, str(root))
        handle.fd = os.open(root, c.O_PATH)
        apply_all([NewMount(kind="tmpfs", source="t", destination="/a", keep=True)], handle, kernel)
        with open(root / "a/file", "w"), pytest.raises(StepFailed, match="make /a read-only") as e:
            apply_all([LateReadOnly("/a")], handle, kernel)
        assert e.value.errno == errno.EBUSY
        apply_all([LateReadOnly("/a")], handle, kernel)

    build({}, [], check)


@pytest.mark.parametrize("link", [{"proc": Link("/elsewhere")}, {"proc": Link("elsewhere")}])
def test_proc_is_not_mounted_through_a_link(build, link):
    """
    The real kernel refuses the look-up, whether the link is absolute or relative.
    """

    def check(root):
        kernel = LinuxKernel()
        handle = Rootfs(kernel, str(root))
        handle.fd = os.open(root, c.O_PATH)
        with pytest.raises(StepFailed, match="must be mounted on ordinary directory"):
            apply_all([NewMount(kind="proc", source="p", destination="/proc")], handle, kernel)

    build(link | {"elsewhere": {}}, [], check)


@pytest.mark.parametrize("destination", ["/proc/sys/kernel", "/link/sys/kernel", "/proc/self"])
def test_nothing_is_mounted_inside_proc(build, destination):
    """
    A mount in /proc would undo masks or forge files; a link there does not help.
    """

    def check(root):
        kernel = LinuxKernel()
        handle = Rootfs(kernel, str(root))
        handle.fd = os.open(root, c.O_PATH)
        steps = [
            NewMount(kind="proc", source="p", destination="/proc"),
            NewMount(kind="tmpfs", source="t", destination=destination),
        ]
        with pytest.raises(StepFailed, match="cannot be mounted because it is inside /proc"):
            apply_all(steps, handle, kernel)

    build({"proc": {}, "link": Link("/proc")}, [], check)


def test_propagation_of_the_namespace(privately):
    """
    Every mount becomes what the step says.
    """

    def body():
        kernel = LinuxKernel()
        root = Rootfs(kernel, "/")
        apply_all([Propagation(flags=c.MS_SHARED | c.MS_REC)], root, kernel)
        assert all(fields and fields[0].startswith("shared:") for _, _, fields, _ in mounts("/"))
        apply_all([Propagation(flags=c.MS_PRIVATE | c.MS_REC)], root, kernel)
        assert all(fields == () for _, _, fields, _ in mounts("/"))

    privately(body)


def test_locked_flags_on_the_real_kernel(build, tmp_path):
    """
    In a user namespace a bind keeps the flags that its source has locked.
    """
    source = make_tree(tmp_path / "source", {"file": "x"})

    def check(root):
        kernel = LinuxKernel()
        kernel.mount("t", str(source), "tmpfs", c.MS_NODEV | c.MS_NOSUID)
        os.chmod(source, 0o777)
        kernel.unshare(c.CLONE_NEWUSER | c.CLONE_NEWNS)
        with open("/proc/self/setgroups", "w") as file:
            file.write("deny")
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/self/{name}", "w") as file:
                file.write("0 0 1")
        handle = Rootfs(kernel, str(root))
        handle.fd = os.open(root, c.O_PATH)
        step = BindMount(source=str(source), destination="/a", change=True, set=c.MOUNT_ATTR_RDONLY)
        prepare_all([step], handle, kernel)
        apply_all([step], handle, kernel)
        options = {point: words for point, words, *_ in mounts(root)}
        assert options["/a"].startswith("ro,nosuid,nodev")

    build({"a": {}}, [], check)
