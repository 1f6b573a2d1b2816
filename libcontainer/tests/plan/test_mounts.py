"""From the document's mounts, devices and paths to steps."""

import logging

import pytest

from libcontainer.errors import SpecError
from libcontainer.kernel import constants as c
from libcontainer.plan.host import Host
from libcontainer.plan.mounts import added_step
from libcontainer.rootfs.cgroupfs import Cgroup2Mount
from libcontainer.rootfs.devices import CORE_LINK, DEFAULT_LINKS, DEFAULT_NODES, Devices, Node
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
)
from libcontainer.spec.linux import Linux
from libcontainer.spec.mounts import Mount

RO, NOSUID = c.MOUNT_ATTR_RDONLY, c.MOUNT_ATTR_NOSUID
DEV = Devices(directory="/dev", nodes=DEFAULT_NODES, links=DEFAULT_LINKS)
ROOT = [Propagation(flags=c.MS_SLAVE | c.MS_REC), RootMount(path="/b/rootfs")]


def mount(destination, kind=None, source=None, *options):
    made = {"destination": destination, "options": list(options)}
    return made | ({"type": kind} if kind else {}) | ({"source": source} if source else {})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            mount("/proc", "proc", "proc"),
            NewMount(kind="proc", source="proc", destination="/proc"), id="new",
        ),
        pytest.param(
            mount("/proc", "proc"),
            NewMount(kind="proc", source="proc", destination="/proc"), id="source-is-the-type",
        ),
        pytest.param(
            mount("//tmp/", "tmpfs", "t", "nosuid", "size=1k", "rnodev"),
            NewMount(kind="tmpfs", source="t", destination="/tmp", set=NOSUID | 0x4,
                     data=("size=1k",)),
            id="destination-is-tidied",
        ),
        pytest.param(
            mount("relative", "tmpfs", "t"),
            NewMount(kind="tmpfs", source="t", destination="/relative"), id="relative-destination",
        ),
        pytest.param(
            mount("/dev/pts", "devpts", "devpts", "newinstance"),
            NewMount(kind="devpts", source="devpts", destination="/dev/pts",
                     data=("newinstance",), keep=True),
            id="devpts-is-kept-for-the-console",
        ),
        pytest.param(
            mount("/sys", "sysfs", "sysfs", "ro"),
            NewMount(kind="sysfs", source="sysfs", destination="/sys", set=RO), id="ro-at-once",
        ),
        pytest.param(
            mount("/t", "tmpfs", "t", "tmpcopyup", "sync", "rslave"),
            NewMount(kind="tmpfs", source="t", destination="/t", superblock=("sync",),
                     propagation=("rslave",), copy_up=True),
            id="tmpcopyup",
        ),
        pytest.param(
            mount("/a", None, "/src", "rbind"),
            BindMount(source="/src", destination="/a", recursive=True), id="rbind-inherits",
        ),
        pytest.param(
            mount("/a", "none", "/src", "bind", "ro"),
            BindMount(source="/src", destination="/a", recursive=False, change=True, set=RO),
            id="bind-ro",
        ),
        pytest.param(
            mount("/a", "bind", "src", "rbind", "rw", "rro", "rexec", "private"),
            BindMount(source="/b/src", destination="/a", change=True, clear=RO,
                      recursive_set=RO, recursive_clear=0x8, propagation=("private",)),
            id="relative-source-is-in-the-bundle",
        ),
    ],
)  # fmt: skip
def test_a_mount_becomes_a_step(plan, given, expected):
    """
    One mount of the document, one step.
    """
    assert plan({"mounts": [given]}).build == (*ROOT, expected, DEV)


def test_mounts_keep_the_documents_order(plan):
    """
    A later mount may cover an earlier one; devices come after all of them.
    """
    mounts = [
        mount("/b", "tmpfs", "t"),
        mount("/a", None, "/x", "bind"),
        mount("/b/c", "proc", "proc"),
    ]

    made = plan({"mounts": mounts})

    assert [step.describe() for step in made.build] == [
        "make every mount slave",
        "mount the root /b/rootfs",
        "mount tmpfs on /b",
        "bind /x onto /a",
        "mount proc on /b/c",
        "fill /dev with null, zero, full, random, urandom, tty, fd, stdin, stdout, stderr, ptmx",
    ]


