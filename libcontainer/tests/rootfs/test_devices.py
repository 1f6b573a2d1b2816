"""Device nodes and links, beside what the image has there already."""

import errno
import os
import stat

import pytest

from libcontainer.errors import StepFailed
from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.rootfs.devices import DEFAULT_LINKS, DEFAULT_NODES, Devices, Link, Node
from libcontainer.rootfs.root import Rootfs
from libcontainer.step import apply_all

NULL = Node("null", "c", 1, 3)


@pytest.fixture
def dev(rootfs):
    path = f"{rootfs.path}/dev"
    os.mkdir(path)
    return path


def test_nodes_are_made_below_one_handle(kernel, rootfs, no_leak):
    """
    The directory is opened once; nodes have the document's type, mode and owner.
    """
    nodes = (NULL, Node("disk", "b", 8, 1, 0o640, 0, 6), Node("queue", "p", mode=0o600, uid=5))

    apply_all([Devices("/dev", nodes)], rootfs, kernel)

    assert [call for call in kernel.calls if call[0] != "openat2"] == [
        ("mknodat", ("open dev", "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))),
        ("mknodat", ("open dev", "disk", stat.S_IFBLK | 0o640, os.makedev(8, 1))),
        ("fchownat", ("open dev", "disk", 0, 6)),
        ("mknodat", ("open dev", "queue", stat.S_IFIFO | 0o600, 0)),
        ("fchownat", ("open dev", "queue", 5, 0)),
    ]


def test_u_is_c(kernel, rootfs):
    """
    `u` is an unbuffered character device, which Linux calls `c`.
    """
    apply_all([Devices("/dev", (Node("x", "u", 1, 3),))], rootfs, kernel)

    assert kernel.named("mknodat")[0][2] == stat.S_IFCHR | 0o666


def test_default_devices_and_links():
    """
    The nodes are those of the specification; links lead to /proc/self and the container's pts.
    """
    assert [(n.name, n.type, n.major, n.minor, n.mode) for n in DEFAULT_NODES] == [
        ("null", "c", 1, 3, 0o666),
        ("zero", "c", 1, 5, 0o666),
        ("full", "c", 1, 7, 0o666),
        ("random", "c", 1, 8, 0o666),
        ("urandom", "c", 1, 9, 0o666),
        ("tty", "c", 5, 0, 0o666),
    ]
    assert {link.name: link.target for link in DEFAULT_LINKS} == {
        "fd": "/proc/self/fd",
        "stdin": "/proc/self/fd/0",
        "stdout": "/proc/self/fd/1",
        "stderr": "/proc/self/fd/2",
        "ptmx": "pts/ptmx",
    }


@pytest.mark.root
def test_the_same_device_may_be_there(kernel, rootfs, dev, no_leak):
    """
    A node that is already what was asked for is taken as it is.
    """
    if os.geteuid():
        pytest.skip("needs root, for mknod")
    os.mknod(f"{dev}/null", stat.S_IFCHR | 0o600, os.makedev(1, 3))

    apply_all([Devices("/dev", (NULL,))], rootfs, kernel)

    assert kernel.names.count("mknodat") == 1


@pytest.mark.parametrize("there", ["file", "link", "directory", "fifo"])
def test_anything_else_there_is_an_error(kernel, rootfs, dev, no_leak, there):
    """
    Another file in the place of a device is not replaced and not followed.
    """
    make = {
        "file": lambda path: open(path, "w").close(),
        "link": lambda path: os.symlink("/dev/null", path),
        "directory": os.mkdir,
        "fifo": os.mkfifo,
    }
    make[there](f"{dev}/null")

    with pytest.raises(StepFailed, match="^fill /dev with null: another file is there"):
        apply_all([Devices("/dev", (NULL,))], rootfs, kernel)


def test_where_mknod_is_not_allowed_the_hosts_node_is_bound(kernel, rootfs, no_leak):
    """
    A refused mknod falls back to a clone of the host's node, on an empty file.
    """
    kernel.fail["mknodat"] = errno.EPERM

    apply_all([Devices("/dev", (NULL,))], rootfs, kernel)

    assert kernel.calls[-4:] == [
        ("mknodat", ("open dev", "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))),
        ("open_tree", ("cwd", "/dev/null", c.OPEN_TREE_CLONE | c.AT_SYMLINK_NOFOLLOW)),
        ("openat2", ("open dev", "null", c.O_PATH | os.O_NOFOLLOW, c.RESOLVE_BENEATH)),
        ("move_mount", ("tree /dev/null", "open null", "")),
    ]
    assert os.path.isfile(f"{rootfs.path}/dev/null")


def test_in_a_user_namespace_only_fifos_are_made(kernel, rootfs, no_leak):
    """
    With `bind` mknod is not even tried, but for a fifo, which anybody may make.
    """
    apply_all([Devices("/dev", (NULL, Node("q", "p")), bind=True)], rootfs, kernel)

    assert [name for name in kernel.names if name != "openat2"] == [
        "open_tree",
        "move_mount",
        "mknodat",
    ]


@pytest.mark.parametrize(
    "node", [Node("null", "c", 1, 5), Node("null", "b", 1, 3)], ids=["number", "type"]
)
def test_another_device_of_the_host_is_not_bound(kernel, rootfs, no_leak, node):
    """
    What the host has under the name must be what the document means.
    """
    with pytest.raises(StepFailed, match="the host has another device there") as e:
        apply_all([Devices("/dev", (node,), bind=True)], rootfs, kernel)

    assert e.value.errno == errno.ENODEV
    assert "move_mount" not in kernel.names


def test_nothing_is_bound_onto_a_link(kernel, rootfs, dev, no_leak):
    """
    A link in the image at the device's name is an error, not followed.
    """
    os.symlink("/target", f"{dev}/null")

    with pytest.raises(StepFailed, match="another file is there"):
        apply_all([Devices("/dev", (NULL,), bind=True)], rootfs, kernel)

    assert "move_mount" not in kernel.names


@pytest.mark.parametrize("refused", ["mknodat", "fchownat"])
def test_a_refused_node_leaves_nothing_open(kernel, rootfs, no_leak, refused):
    """
    The step says what it fills; the errno is kept.
    """
    kernel.fail[refused] = errno.ENOSPC

    with pytest.raises(StepFailed, match="^fill /dev with null: no space left on device$") as e:
        apply_all([Devices("/dev", (NULL.replace(uid=1),))], rootfs, kernel)

    assert e.value.errno == errno.ENOSPC


def test_a_refused_bind_leaves_nothing_open(kernel, rootfs, no_leak):
    """
    The clone of a device that cannot be attached is closed.
    """
    kernel.fail["move_mount"] = errno.EPERM

    with pytest.raises(StepFailed, match="fill /dev with null: move_mount"):
        apply_all([Devices("/dev", (NULL,), bind=True)], rootfs, kernel)


@pytest.mark.parametrize(
    ("there", "forced", "expected"),
    [
        pytest.param(None, False, "b", id="nothing"),
        pytest.param("b", False, "b", id="the-same"),
        pytest.param("c", False, "c", id="the-images-own"),
        pytest.param("", False, None, id="a-file-of-the-image"),
        pytest.param("b", True, "b", id="forced-the-same"),
        pytest.param("c", True, "b", id="forced-another"),
        pytest.param("", True, "b", id="forced-a-file"),
    ],
)
def test_links_beside_what_the_image_has(kernel, rootfs, dev, no_leak, there, forced, expected):
    """
    What is there stays, unless the link is forced.
    """
    if there:
        os.symlink(there, f"{dev}/a")
    elif there == "":
        open(f"{dev}/a", "w").close()

    apply_all([Devices("/dev", links=(Link("a", "b", forced),))], rootfs, kernel)

    assert (os.readlink(f"{dev}/a") if os.path.islink(f"{dev}/a") else None) == expected


@pytest.mark.root
def test_devices_on_the_real_kernel(tmp_path, privately):
    """
    Real nodes have type, number, mode and owner as asked, whatever the umask of the caller.
    """

    def body():
        os.umask(0)  # as init has it
        kernel = LinuxKernel()
        root = Rootfs(kernel, str(tmp_path))
        root.fd = os.open(tmp_path, c.O_PATH)
        nodes = (NULL, Node("mem", "c", 1, 1, 0o640, 7, 8), Node("pipe", "p", mode=0o622))
        apply_all([Devices("/x/dev", nodes, DEFAULT_LINKS)], root, kernel)
        apply_all([Devices("/x/dev", nodes, DEFAULT_LINKS)], root, kernel)  # again: no fault
        apply_all([Devices("/dev", (NULL,), bind=True)], root, kernel)
        assert (tmp_path / "dev/null").is_char_device()

    privately(body)

    found = (tmp_path / "x/dev/mem").stat()
    assert (found.st_mode, found.st_rdev) == (stat.S_IFCHR | 0o640, os.makedev(1, 1))
    assert (found.st_uid, found.st_gid) == (7, 8)
    assert (tmp_path / "x/dev/pipe").stat().st_mode == stat.S_IFIFO | 0o622
    assert (tmp_path / "x/dev/null").stat().st_rdev == os.makedev(1, 3)
    assert (tmp_path / "dev/null").is_file()  # what was bound onto it went with the process
