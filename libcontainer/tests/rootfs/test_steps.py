"""What each step of the root asks of the kernel, and in which order."""

import errno
import os
import re
import stat
import time

import pytest

from libcontainer.errors import StepFailed
from libcontainer.kernel import constants as c
from libcontainer.rootfs.resolve import IN_ROOT
from libcontainer.rootfs.steps import (
    BindMount,
    LateReadOnly,
    MakeDirectory,
    Mask,
    NewMount,
    Propagation,
    ReadOnlyPath,
    RootMount,
    RootReadOnly,
    set_attributes,
)
from libcontainer.spec.rules.mounts import refused_destination
from libcontainer.step import apply_all, prepare_all

CLONE_TREE = c.OPEN_TREE_CLONE | c.AT_RECURSIVE
CLONE_HANDLE = c.OPEN_TREE_CLONE | c.AT_EMPTY_PATH
# What a bind with any per-mount option does not inherit.
CLEARED = 0x1 | 0x2 | 0x4 | 0x8 | c.MOUNT_ATTR_NODIRATIME | c.MOUNT_ATTR_NOSYMFOLLOW


def do(steps, rootfs, kernel):
    """Apply steps as init does: all are prepared before the first is applied."""
    prepare_all(steps, rootfs, kernel)
    apply_all(steps, rootfs, kernel)


def without_lookups(kernel):
    return [call for call in kernel.calls if call[0] not in ("openat2", "file_system")]


# Propagation, the root


def test_propagation_is_one_mount_of_the_root(kernel, rootfs):
    """
    Propagation changes the mount that the process calls `/`, with its tree.
    """
    do([Propagation(flags=c.MS_SLAVE | c.MS_REC)], rootfs, kernel)

    assert kernel.calls == [("mount", ("", "/", "", c.MS_SLAVE | c.MS_REC, ""))]


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (c.MS_SLAVE | c.MS_REC, "make every mount slave"),
        (c.MS_PRIVATE | c.MS_REC, "make every mount private"),
        (c.MS_SHARED | c.MS_REC, "make every mount shared"),
    ],
)
def test_propagation_is_described(flags, text):
    """
    The step says which way mounts still travel.
    """
    assert Propagation(flags=flags).describe() == text


def test_the_root_is_a_clone_of_the_working_directory(kernel, rootfs):
    """
    The root is mounted onto itself by handle: the path to it is not looked up again.
    """
    os.close(rootfs.fd)
    do([RootMount(path="/bundle/rootfs")], rootfs, kernel)

    assert kernel.calls == [
        ("open_tree", ("cwd", ".", CLONE_TREE)),
        ("move_mount", ("tree .", "cwd", ".")),
    ]
    assert stat.S_ISDIR(os.fstat(rootfs.fd).st_mode)


def test_a_shared_root_needs_private_mounts_around_it(kernel, rootfs):
    """
    With shared propagation the parent mount and the root itself become private, or pivot fails.
    """
    os.close(rootfs.fd)
    not_a_mount = {"/a/b", "/a"}
    kernel.fail["mount"] = lambda source, target, *_: (
        errno.EINVAL if target in not_a_mount else None
    )

    do([RootMount(path="/a/b", private=True)], rootfs, kernel)

    assert kernel.calls == [
        ("mount", ("", "/a/b", "", c.MS_PRIVATE, "")),
        ("mount", ("", "/a", "", c.MS_PRIVATE, "")),
        ("mount", ("", "/", "", c.MS_PRIVATE, "")),
        ("open_tree", ("cwd", ".", CLONE_TREE)),
        ("mount_setattr", ("tree .", 0, 0, c.MS_PRIVATE, False)),
        ("move_mount", ("tree .", "cwd", ".")),
    ]


@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL])
def test_no_parent_can_be_made_private(kernel, rootfs, code):
    """
    What is no mount point is passed over, up to `/`; any other refusal is one of the step.
    """
    kernel.fail["mount"] = code

    with pytest.raises(StepFailed, match="^mount the root /a: ") as e:
        do([RootMount(path="/a", private=True)], rootfs, kernel)

    assert e.value.errno == code
    assert len(kernel.calls) == (1 if code == errno.EPERM else 2)


def test_the_root_turns_read_only_by_its_own_handle(kernel, rootfs):
    """
    Only the root's mount changes, not what is mounted in it.
    """
    do([RootReadOnly()], rootfs, kernel)

    assert kernel.calls == [("mount_setattr", (rootfs.fd, c.MOUNT_ATTR_RDONLY, 0, 0, False))]


