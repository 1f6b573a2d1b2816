"""The cgroup mount for every layout of the host: whole lists of steps."""

import errno

import pytest

from libcontainer.errors import StepFailed
from libcontainer.kernel import constants as c
from libcontainer.rootfs.cgroupfs import Cgroup2Mount, cgroup_steps, path_name
from libcontainer.rootfs.devices import Devices, Link
from libcontainer.rootfs.options import parse
from libcontainer.rootfs.steps import BindMount, LateReadOnly, NewMount
from libcontainer.step import apply_all

DESTINATION = "/sys/fs/cgroup"
OPTIONS = parse(("nosuid", "noexec", "nodev", "relatime", "ro"))
STRICT = c.MOUNT_ATTR_NOSUID | c.MOUNT_ATTR_NOEXEC | c.MOUNT_ATTR_NODEV
RO = c.MOUNT_ATTR_RDONLY
V1 = {
    "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/box",
    "memory": "/sys/fs/cgroup/memory/box",
    "name=systemd": "/sys/fs/cgroup/systemd/box",
}
HYBRID = V1 | {"": "/sys/fs/cgroup/unified/box"}
TOP = NewMount(
    kind="tmpfs",
    source="cgroup",
    destination=DESTINATION,
    set=STRICT,
    data=("mode=755",),
    keep=True,
)
LINKS = Devices(
    directory=DESTINATION,
    links=(Link("cpu", "cpu,cpuacct"), Link("cpuacct", "cpu,cpuacct")),
)
LATE = [LateReadOnly(destination=DESTINATION)]


def real(name, *data):
    return NewMount(
        kind="cgroup",
        source="cgroup",
        destination=f"{DESTINATION}/{name}",
        set=STRICT | RO,
        data=data,
    )


def bound(name, source):
    return BindMount(
        source=source,
        destination=f"{DESTINATION}/{name}",
        change=True,
        set=STRICT | RO,
        optional=True,  # a user without rights has no cgroup of his own there
    )


def unified(name, instead):
    return Cgroup2Mount(
        kind="cgroup2",
        source="cgroup",
        destination=f"{DESTINATION}{name}",
        set=STRICT | RO,
        tree=instead,
    )


BINDS = [
    bound("cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/box"),
    bound("memory", "/sys/fs/cgroup/memory/box"),
    bound("systemd", "/sys/fs/cgroup/systemd/box"),
]
REAL = [
    real("cpu,cpuacct", "cpu", "cpuacct"),
    real("memory", "memory"),
    real("systemd", "none", "name=systemd"),
]
UNIFIED = "/sys/fs/cgroup/unified/box"


@pytest.mark.parametrize(
    ("cgroups", "v2", "namespace", "steps", "late"),
    [
        pytest.param(V1, False, False, [TOP, *BINDS, LINKS], LATE, id="v1-host-namespace"),
        pytest.param(V1, False, True, [TOP, *REAL, LINKS], LATE, id="v1-own-namespace"),
        pytest.param(
            HYBRID, False, False, [TOP, *BINDS, bound("unified", UNIFIED), LINKS], LATE,
            id="hybrid-host-namespace",
        ),
        pytest.param(
            HYBRID, False, True, [TOP, *REAL, unified("/unified", UNIFIED), LINKS], LATE,
            id="hybrid-own-namespace",
        ),
        pytest.param(
            {"": "/sys/fs/cgroup/box"}, True, True, [unified("", "/sys/fs/cgroup/box")], [],
            id="v2-own-namespace",
        ),
        pytest.param(
            {"": "/sys/fs/cgroup/box"}, True, False, [unified("", "/sys/fs/cgroup")], [],
            id="v2-host-namespace",
        ),
        pytest.param({}, True, True, [unified("", "/sys/fs/cgroup")], [], id="v2-without-cgroup"),
        pytest.param({}, False, False, [TOP], LATE, id="v1-without-cgroup"),
    ],
)  # fmt: skip
def test_steps_of_a_cgroup_mount(cgroups, v2, namespace, steps, late):
    """
    Real mounts in a cgroup namespace, binds of the own cgroup without one; v1 below a tmpfs that
    turns read-only once it is filled.
    """
    found = cgroup_steps(DESTINATION, OPTIONS, cgroups=cgroups, unified=v2, namespace=namespace)

    assert found == (steps, late)


def test_a_writable_tree_is_not_closed_later():
    """
    Without `ro` nothing comes back to the tmpfs.
    """
    steps, late = cgroup_steps(
        DESTINATION, parse(("nosuid",)), cgroups=V1, unified=False, namespace=False
    )

    assert late == []
    assert not steps[0].keep
    assert [step.set for step in steps[:2]] == [c.MOUNT_ATTR_NOSUID] * 2


@pytest.mark.parametrize(
    ("hierarchy", "name"),
    [("memory", "memory"), ("name=systemd", "systemd"), ("", "unified"), ("a,b", "a,b")],
)
def test_names_of_hierarchies(hierarchy, name):
    """
    Directories have the names that programs look for.
    """
    assert path_name(hierarchy) == name


@pytest.mark.parametrize("code", [errno.EPERM, errno.EBUSY])
@pytest.mark.parametrize("refused", ["fsmount", "fsconfig_create"])
def test_a_refused_cgroup2_is_bound_instead(kernel, rootfs, tmp_path, no_leak, refused, code):
    """
    The bind shows what the mount would have shown; its tree keeps every restriction
    (CVE-2023-25809).
    """
    kernel.fail[refused] = code
    step = unified("", str(tmp_path))

    apply_all([step], rootfs, kernel)

    tree = f"tree {tmp_path}"
    calls = [call for call in kernel.calls if call[0] not in ("openat2", "file_system")]
    cleared = c.MOUNT_ATTR_NODIRATIME | c.MOUNT_ATTR_NOSYMFOLLOW
    assert calls[calls.index(("open_tree", ("cwd", str(tmp_path), 0x8001))) :] == [
        ("open_tree", ("cwd", str(tmp_path), c.OPEN_TREE_CLONE | c.AT_RECURSIVE)),
        ("mount_setattr", (tree, STRICT | RO, 0, 0, True)),
        ("mount_setattr", (tree, STRICT | RO, cleared, 0, False)),
        ("move_mount", (tree, "open /sys/fs/cgroup", "")),
    ]


def test_another_refusal_of_cgroup2_stands(kernel, rootfs, no_leak):
    """
    Only what a user namespace or an older mount explains is worked around.
    """
    kernel.fail["fsmount"] = errno.ENODEV

    with pytest.raises(StepFailed, match="^mount cgroup2 on /sys/fs/cgroup: fsmount") as e:
        apply_all([unified("", "/")], rootfs, kernel)

    assert e.value.errno == errno.ENODEV
    assert "open_tree" not in kernel.names