def test_a_read_only_tmpfs_is_filled_first(plan):
    """
    A tmpfs turns read-only when all is built; the step before keeps its handle.
    """
    made = plan({"mounts": [mount("/dev", "tmpfs", "t", "ro", "nosuid")]})

    assert made.build[2] == NewMount(
        kind="tmpfs", source="t", destination="/dev", set=NOSUID, keep=True
    )
    assert made.finish == (MakeDirectory(path="/"), LateReadOnly(destination="/dev"))


def test_type_bind_without_the_word_is_a_bind(plan, caplog):
    """
    Taken as a bind, with a warning.
    """
    with caplog.at_level(logging.WARNING, "libcontainer"):
        made = plan({"mounts": [mount("/a", "bind", "/x")]})

    assert isinstance(made.build[2], BindMount)
    assert "mount /a: type bind without bind or rbind" in caplog.text


def test_data_of_a_bind_is_told(plan, caplog):
    """
    A bind has no file system of its own to give an option to.
    """
    with caplog.at_level(logging.WARNING, "libcontainer"):
        plan({"mounts": [mount("/a", "bind", "/x", "bind", "size=1k")]})

    assert "mount /a: not for a bind mount: size=1k" in caplog.text


@pytest.mark.parametrize("kind", ["cgroup", "cgroup2"])
def test_cgroup_mounts_follow_the_host(plan, kind):
    """
    Whichever type the document says, the layout is the host's.
    """
    given = {"mounts": [mount("/sys/fs/cgroup", kind, "cgroup", "ro")]}

    v2 = plan(given, host=Host(unified=True, cgroups={"": "/sys/fs/cgroup/x"}))
    v1 = plan(given, host=Host(cgroups={"memory": "/sys/fs/cgroup/memory/x"}))

    assert [type(step) for step in v2.build[2:-1]] == [Cgroup2Mount]
    assert v2.build[2].tree == "/sys/fs/cgroup"
    assert [step.describe() for step in v1.build[2:-1]] == [
        "mount tmpfs on /sys/fs/cgroup",
        "bind /sys/fs/cgroup/memory/x onto /sys/fs/cgroup/memory (ro)",
    ]
    assert LateReadOnly("/sys/fs/cgroup") in v1.finish
    assert LateReadOnly("/sys/fs/cgroup") not in v2.finish


@pytest.mark.parametrize(
    ("word", "flags", "private"),
    [
        (None, c.MS_SLAVE | c.MS_REC, False),
        ("slave", c.MS_SLAVE | c.MS_REC, False),
        ("rprivate", c.MS_PRIVATE | c.MS_REC, False),
        ("private", c.MS_PRIVATE | c.MS_REC, False),
        ("shared", c.MS_SHARED | c.MS_REC, True),
        ("unbindable", c.MS_SLAVE | c.MS_REC, False),
    ],
)
def test_propagation_of_the_namespace(plan, word, flags, private):
    """
    The tree is cut off before the first mount; unbindable must wait, or nothing could be bound.
    """
    made = plan({"linux": {"rootfsPropagation": word}})

    assert made.build[:2] == (
        Propagation(flags=flags),
        RootMount(path="/b/rootfs", private=private),
    )


# Devices


def test_devices_of_the_document_override_the_defaults(plan):
    """
    A default device keeps its place but has the document's mode and owner; others follow, those
    elsewhere in a step of their own.
    """
    devices = [
        {"path": "/dev/null", "type": "c", "major": 1, "minor": 3, "fileMode": 0o600, "uid": 1},
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229},
        {"path": "/dev/net/tun", "type": "c", "major": 10, "minor": 200, "gid": 3},
        {"path": "/srv/pipe", "type": "p", "fileMode": 0o107640},
        {"path": "/dev/ptmx", "type": "c", "major": 5, "minor": 2},
    ]

    made = plan({"linux": {"devices": devices}})

    assert made.build[2:] == (
        Devices(
            directory="/dev",
            nodes=(
                Node("null", "c", 1, 3, 0o600, 1, 0),
                *DEFAULT_NODES[1:],
                Node("fuse", "c", 10, 229),
            ),
            links=DEFAULT_LINKS,
        ),
        Devices(directory="/dev/net", nodes=(Node("tun", "c", 10, 200, 0o666, 0, 3),)),
        Devices(directory="/srv", nodes=(Node("pipe", "p", mode=0o7640),)),
    )