# New file systems


def test_a_new_mount_has_its_attributes_before_it_is_attached(kernel, rootfs, no_leak):
    """
    Source, flags, data in the document's order, create, mount, propagation, and last the attaching.
    """
    step = NewMount(
        kind="mqueue",
        source="queue",
        destination="/dev/mqueue",
        set=c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NOEXEC,
        superblock=("sync",),
        data=("a=1", "b", "c=d=e"),
        propagation=("rprivate", "slave"),
    )

    do([step], rootfs, kernel)

    assert without_lookups(kernel) == [
        ("fsopen", ("mqueue",)),
        ("fsconfig_string", ("fs mqueue", "source", "queue")),
        ("fsconfig_flag", ("fs mqueue", "sync")),
        ("fsconfig_string", ("fs mqueue", "a", "1")),
        ("fsconfig_flag", ("fs mqueue", "b")),
        ("fsconfig_string", ("fs mqueue", "c", "d=e")),
        ("fsconfig_create", ("fs mqueue",)),
        ("fsmount", ("fs mqueue", c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NOEXEC)),
        ("mount_setattr", ("mount mqueue", 0, 0, c.MS_PRIVATE, True)),
        ("mount_setattr", ("mount mqueue", 0, 0, c.MS_SLAVE, False)),
        ("move_mount", ("mount mqueue", "open mqueue", "")),
    ]
    assert os.path.isdir(f"{rootfs.path}/dev/mqueue")


def test_a_tmpfs_has_the_mode_of_what_it_covers(kernel, rootfs, no_leak):
    """
    The directory's mode comes first, so that a mode in the document wins.
    """
    os.mkdir(f"{rootfs.path}/run")
    os.chmod(f"{rootfs.path}/run", 0o1750)

    do([NewMount(kind="tmpfs", source="t", destination="/run", data=("mode=700",))], rootfs, kernel)

    assert kernel.named("fsconfig_string") == [
        ("fs tmpfs", "source", "t"),
        ("fs tmpfs", "mode", "1750"),
        ("fs tmpfs", "mode", "700"),
    ]


def test_a_kept_mount_stays_open(kernel, rootfs):
    """
    A mount that a later step comes back to is kept, the newest one of a destination.
    """
    step = NewMount(kind="tmpfs", source="t", destination="/dev", keep=True)

    do([step], rootfs, kernel)
    first = rootfs.mounts["/dev"]
    do([step, LateReadOnly(destination="/dev")], rootfs, kernel)

    assert kernel.calls[-1] == (
        "mount_setattr",
        ("mount tmpfs", c.MOUNT_ATTR_RDONLY, 0, 0, False),
    )
    assert list(rootfs.mounts) == ["/dev"]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(first)


@pytest.mark.parametrize(
    "refused",
    ["fsopen", "fsconfig_string", "fsconfig_flag", "fsconfig_create", "fsmount", "mount_setattr",
     "move_mount"],
)  # fmt: skip
def test_a_refused_mount_leaves_nothing(kernel, rootfs, no_leak, refused):
    """
    Whichever call is refused: the error names step and call, and no descriptor stays open.
    """
    kernel.fail[refused] = errno.EPERM
    step = NewMount(
        kind="sysfs", source="s", destination="/sys", data=("x",), propagation=("private",)
    )

    with pytest.raises(StepFailed, match=f"^mount sysfs on /sys: {refused}: operation not") as e:
        do([step], rootfs, kernel)

    assert e.value.errno == errno.EPERM
    assert kernel.names[-1] == refused
    assert rootfs.mounts == {}


def test_the_kernels_own_words_are_told(kernel, rootfs, tmp_path, no_leak):
    """
    A refused file system is explained with the messages that the kernel keeps for it.
    """
    messages = tmp_path / "messages"
    messages.write_bytes(b"e tmpfs: Unknown parameter 'x'\n")
    kernel.returns["fsopen"] = lambda name: os.open(messages, os.O_RDONLY)
    kernel.fail["fsconfig_flag"] = errno.EINVAL

    with pytest.raises(StepFailed) as e:
        do([NewMount(kind="tmpfs", source="", destination="/a", data=("x",))], rootfs, kernel)

    reason = "fsconfig_flag: invalid argument (tmpfs: Unknown parameter 'x')"
    assert str(e.value) == f"mount tmpfs on /a: {reason}"


