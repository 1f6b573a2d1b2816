"""Remounts, links as sources, sources of others, id mappings: what steps ask of the kernel."""

import errno
import os

import pytest

from libcontainer.errors import StepFailed
from libcontainer.idmap import IdRange
from libcontainer.kernel import constants as c
from libcontainer.rootfs.bind import BindMount, Idmap, Source
from libcontainer.rootfs.filesystem import NewMount
from libcontainer.rootfs.remount import Remount, superblock_words
from libcontainer.rootfs.steps import LookAgain, Mask, ReadOnlyPath
from libcontainer.step import apply_all, prepare_all

RO = c.MOUNT_ATTR_RDONLY
ONE = (IdRange(0, 5000, 1),)
MAPPED = Idmap(uids=ONE, gids=ONE)


def do(steps, rootfs, kernel):
    prepare_all(steps, rootfs, kernel)
    apply_all(steps, rootfs, kernel)


# remount


def test_a_remount_changes_file_system_and_mount(kernel, rootfs, no_leak):
    """
    The file system is changed through a handle of the mount, then the mount itself.
    """
    os.mkdir(f"{rootfs.path}/a")
    step = Remount(
        destination="/a", change=True, set=RO, superblock=("ro",), data=("size=1k",),
        propagation=("private",),
    )  # fmt: skip

    do([step], rootfs, kernel)

    assert kernel.names == [
        "openat2", "fspick", "fsconfig_flag", "fsconfig_string", "fsconfig_reconfigure",
        "mount_setattr", "mount_setattr",
    ]  # fmt: skip
    assert kernel.named("mount_setattr")[1][3] == c.MS_PRIVATE


def test_a_bind_remount_leaves_the_file_system_alone(kernel, rootfs, no_leak):
    """
    With `bind` only the mount changes.
    """
    os.mkdir(f"{rootfs.path}/a")

    do([Remount(destination="/a", bind=True, change=True, set=RO, superblock=("ro",))], rootfs,
       kernel)  # fmt: skip

    assert kernel.names == ["openat2", "mount_setattr"]


@pytest.mark.parametrize("refused", ["fspick", "fsconfig_flag", "fsconfig_reconfigure"])
def test_a_refused_remount(kernel, rootfs, no_leak, refused):
    """
    The error names the step and the call.
    """
    os.mkdir(f"{rootfs.path}/a")
    kernel.fail[refused] = errno.EINVAL

    with pytest.raises(StepFailed, match=f"^remount /a: {refused}: invalid argument"):
        do([Remount(destination="/a", superblock=("ro",))], rootfs, kernel)


def test_the_root_is_not_remounted(kernel, rootfs, no_leak):
    """
    The root has a field of its own.
    """
    with pytest.raises(StepFailed, match="root.readonly"):
        do([Remount(destination="/", bind=True, change=True, set=RO)], rootfs, kernel)


@pytest.mark.parametrize(("bits", "words"), [((RO, 0), ("ro",)), ((0, RO), ("rw",)), ((2, 4), ())])
def test_ro_is_for_the_file_system_too(bits, words):
    """
    A remount without `bind` makes no difference between mount and file system.
    """
    assert superblock_words(*bits) == words


# Sources


def test_a_link_is_copied(kernel, rootfs, tmp_path, no_leak):
    """
    With copy_link a link is made again, with the directories above; twice is fine.
    """
    (tmp_path / "link").symlink_to("/target")
    step = BindMount(source=str(tmp_path / "link"), destination="/a/b", copy_link=True)

    do([step], rootfs, kernel)
    do([step], rootfs, kernel)

    assert os.readlink(f"{rootfs.path}/a/b") == "/target"
    assert "open_tree" not in kernel.names


def test_another_file_in_place_of_a_copied_link(kernel, rootfs, tmp_path, no_leak):
    """
    Another link of that name is an error.
    """
    (tmp_path / "link").symlink_to("/target")
    os.symlink("/other", f"{rootfs.path}/a")

    with pytest.raises(StepFailed) as e:
        do([BindMount(source=str(tmp_path / "link"), destination="/a", copy_link=True)], rootfs,
           kernel)  # fmt: skip

    assert e.value.errno == errno.EEXIST


def test_what_init_may_not_open_is_asked_of_main(kernel, rootfs, no_leak):
    """
    Only where main can do more than init; what is mapped is always main's.
    """
    kernel.fail["open_tree"] = errno.EACCES
    plain = BindMount(source="/closed", destination="/a", recursive=False)
    mapped = BindMount(source="/open", destination="/b", idmap=MAPPED)

    with pytest.raises(StepFailed):
        prepare_all([plain], rootfs, kernel)
    rootfs.outside = True
    prepare_all([plain, mapped], rootfs, kernel)

    assert rootfs.asked == [
        (plain, plain.key(), Source("/closed", c.OPEN_TREE_CLONE)),
        (mapped, mapped.key(), Source("/open", c.OPEN_TREE_CLONE | c.AT_RECURSIVE, MAPPED)),
    ]


def test_what_nobody_gave_is_not_mounted(kernel, rootfs, no_leak):
    """
    An optional source that is not there is nothing to bind.
    """
    step = BindMount(source="/none/such", destination="/a", optional=True)

    do([step], rootfs, kernel)

    assert kernel.names == ["open_tree"]


