"""tmpcopyup: a tmpfs that begins with what it covers."""

import errno
import os
import posix
import stat

import pytest

from libcontainer.errors import StepFailed
from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.rootfs.copyup import copy_tree
from libcontainer.rootfs.root import Rootfs
from libcontainer.rootfs.steps import NewMount
from libcontainer.step import apply_all
from libcontainer.testing import Link, make_tree


@pytest.fixture
def folders(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    return source, target


def copy(source, target):
    fds = [os.open(path, os.O_RDONLY | os.O_DIRECTORY) for path in (source, target)]
    try:
        copy_tree(*fds)
    finally:
        for fd in fds:
            os.close(fd)


def test_a_tree_is_copied(folders, no_leak):
    """
    Files, directories, links and fifos are copied with modes and times.
    """
    source, target = folders
    make_tree(source, {"a": "text", "d": {"e": {"f": b"\0" * 3_000_000}}, "l": Link("/etc/shadow")})
    os.mkfifo(source / "p", 0o600)
    (source / "a").chmod(0o4751)
    (source / "d").chmod(0o1777)
    os.utime(source / "a", ns=(10**18 + 1, 10**18 + 2))
    os.utime(source / "d", ns=(10**18 + 3, 10**18 + 4))

    copy(source, target)

    assert (target / "a").read_text() == "text"
    assert (target / "d/e/f").stat().st_size == 3_000_000
    assert os.readlink(target / "l") == "/etc/shadow"
    assert stat.S_ISFIFO((target / "p").stat().st_mode)
    assert stat.S_IMODE((target / "a").stat().st_mode) == 0o4751
    assert stat.S_IMODE((target / "d").stat().st_mode) == 0o1777
    assert (target / "a").stat().st_mtime_ns == 10**18 + 2
    assert (target / "d").stat().st_mtime_ns == 10**18 + 4


def test_a_tree_that_is_too_deep_is_refused(folders, no_leak):
    """
    An image may have as many levels as it likes; copying them takes descriptors.
    """
    source, target = folders
    here = source
    for _ in range(140):
        here /= "d"
    here.mkdir(parents=True)

    with pytest.raises(OSError, match="too many levels of directories"):
        copy(source, target)


def after_the_first_look(monkeypatch, name, act):
    """Do something once the copy has looked a name up for the first time."""
    once = [act]
    real = {call: getattr(posix, call) for call in ("stat", "open")}

    def looking(call):
        def look(path, *rest, **options):
            found = real[call](path, *rest, **options)
            if path == name and once:
                once.pop()()
            return found

        return look

    for call in real:
        monkeypatch.setattr(f"libcontainer.rootfs.copyup.posix.{call}", looking(call))


@pytest.mark.parametrize("proc", [True, False], ids=["proc", "another's-proc"])
@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_a_file_that_is_swapped_lends_nothing(folders, no_leak, monkeypatch, kind, proc):
    """
    Whoever shares the image may swap its files: mode and content are of one file, and no fifo
    holds anybody up.
    """
    source, target = folders
    (source / "f").write_text("root's")
    (source / "f").chmod(0o4755)
    if kind == "file":
        (source.parent / "other").write_text("the attacker's")
    else:
        os.mkfifo(source.parent / "other")
    after_the_first_look(monkeypatch, "f", lambda: (source.parent / "other").rename(source / "f"))
    if not proc:
        monkeypatch.setattr("libcontainer.rootfs.copyup._PROC", "/nowhere")

    try:
        copy(source, target)
    except OSError as e:
        assert not proc
        assert e.errno == errno.ESTALE
        assert not (target / "f").exists()
    else:
        assert proc
        assert (target / "f").read_text() == "root's"
        assert stat.S_IMODE((target / "f").stat().st_mode) == 0o4755


def test_a_tree_is_copied_without_a_proc_of_ours(folders, no_leak, monkeypatch):
    """
    As in a mount namespace that is joined: files are opened by name, and compared.
    """
    source, target = folders
    make_tree(source, {"d": {"f": "text"}})
    monkeypatch.setattr("libcontainer.rootfs.copyup._PROC", "/nowhere")

    copy(source, target)

    assert (target / "d/f").read_text() == "text"


@pytest.mark.root
def test_owners_and_attributes_are_kept(folders):
    """
    Owners of files, directories and links are kept, set-id bits with them; and so are devices.
    """
    if os.geteuid():
        pytest.skip("needs root, to give files away")
    source, target = folders
    make_tree(source, {"f": "x", "d": {}, "l": Link("f")})
    os.mknod(source / "n", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    for number, name in enumerate("fdln", start=10):
        os.chown(source / name, number, number + 1, follow_symlinks=False)
    (source / "f").chmod(0o6755)
    try:
        os.setxattr(source / "f", "trusted.a", b"1")
    except OSError:
        pass  # a file system without them

    copy(source, target)

    for number, name in enumerate("fdln", start=10):
        found = os.lstat(target / name)
        assert (found.st_uid, found.st_gid) == (number, number + 1), name
    assert stat.S_IMODE((target / "f").stat().st_mode) == 0o6755
    assert os.listxattr(target / "f") == os.listxattr(source / "f")
    assert (target / "n").stat().st_rdev == os.makedev(1, 3)


def test_the_step_copies_before_it_attaches(kernel, rootfs, folders, no_leak):
    """
    The tmpfs is filled while it is still detached.
    """
    _, target = folders
    make_tree(folders[0].parent / "rootfs/var", {"a": "x"})
    kernel.returns["fsmount"] = lambda *_: os.open(target, c.O_PATH)
    kernel.fail["move_mount"] = lambda *_: None if (target / "a").exists() else errno.EIO
    step = NewMount(kind="tmpfs", source="t", destination="/var", copy_up=True)

    apply_all([step], rootfs, kernel)

    assert kernel.names[-1] == "move_mount"


def test_a_copy_that_fails_attaches_nothing(kernel, rootfs, folders, no_leak):
    """
    What cannot be copied is the step's failure; the mount is closed.
    """
    _, target = folders
    make_tree(folders[0].parent / "rootfs/var", {"a": "x"})
    make_tree(target, {"a": "in the way"})
    kernel.returns["fsmount"] = lambda *_: os.open(target, c.O_PATH)

    with pytest.raises(StepFailed, match="^mount tmpfs on /var: file exists"):
        step = NewMount(kind="tmpfs", source="t", destination="/var", copy_up=True)
        apply_all([step], rootfs, kernel)

    assert "move_mount" not in kernel.names


@pytest.mark.root
def test_copy_up_on_the_real_kernel(tmp_path, privately):
    """
    A real tmpfs with `tmpcopyup` shows what the image has, and its own mode option wins.
    """
    make_tree(tmp_path, {"var": {"log": {"a": "text"}}})
    (tmp_path / "var").chmod(0o751)

    def body():
        kernel = LinuxKernel()
        root = Rootfs(kernel, str(tmp_path))
        root.fd = os.open(tmp_path, c.O_PATH)
        step = NewMount(
            kind="tmpfs", source="t", destination="/var", set=0x6, copy_up=True, data=("size=1m",)
        )
        apply_all([step], root, kernel)
        assert (tmp_path / "var/log/a").read_text() == "text"
        assert stat.S_IMODE((tmp_path / "var").stat().st_mode) == 0o751
        (tmp_path / "var/log/a").write_text("changed")
        kernel.umount2(str(tmp_path / "var"), 0)
        assert (tmp_path / "var/log/a").read_text() == "text"

    privately(body)