@pytest.mark.parametrize("kind", ["proc", "sysfs"])
@pytest.mark.parametrize("where", ["last", "on-the-way"])
def test_proc_and_sysfs_are_not_mounted_through_a_link(kernel, rootfs, no_leak, kind, where):
    """
    A link in the image could lead to a place that somebody else can rename (CVE-2019-19921).
    """
    os.makedirs(f"{rootfs.path}/elsewhere/inner")
    link, destination = {"last": ("x", "/x"), "on-the-way": ("x", "/x/inner")}[where]
    os.symlink("elsewhere", f"{rootfs.path}/{link}")

    with pytest.raises(StepFailed, match=f'"{kind}" must be mounted on ordinary directory') as e:
        do([NewMount(kind=kind, source=kind, destination=destination)], rootfs, kernel)

    assert e.value.errno in (errno.ELOOP, errno.ENOTDIR)
    assert "fsopen" not in kernel.names


def test_proc_is_not_mounted_on_a_file(kernel, rootfs, no_leak):
    """
    /proc must be a directory.
    """
    open(f"{rootfs.path}/proc", "w").close()

    with pytest.raises(StepFailed) as e:
        do([NewMount(kind="proc", source="proc", destination="/proc")], rootfs, kernel)

    assert e.value.errno == errno.ENOTDIR
    assert "fsopen" not in kernel.names


def test_the_last_look_at_proc_forbids_links(kernel, rootfs):
    """
    The handle that proc is attached to was opened without following any link.
    """
    do([NewMount(kind="proc", source="proc", destination="/proc")], rootfs, kernel)

    flags, rule = c.O_PATH | os.O_DIRECTORY, IN_ROOT | c.RESOLVE_NO_SYMLINKS
    assert kernel.named("openat2")[-1] == (rootfs.fd, "/proc", flags, rule)
    assert kernel.named("move_mount") == [("mount proc", "open /proc", "")]


@pytest.mark.parametrize("destination", ["/", "/a/..", "/link"])
def test_nothing_is_mounted_on_the_root(kernel, rootfs, no_leak, destination):
    """
    A mount on the root would lie under everything: refused, wherever a link leads.
    """
    os.symlink("/", f"{rootfs.path}/link")
    os.mkdir(f"{rootfs.path}/a")

    with pytest.raises(StepFailed, match="is on the top of rootfs"):
        do([NewMount(kind="tmpfs", source="t", destination=destination)], rootfs, kernel)

    assert "move_mount" not in kernel.names


def test_a_refused_place_is_told_in_the_words_of_the_documents_rules(kernel, rootfs, no_leak):
    """
    What a link has led to is judged by the rule for texts, and told as it tells it.
    """
    os.mkdir(f"{rootfs.path}/proc")
    os.symlink("proc", f'{rootfs.path}/a"b')
    said = refused_destination('/a"b', "/proc", rootfs.path, procfs=False)

    with pytest.raises(StepFailed, match=re.escape(said)) as e:
        do([NewMount(kind="tmpfs", source="t", destination='/a"b')], rootfs, kernel)

    assert said == r'"/a\"b" cannot be mounted because it is not of type proc'
    assert e.value.errno == errno.EPERM


# Binds


def test_a_bind_is_cloned_changed_attached(kernel, rootfs, no_leak):
    """
    Sources are cloned first; a clone has its attributes before it is attached.
    """
    steps = [
        BindMount(source="/etc", destination="/a", change=True, set=c.MOUNT_ATTR_RDONLY),
        BindMount(source="/dev/null", destination="/b", recursive=False),
    ]

    do(steps, rootfs, kernel)

    clear = CLEARED & ~c.MOUNT_ATTR_RDONLY
    assert without_lookups(kernel) == [
        ("open_tree", ("cwd", "/etc", CLONE_TREE)),
        ("open_tree", ("cwd", "/dev/null", c.OPEN_TREE_CLONE)),
        ("mount_setattr", ("tree /etc", c.MOUNT_ATTR_RDONLY, clear, 0, False)),
        ("move_mount", ("tree /etc", "open a", "")),
        ("move_mount", ("tree /dev/null", "open b", "")),
    ]
    assert os.path.isdir(f"{rootfs.path}/a")
    assert os.path.isfile(f"{rootfs.path}/b")
    assert rootfs.sources == {}


