"""From a hostile path to a handle, never outside the root."""

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.rootfs.resolve import (
    IN_ROOT,
    Handle,
    make_directory,
    make_target,
    open_path,
    split,
)
from libcontainer.testing import Link, make_tree

KERNEL = LinuxKernel()


class Root:
    """A root with its handle, and a folder beside it that nothing may reach."""

    def __init__(self, folder, tree):
        self.outside = make_tree(folder / "outside", {"secret": "x"})
        self.path = make_tree(folder / "root", tree)
        self.fd = os.open(self.path, c.O_PATH)
        self.kept = snapshot(self.outside)

    def where(self, fd):
        """Return the path inside the root of what a handle refers to; closes it."""
        with Handle(fd):
            path = os.readlink(f"/proc/self/fd/{fd}")
            assert path == str(self.path) or path.startswith(f"{self.path}/"), path
            return path.removeprefix(str(self.path)) or "/"

    def close(self):
        os.close(self.fd)
        assert snapshot(self.outside) == self.kept
        assert sorted(os.listdir(self.path.parent)) == ["outside", "root"]


def snapshot(folder):
    return sorted(str(path) for path in folder.rglob("*"))


@pytest.fixture
def make_root(tmp_path):
    made = []

    def make(tree):
        made.append(Root(tmp_path, tree))
        return made[-1]

    yield make
    for root in made:
        root.close()


HOSTILE = {
    "dir": {"inner": {}, "up": Link(".."), "far": Link("../../../.."), "file": ""},
    "abs": Link("/dir"),
    "host": Link("/etc"),
    "rel": Link("dir/inner"),
    "above": Link("../outside"),
    "way": Link("../../../../../../tmp"),
    "loop": Link("pool"),
    "pool": Link("loop"),
    "self": Link("self"),
    "dangling": Link("/not/there"),
    "dangling2": Link("dangling"),
    "up": Link("dir/inner/../../new"),
    "dot": Link("."),
    "slash": Link("/"),
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("/dir/inner", "/dir/inner", id="plain"),
        pytest.param("dir//./inner/", "/dir/inner", id="untidy"),
        pytest.param("/abs/inner", "/dir/inner", id="absolute-link-stays-inside"),
        pytest.param("/rel/new", "/dir/inner/new", id="below-a-link"),
        pytest.param("/dir/up/new", "/new", id="dot-dot-link"),
        pytest.param("/dir/far/new", "/new", id="dot-dot-link-stops-at-the-root"),
        pytest.param("/../../new", "/new", id="dot-dot-stops-at-the-root"),
        pytest.param("/abs/../new", "/new", id="dot-dot-after-a-link"),
        pytest.param("/rel/../new", "/dir/new", id="dot-dot-is-not-lexical"),
        pytest.param("/new/../other", "/other", id="dot-dot-after-what-is-made"),
        pytest.param("/host", "/etc", id="dangling-inside"),
        pytest.param("/host/passwd.d", "/etc/passwd.d", id="below-dangling"),
        pytest.param("/above/new", "/outside/new", id="sibling-of-the-root"),
        pytest.param("/way/new", "/tmp/new", id="far-above"),
        pytest.param("/dangling", "/not/there", id="dangling"),
        pytest.param("/dangling2/x", "/not/there/x", id="dangling-twice"),
        pytest.param("/up", "/new", id="link-with-dot-dot"),
        pytest.param("/dot/a", "/a", id="link-to-dot"),
        pytest.param("/slash/a", "/a", id="link-to-slash"),
        pytest.param("/dir/x/slash/../y", "/dir/x/y", id="names-are-not-links"),
        pytest.param("/", "/", id="the-root"),
    ],
)
def test_directories_are_made_inside_the_root(no_leak, make_root, path, expected):
    """
    Every path ends inside the root, made where missing; links are expanded there, too.
    """
    root = make_root(HOSTILE)

    found = root.where(make_directory(KERNEL, root.fd, path))

    assert found == expected
    # And once made, the kernel finds the same.
    assert root.where(open_path(KERNEL, root.fd, path)) == expected


@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param("/loop", errno.ELOOP, id="loop"),
        pytest.param("/loop/x", errno.ELOOP, id="below-a-loop"),
        pytest.param("/self", errno.ELOOP, id="link-to-itself"),
        pytest.param("/dir/file", errno.ENOTDIR, id="a-file"),
        pytest.param("/dir/file/x", errno.ENOTDIR, id="below-a-file"),
        pytest.param("/" + "n" * 256, errno.ENAMETOOLONG, id="long-name"),
    ],
)
def test_what_is_no_directory_is_refused(no_leak, make_root, path, code):
    """
    The kernel's answer is kept, and nothing stays open.
    """
    root = make_root(HOSTILE)

    with pytest.raises(OSError) as e:
        make_directory(KERNEL, root.fd, path)

    assert e.value.errno == code


def test_a_chain_of_dangling_links_ends(no_leak, make_root):
    """
    The walker follows as many links as the kernel, no more.
    """
    chain = {f"l{i}": Link(f"l{i + 1}") for i in range(60)}
    root = make_root(chain)

    assert root.where(make_directory(KERNEL, root.fd, "/l30")) == "/l60"
    os.rmdir(root.path / "l60")
    with pytest.raises(OSError) as e:
        make_directory(KERNEL, root.fd, "/l0")

    assert e.value.errno == errno.ELOOP