def test_a_bound_dev_is_left_alone(plan):
    """
    The host's /dev has its nodes already, and they are not ours to change.
    """
    made = plan({"mounts": [mount("/dev", "bind", "/dev", "rbind")]})

    assert not any(isinstance(step, Devices) for step in made.build)


@pytest.mark.parametrize(
    "given",
    [
        {"host": Host(user_namespace=True)},
        {
            "changes": {
                "linux": {
                    "namespaces": [{"type": "mount"}, {"type": "user"}],
                    "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}],
                    "gidMappings": [{"containerID": 0, "hostID": 1, "size": 1}],
                }
            }
        },
    ],
    ids=["nested", "own-user-namespace"],
)
def test_in_a_user_namespace_devices_are_bound(plan, given):
    """
    mknod is not allowed there.
    """
    assert plan(given.get("changes"), host=given.get("host")).build[-1] == DEV.replace(bind=True)


def test_core_is_linked_where_the_host_has_it(plan):
    """
    /dev/core leads to /proc/kcore.
    """
    assert plan(host=Host(kcore=True)).build[-1].links == (*DEFAULT_LINKS, CORE_LINK)


# The end


def test_the_root_is_closed_in_this_order(plan):
    """
    Working directory, late mounts, the root, read-only paths, and masks on top, each once.
    """
    made = plan(
        {
            "process": {"cwd": "/srv"},
            "root": {"path": "rootfs", "readonly": True},
            "mounts": [mount("/t", "tmpfs", "t", "ro")],
            "linux": {
                "sysctl": {"kernel.sem": "1"},
                "readonlyPaths": ["/proc/sys"],
                "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/kcore"],
            },
        }
    )

    assert [step.describe() for step in made.finish] == [
        "write sysctl kernel.sem = 1",
        "make the directory /srv",
        "make /t read-only",
        "make the root read-only",
        "make /proc/sys read-only",
        "mask /proc/kcore",
        "mask /proc/keys",
        "see that masked and read-only paths are covered",
    ]
    assert isinstance(made.finish[3], RootReadOnly)
    assert made.finish[4:6] == (ReadOnlyPath("/proc/sys"), Mask("/proc/kcore"))


# Mounts that are added later


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            mount("/a", "bind", "src", "rbind", "ro"),
            BindMount(source="/b/src", destination="/a", change=True, set=RO, keep=True,
                      propagation=("rslave",)),
            id="relative-source-is-in-the-bundle",
        ),
        pytest.param(
            mount("//t/", "tmpfs", "t", "ro", "size=1k"),
            NewMount(kind="tmpfs", source="t", destination="/t", set=RO, data=("size=1k",),
                     keep=True),
            id="read-only-at-once",
        ),
        pytest.param(
            mount("/a", "proc", "/proc/sys", "bind"),
            BindMount(source="/proc/sys", destination="/a", recursive=False, keep=True,
                      propagation=("rslave",)),
            id="a-bind-whatever-its-type",
        ),
    ],
)  # fmt: skip
def test_an_added_mount_is_a_step_that_keeps_its_handle(given, expected):
    """
    Its path may lead elsewhere by the time that it has to be taken away again.
    """
    assert added_step(Mount.from_json(given), Linux(), "/b") == expected


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (None, ("rslave", "private")),
        ("slave", ("rslave", "private")),
        ("unbindable", ("rslave", "private")),
        ("rprivate", ("rprivate", "private")),
        ("rshared", ("private",)),
    ],
)
def test_an_added_bind_is_tied_to_the_host_as_the_root_is(root, expected):
    """
    Then comes what the mount itself asks for.
    """
    given = Mount.from_json(mount("/a", "bind", "/src", "bind", "private"))

    assert added_step(given, Linux(rootfs_propagation=root), "/b").propagation == expected


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (mount("/x", "tmpfs", "t", "remount", "ro"), "remount"),
        (mount("/x", "bind", "/s", "bind", "idmap"), "id-mapped"),
        (mount("/x", "overlay", "o", "lowerdir=" + "x" * 256), "options of more than 255 bytes"),
        *[(mount("/x", kind), f"type {kind}")
          for kind in ("cgroup", "cgroup2", "mqueue", "proc", "sysfs")],
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_only_mounted_when_a_container_is_created(given, why):
    """
    Made by the runtime it would show the host's processes, network or messages.
    """
    with pytest.raises(SpecError) as e:
        added_step(Mount.from_json(given), Linux(), "/b")

    assert str(e.value) == f"mount /x: {why} only when a container is created"