def test_recursive_attributes_and_propagation_of_a_bind(kernel, rootfs, no_leak):
    """
    Own attributes, then those of the whole tree, then propagation word by word.
    """
    step = BindMount(
        source="/etc",
        destination="/a",
        change=True,
        set=c.MOUNT_ATTR_NOATIME,
        clear=c.MOUNT_ATTR__ATIME,
        recursive_set=c.MOUNT_ATTR_RDONLY,
        recursive_clear=c.MOUNT_ATTR_NOEXEC,
        propagation=("rslave", "shared"),
    )

    do([step], rootfs, kernel)

    tree = "tree /etc"
    assert kernel.named("mount_setattr") == [
        (tree, c.MOUNT_ATTR_NOATIME, c.MOUNT_ATTR__ATIME | CLEARED, 0, False),
        (tree, c.MOUNT_ATTR_RDONLY, c.MOUNT_ATTR_NOEXEC, 0, True),
        (tree, 0, 0, c.MS_SLAVE, True),
        (tree, 0, 0, c.MS_SHARED, False),
    ]
    assert kernel.names[-1] == "move_mount"


def test_locked_flags_are_kept(kernel, rootfs, no_leak):
    """
    Where flags of the source are locked, only what the document names is changed.
    """
    implied = CLEARED & ~c.MOUNT_ATTR_RDONLY
    kernel.fail["mount_setattr"] = lambda fd, set, clear, *_: (
        errno.EPERM if clear & c.MOUNT_ATTR_NODEV else None
    )
    step = BindMount(
        source="/etc",
        destination="/a",
        change=True,
        set=c.MOUNT_ATTR_RDONLY,
        clear=c.MOUNT_ATTR_NOEXEC,
    )

    do([step], rootfs, kernel)

    assert kernel.named("mount_setattr") == [
        ("tree /etc", c.MOUNT_ATTR_RDONLY, implied, 0, False),
        ("tree /etc", c.MOUNT_ATTR_RDONLY, c.MOUNT_ATTR_NOEXEC, 0, False),
    ]
    assert kernel.names[-1] == "move_mount"


def test_a_locked_flag_that_the_document_clears_is_an_error(kernel, rootfs, no_leak):
    """
    `rw` on a locked read-only source is refused, not passed over.
    """
    kernel.fail["mount_setattr"] = lambda fd, set, clear, *_: (
        errno.EPERM if clear & c.MOUNT_ATTR_RDONLY else None
    )
    step = BindMount(source="/etc", destination="/a", change=True, clear=c.MOUNT_ATTR_RDONLY)

    with pytest.raises(StepFailed, match=r"bind /etc onto /a \(rw\): mount_setattr") as e:
        do([step], rootfs, kernel)

    assert e.value.errno == errno.EPERM
    assert "move_mount" not in kernel.names


@pytest.mark.parametrize("refused", ["mount_setattr", "move_mount", "openat2"])
def test_a_refused_bind_leaves_nothing(kernel, rootfs, no_leak, refused):
    """
    A clone that cannot be changed or attached is closed: nothing half attached.
    """
    kernel.fail[refused] = errno.EACCES
    step = BindMount(source="/etc", destination="/a", change=True, propagation=("slave",))

    with pytest.raises(
        StepFailed, match=f"^bind /etc onto /a: ({refused}: )?permission denied"
    ) as e:
        do([step], rootfs, kernel)

    assert e.value.errno == errno.EACCES


def test_a_bind_does_not_cover_a_link(kernel, rootfs, no_leak):
    """
    A mount on a link would leave its target uncovered; the link is followed, inside the root.
    """
    os.symlink("/target", f"{rootfs.path}/link")

    do([BindMount(source="/dev/null", destination="/link")], rootfs, kernel)

    assert os.path.isfile(f"{rootfs.path}/target")
    assert kernel.named("move_mount") == [("tree /dev/null", "open target", "")]


def test_an_optional_source_may_be_missing(kernel, rootfs, no_leak):
    """
    Then nothing is mounted, and nothing is made in the root.
    """
    do([BindMount(source="/missing", destination="/a", optional=True)], rootfs, kernel)

    assert kernel.names == ["open_tree"]
    assert os.listdir(rootfs.path) == []


def test_a_source_that_may_be_missing_may_not_be_refused(kernel, rootfs, no_leak):
    """
    Only ENOENT is nothing to bind.
    """
    kernel.fail["open_tree"] = errno.EACCES

    with pytest.raises(StepFailed, match="bind /etc onto /a: open_tree: permission denied"):
        do([BindMount(source="/etc", destination="/a", optional=True)], rootfs, kernel)