@pytest.mark.parametrize(
    ("path", "directory", "expected"),
    [
        ("/a/b", False, "/a/b"),
        ("/dangling", False, "/not/there"),
        ("/rel/x", False, "/dir/inner/x"),
        ("/dir/file", False, "/dir/file"),
        ("/a/b", True, "/a/b"),
    ],
)
def test_mount_points_are_made(no_leak, make_root, path, directory, expected):
    """
    A file's mount point is an empty file, its parents are directories.
    """
    root = make_root(HOSTILE)

    assert root.where(make_target(KERNEL, root.fd, path, directory=directory)) == expected

    found = root.path / expected[1:]
    assert found.is_dir() if directory else found.is_file()
    assert found.parent.is_dir()


@pytest.mark.parametrize("path", ["/proc/self/root", "/proc/self/cwd/x", "/proc/thread-self/exe"])
def test_magic_links_are_refused(path):
    """
    What leads out of any root by magic is refused, last or on the way.
    """
    fd = os.open("/", c.O_PATH)
    with Handle(fd), pytest.raises(OSError) as e:
        open_path(KERNEL, fd, path)

    assert e.value.errno == errno.ELOOP


def test_magic_links_are_not_made_through(make_root):
    """
    A directory below a magic link is not made.
    """
    fd = os.open("/", c.O_PATH)
    root = make_root({})
    with Handle(fd), pytest.raises(OSError) as e:
        make_directory(KERNEL, fd, f"/proc/self/fd/{root.fd}/new")

    assert e.value.errno == errno.ELOOP
    assert list(root.path.iterdir()) == []


def test_a_lookup_that_meets_a_rename_is_repeated(kernel):
    """
    EAGAIN is no answer; 128 of them are.
    """
    answers = iter([errno.EAGAIN] * 3 + [None])
    kernel.fail["openat2"] = lambda *_: next(answers)
    fd = os.open("/", c.O_PATH)
    with Handle(fd):
        os.close(open_path(kernel, fd, "/usr/.."))
    assert kernel.named("openat2") == [(fd, "/usr/..", c.O_PATH, IN_ROOT)] * 4

    kernel.calls.clear()
    kernel.fail["openat2"] = errno.EAGAIN
    with pytest.raises(OSError, match="openat2: the tree changes too fast") as e:
        open_path(kernel, 0, "/x")

    assert e.value.errno == errno.EAGAIN
    assert len(kernel.calls) == 128


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/dev/null", ("/dev", "null")), ("/null", ("/", "null")), ("/a/b/", ("/a", "b"))],
)
def test_a_path_has_a_directory_and_a_name(path, expected):
    """
    The last name is what is made, the rest is looked up.
    """
    assert split(path) == expected


@pytest.mark.parametrize("path", ["/", "", "/a/..", "/a/."])
def test_a_path_without_a_last_name_is_refused(path):
    """
    What ends in no name cannot be made.
    """
    with pytest.raises(OSError, match="the path has no last name"):
        split(path)


# Random trees: the walker against the kernel

NAMES = ("a", "b", "c")
PATHS = st.lists(st.sampled_from((*NAMES, "..", ".", "")), min_size=1, max_size=5).map("/".join)
TARGETS = st.tuples(st.sampled_from(("", "/")), PATHS).map("".join)
TREES = st.recursive(
    st.builds(lambda target: Link(target or "."), TARGETS),
    lambda inner: st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=12,
)
FULL = st.dictionaries(st.sampled_from(NAMES), TREES, min_size=1, max_size=3)


def looked_up(fd, path, flags):
    return open_path(KERNEL, fd, path, flags=flags, resolve=c.RESOLVE_IN_ROOT)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=FULL, path=PATHS.map("/".__add__))
def test_the_walker_agrees_with_the_kernel(tree, path):
    """
    In any tree of links: what the walker makes is where RESOLVE_IN_ROOT then leads, and a path
    that exists before is taken as it is.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Root(Path(folder), tree)
        flags = c.O_PATH | os.O_DIRECTORY
        try:
            # Not a bare openat2: beside others' renames it may say EAGAIN for a path with `..`.
            before = root.where(looked_up(root.fd, path, flags))
        except OSError as e:
            before = e.errno
        kept = snapshot(root.path)
        try:
            made = root.where(make_directory(KERNEL, root.fd, path))
        except OSError as e:
            assert e.errno == errno.ELOOP
            made = None
        if before == errno.ENOENT:
            if made is not None:
                after = root.where(looked_up(root.fd, path, flags))
                assert after == made
        else:
            assert made == (before if isinstance(before, str) else None)
            assert snapshot(root.path) == kept
        root.close()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=FULL, path=PATHS.map("/".__add__))
def test_files_are_made_inside_any_tree(tree, path):
    """
    A mount point for a file is inside the root and no link, or there is an error.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Root(Path(folder), tree)
        try:
            fd = make_target(KERNEL, root.fd, path, directory=False)
        except OSError as e:
            assert e.errno in (errno.ELOOP, errno.ENOTDIR)
        else:
            assert not stat.S_ISLNK(os.fstat(fd).st_mode)
            root.where(fd)
        root.close()