def test_ids_are_mapped_before_anything_else(kernel, rootfs, no_leak):
    """
    A clone gets its mapping while nobody else has it.
    """
    rootfs.user_namespaces = {MAPPED.key: os.open("/proc/self/ns/user", os.O_RDONLY)}
    try:
        do([BindMount(source="/etc", destination="/a", set=RO, change=True, idmap=MAPPED)], rootfs,
           kernel)  # fmt: skip
    finally:
        os.close(rootfs.user_namespaces.pop(MAPPED.key))

    first = kernel.named("mount_setattr")[0]
    assert (first[1], first[4]) == (c.MOUNT_ATTR_IDMAP, False)
    assert kernel.names[:2] == ["open_tree", "mount_setattr"]


def test_mappings_are_told_apart():
    """
    Equal ranges share a user namespace; no ranges are the container's own.
    """
    assert MAPPED.key == MAPPED.replace(recursive=True).key
    assert MAPPED.key != Idmap(uids=ONE, gids=(IdRange(0, 1, 1),)).key
    assert Idmap().key == ""


# File systems


def test_the_hosts_sys_instead(kernel, rootfs, no_leak):
    """
    Where no new instance is allowed, the other is bound with every restriction on its whole tree.
    """
    kernel.fail["fsopen"] = errno.EPERM
    step = NewMount(kind="sysfs", source="sysfs", destination="/sys", set=RO | 2, instead="/sys")

    do([step], rootfs, kernel)

    assert kernel.named("mount_setattr") == [("tree /sys", RO | 2, 0, 0, True)]
    assert kernel.names[-1] == "move_mount"


@pytest.mark.parametrize(
    ("call", "why"), [("fsopen", "belongs to another user namespace"), ("fsmount", "is hidden in")]
)
def test_why_no_proc_is_allowed(kernel, rootfs, no_leak, call, why):
    """
    The kernel says only EPERM; the two reasons are told.
    """
    kernel.fail[call] = errno.EPERM

    with pytest.raises(StepFailed, match=why):
        do([NewMount(kind="proc", source="proc", destination="/proc")], rootfs, kernel)


def test_terminals_without_a_group(kernel, rootfs, no_leak):
    """
    A gid that is not mapped is left out, for devpts alone.
    """
    kernel.fail["fsconfig_string"] = lambda fs, name, value: errno.EINVAL if name == "gid" else None
    data = ("mode=620", "gid=5")

    do([NewMount(kind="devpts", source="devpts", destination="/pts", data=data)], rootfs, kernel)
    with pytest.raises(StepFailed, match="fsconfig_string: invalid argument"):
        do([NewMount(kind="tmpfs", source="t", destination="/t", data=data)], rootfs, kernel)

    assert kernel.names.count("move_mount") == 1


def test_a_long_option_goes_by_mount(kernel, rootfs, no_leak):
    """
    More than 255 bytes: mounted inside a tmpfs of ours, cloned, and that tmpfs is gone.
    """
    long = "lowerdir=" + "/x" * 200
    kernel.returns["open_tree"] = lambda *_: os.open(rootfs.path, os.O_RDONLY)
    step = NewMount(kind="overlay", source="o", destination="/a", set=2, data=(long,),
                    superblock=("ro",))  # fmt: skip
    kernel.returns["fsmount"] = lambda *_: os.open(rootfs.path, os.O_RDONLY)

    do([step], rootfs, kernel)

    (mount,) = kernel.named("mount")
    assert (mount[0], mount[2:]) == ("o", ("overlay", c.MS_RDONLY, long))
    assert kernel.named("umount2") == [(mount[1].removesuffix("/new"), c.MNT_DETACH)]
    assert kernel.named("mount_setattr")[-1][1] == 2


def test_a_mount_made_elsewhere_is_taken(kernel, rootfs, no_leak):
    """
    What had to be made in a namespace that init only joins is attached as it is.
    """
    rootfs.handed = {"/proc": os.open(rootfs.path, os.O_RDONLY)}

    do([NewMount(kind="proc", source="proc", destination="/proc")], rootfs, kernel)

    assert [name for name in kernel.names if name != "openat2"] == ["move_mount"]


def test_a_procfs_of_another_pid_namespace(kernel, rootfs, no_leak):
    """
    It is told whose processes it shows, before it is made.
    """
    rootfs.pid_namespace = 0

    do([NewMount(kind="proc", source="proc", destination="/proc")], rootfs, kernel)

    assert kernel.named("fsconfig_fd") == [("fs proc", "pidns", 0)]
    assert kernel.names.index("fsconfig_fd") < kernel.names.index("fsconfig_create")


# The last look


@pytest.mark.parametrize(
    ("step", "path"),
    [(LookAgain(masked=("/a",)), "/a"), (LookAgain(read_only=("/a",)), "/a")],
    ids=["masked", "read-only"],
)
def test_a_cover_that_is_gone(kernel, rootfs, no_leak, step, path):
    """
    A path that is not covered any more stops the container.
    """
    os.mkdir(f"{rootfs.path}{path}")

    with pytest.raises(StepFailed, match=r"the root changes while it is built \(/a\)"):
        do([step], rootfs, kernel)


def test_a_cover_that_is_there(kernel, rootfs):
    """
    The null device and what is read-only pass, and what is not there.
    """
    os.symlink("/none", f"{rootfs.path}/b")
    do([Mask("/none"), ReadOnlyPath("/b"), LookAgain(("/none", "/b"), ("/none",))], rootfs, kernel)