def test_only_a_procfs_is_bound_onto_proc(kernel, rootfs, no_leak):
    """
    A folder over /proc would forge what the runtime reads there (CVE-2019-16884).
    """
    with pytest.raises(StepFailed, match='"/proc" cannot be mounted because it is not of type'):
        do([BindMount(source="/etc", destination="/proc")], rootfs, kernel)

    assert "move_mount" not in kernel.names

    do([BindMount(source="/proc", destination="/proc")], rootfs, kernel)

    assert kernel.named("move_mount") == [("tree /proc", "open /proc", "")]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        pytest.param({}, "bind /a onto /b", id="plain"),
        pytest.param({"set": 0x1}, "bind /a onto /b (ro)", id="read-only"),
        pytest.param({"set": 0x9}, "bind /a onto /b (ro,noexec)", id="two"),
        pytest.param({"clear": 0x1}, "bind /a onto /b (rw)", id="writable"),
    ],
)
def test_a_bind_is_described(changes, text):
    """
    The step names both ends, and what people want to know of its attributes.
    """
    assert BindMount(source="/a", destination="/b", **changes).describe() == text


# Read-only paths, masks


def test_a_read_only_path_covers_itself(kernel, rootfs, no_leak):
    """
    Cloned from a handle and attached to the same handle: the two cannot differ.
    """
    os.mkdir(f"{rootfs.path}/sys")

    do([ReadOnlyPath(path="/sys")], rootfs, kernel)

    assert kernel.calls == [
        ("openat2", (rootfs.fd, "/sys", c.O_PATH, IN_ROOT)),
        ("open_tree", ("open /sys", "", CLONE_HANDLE | c.AT_RECURSIVE)),
        ("mount_setattr", ("tree /sys", c.MOUNT_ATTR_RDONLY, 0, 0, True)),
        ("move_mount", ("tree /sys", "open /sys", "")),
    ]


@pytest.mark.parametrize("step", [ReadOnlyPath("/none"), Mask("/none"), Mask("/none/below")])
def test_what_is_not_there_needs_no_cover(kernel, rootfs, step):
    """
    Only a missing path is passed over.
    """
    do([step], rootfs, kernel)

    assert kernel.names == ["openat2"]


@pytest.mark.parametrize("step", [ReadOnlyPath("/x"), Mask("/x")])
@pytest.mark.parametrize("code", [errno.EACCES, errno.ELOOP, errno.EXDEV, errno.ENOTDIR])
def test_any_other_refusal_is_fatal(kernel, rootfs, step, code):
    """
    A path that is there but cannot be covered stops the container.
    """
    kernel.fail["openat2"] = code

    with pytest.raises(StepFailed, match="^[a-z].* /x[^:]*: [a-z -]*$") as e:
        do([step], rootfs, kernel)

    assert e.value.errno == code


@pytest.mark.parametrize("refused", ["open_tree", "mount_setattr", "move_mount"])
def test_a_refused_read_only_path_leaves_nothing(kernel, rootfs, no_leak, refused):
    """
    Nothing stays open, and nothing is attached without its `ro`.
    """
    os.mkdir(f"{rootfs.path}/x")
    kernel.fail[refused] = errno.EPERM

    with pytest.raises(StepFailed, match=f"^make /x read-only: ({refused}: )?[a-z ]+$"):
        do([ReadOnlyPath("/x")], rootfs, kernel)

    assert kernel.names[-1] == refused


def test_a_file_is_masked_by_the_hosts_null_device(kernel, rootfs):
    """
    The host's /dev/null is opened before any mount and checked; the container's may be anything.
    """
    open(f"{rootfs.path}/kcore", "w").close()
    mask = Mask("/kcore")
    prepare_all([mask, mask], rootfs, kernel)
    null = rootfs.null

    apply_all([mask], rootfs, kernel)

    assert os.fstat(null).st_rdev == os.makedev(1, 3)
    assert kernel.calls == [
        ("openat2", (rootfs.fd, "/kcore", c.O_PATH, IN_ROOT)),
        ("open_tree", (null, "", CLONE_HANDLE)),
        ("move_mount", ("tree ", "open /kcore", "")),
    ]


def test_no_file_is_masked_by_what_was_not_prepared(kernel, rootfs, no_leak):
    """
    Without the host's null device there is nothing to cover a file with, least of all stdin.
    """
    open(f"{rootfs.path}/kcore", "w").close()

    with pytest.raises(StepFailed, match=r"^mask /kcore: ") as e:
        apply_all([Mask("/kcore")], rootfs, kernel)

    assert e.value.errno == errno.EBADF
    assert "move_mount" not in kernel.names


def test_a_refused_mask_leaves_nothing(kernel, rootfs, count_fds):
    """
    The clone is closed; the one that later masks are cloned from stays.
    """
    open(f"{rootfs.path}/kcore", "w").close()
    os.mkdir(f"{rootfs.path}/a")
    kernel.fail["move_mount"] = errno.EINVAL
    prepare_all([Mask("/kcore")], rootfs, kernel)
    before = count_fds()

    for path, kept in (("/kcore", 0), ("/a", 1), ("/a", 1)):
        with pytest.raises(StepFailed, match=f"^mask {path}: move_mount"):
            apply_all([Mask(path)], rootfs, kernel)
        assert count_fds() == before + kept


def test_directories_are_masked_by_one_empty_file_system(kernel, rootfs, count_fds):
    """
    The first mask makes a read-only tmpfs with room for nothing, the others are clones of it.
    """
    for name in "ab":
        os.mkdir(f"{rootfs.path}/{name}")
    before = count_fds()

    do([Mask("/a"), Mask("/b")], rootfs, kernel)

    assert count_fds() == before + 2  # null and the mask
    assert without_lookups(kernel) == [
        ("fsopen", ("tmpfs",)),
        ("fsconfig_string", ("fs tmpfs", "source", "tmpfs")),
        ("fsconfig_string", ("fs tmpfs", "nr_blocks", "1")),
        ("fsconfig_string", ("fs tmpfs", "nr_inodes", "1")),
        ("fsconfig_string", ("fs tmpfs", "mode", "555")),
        ("fsconfig_create", ("fs tmpfs",)),
        ("fsmount", ("fs tmpfs", c.MOUNT_ATTR_RDONLY)),
        ("move_mount", ("mount tmpfs", "open /a", "")),
        ("open_tree", ("mount tmpfs", "", CLONE_HANDLE)),
        ("move_mount", ("tree tmpfs", "open /b", "")),
    ]


# Directories, busy mounts


def test_the_working_directory_is_made_with_its_parents(kernel, rootfs, no_leak):
    """
    A missing working directory is made, inside the root.
    """
    os.symlink("/real", f"{rootfs.path}/link")

    do([MakeDirectory(path="/link/a/b")], rootfs, kernel)

    assert os.path.isdir(f"{rootfs.path}/real/a/b")


def test_a_busy_mount_is_tried_again(kernel, monkeypatch):
    """
    A writer that is about to leave (EBUSY) is waited for, a little.
    """
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    answers = iter([errno.EBUSY, errno.EBUSY, None])
    kernel.fail["mount_setattr"] = lambda *_: next(answers)

    set_attributes(kernel, 0, set=1, clear=2, recursive=True)

    assert kernel.named("mount_setattr") == [(0, 1, 2, 0, True)] * 3
    assert slept == [0.1, 0.1]


def test_a_mount_that_stays_busy_is_an_error(kernel, monkeypatch):
    """
    After five tries the kernel's answer stands.
    """
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    kernel.fail["mount_setattr"] = errno.EBUSY

    with pytest.raises(OSError, match="mount_setattr") as e:
        set_attributes(kernel, 0, set=1, clear=0, recursive=False)

    assert e.value.errno == errno.EBUSY
    assert len(slept) == 4


def test_any_other_refusal_is_not_waited_for(kernel):
    """
    Only EBUSY passes by itself.
    """
    kernel.fail["mount_setattr"] = errno.EPERM

    with pytest.raises(PermissionError):
        set_attributes(kernel, 0, set=1, clear=0, recursive=False)

    assert len(kernel.calls) == 1


@pytest.mark.parametrize(
    ("step", "text"),
    [
        (RootMount(path="/b/rootfs"), "mount the root /b/rootfs"),
        (NewMount(kind="proc", source="p", destination="/proc"), "mount proc on /proc"),
        (LateReadOnly("/dev"), "make /dev read-only"),
        (RootReadOnly(), "make the root read-only"),
        (ReadOnlyPath("/proc/sys"), "make /proc/sys read-only"),
        (Mask("/proc/kcore"), "mask /proc/kcore"),
        (MakeDirectory("/srv"), "make the directory /srv"),
        (Propagation(flags=c.MS_UNBINDABLE), "make every mount 0x20000"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_steps_say_what_they_do(step, text):
    """
    A description is one line in plain words.
    """
    assert step.describe() == text
