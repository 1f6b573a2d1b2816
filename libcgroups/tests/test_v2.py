import errno
import os
import re

import pytest

from libcgroups import (
    CgroupError,
    ControlFileError,
    ControllerMissing,
    LinuxBlockIO,
    LinuxCPU,
    LinuxHugepageLimit,
    LinuxMemory,
    LinuxNetwork,
    LinuxPids,
    LinuxRdma,
    LinuxResources,
    LinuxThrottleDevice,
    LinuxWeightDevice,
)
from libcgroups.files import Directory, Write
from libcgroups.v2 import cpu, io, memory, tree, unified


def case(id_, resources, **files):
    return pytest.param(
        LinuxResources(**resources), {k.replace("__", "."): v for k, v in files.items()}, id=id_
    )


@pytest.mark.parametrize(
    ("resources", "files"),
    [
        case("nothing", {}),
        case(
            "memory",
            {"memory": LinuxMemory(limit=10, swap=30, reservation=5)},
            memory__max="10",
            memory__swap__max="20",
            memory__low="5",
        ),
        case(
            "memory-without-swap",
            {"memory": LinuxMemory(limit=10, swap=10)},
            memory__max="10",
            memory__swap__max="0",
        ),
        case("memory-only-v1-has", {"memory": LinuxMemory(swappiness=5, disable_oom_killer=True)}),
        case(
            "cpu",
            {"cpu": LinuxCPU(shares=2048, quota=5000, period=20000, burst=100)},
            cpu__weight="174",
            cpu__max="5000 20000",
            cpu__max__burst="100",
        ),
        case("quota-alone", {"cpu": LinuxCPU(quota=5000)}, cpu__max="5000 100000"),
        case("period-alone", {"cpu": LinuxCPU(period=5000)}, cpu__max="max 5000"),
        case("idle-without-weight", {"cpu": LinuxCPU(idle=1, shares=5)}, cpu__idle="1"),
        case("realtime-is-ignored", {"cpu": LinuxCPU(realtime_period=5)}),
        case(
            "cpuset",
            {"cpu": LinuxCPU(cpus="0-1", mems="0")},
            cpuset__cpus="0-1",
            cpuset__mems="0",
        ),
        case("pids", {"pids": LinuxPids(limit=5)}, pids__max="5"),
        case("pids-zero", {"pids": LinuxPids(limit=0)}, pids__max="1"),
        case("io-weight", {"block_io": LinuxBlockIO(weight=500)}, io__weight="4950"),
        case(
            "io-throttle",
            {"block_io": LinuxBlockIO(throttle_write_iops_device=(LinuxThrottleDevice(8, 0, 3),))},
            io__max="8:0 wiops=3",
        ),
        case(
            "hugetlb",
            {"hugepage_limits": (LinuxHugepageLimit("2MB", 4096),)},
            hugetlb__2MB__max="4096",
            hugetlb__2MB__rsvd__max="4096",
        ),
        case("network-is-ignored", {"network": LinuxNetwork(class_id=5)}),
        case("rdma", {"rdma": {"mlx5_1": LinuxRdma(3)}}, rdma__max="mlx5_1 hca_handle=3"),
        case(
            "unified-is-last",
            {"pids": LinuxPids(limit=5), "unified": {"pids.max": "7", "memory.high": "9\n"}},
            pids__max="7",
            memory__high="9",
        ),
    ],
)
def test_limits(v2, resources, files):
    """
    Each limit is in its file afterwards, and no other file is touched.
    """
    v2.open("/a/b").apply(resources)

    assert v2.changed("/a/b") == files


@pytest.mark.parametrize(
    ("shares", "weight"),
    [
        (0, 1), (2, 1), (10, 4), (100, 17), (256, 35), (512, 59), (1000, 99), (1024, 100),
        (2048, 174), (4096, 303), (10000, 627), (100000, 4340), (262144, 10000), (10**9, 10000),
    ],
)  # fmt: skip
def test_shares_to_weight(shares, weight):
    """
    The curve goes through the ends and the defaults of both scales.
    """
    assert cpu.weight(shares) == weight


@pytest.mark.parametrize(("v1", "v2"), [(10, 1), (100, 910), (500, 4950), (1000, 10000)])
def test_io_weight(v1, v2):
    """
    v1's 10 to 1000 becomes 1 to 10000.
    """
    assert io.weight(v1) == v2


@pytest.mark.parametrize(
    ("limit", "swap", "alone"),
    [
        pytest.param(None, None, None, id="nothing"),
        pytest.param(5, None, None, id="swap-untouched"),
        pytest.param(-1, None, -1, id="all-unlimited"),
        pytest.param(5, -1, -1, id="swap-unlimited"),
        pytest.param(-1, 7, 7, id="memory-unlimited"),
        pytest.param(5, 5, 0, id="no-swap"),
        pytest.param(5, 8, 3, id="difference"),
    ],
)
def test_swap_alone(limit, swap, alone):
    """
    The spec counts memory and swap together, v2 swap alone.
    """
    assert memory.swap_alone(LinuxMemory(limit=limit, swap=swap)) == alone


@pytest.mark.parametrize(
    ("limit", "swap", "text"),
    [
        (None, 5, "unable to set swap limit without memory limit"),
        (5, 4, "memory+swap limit should be >= memory limit"),
    ],
)
def test_impossible_swap(limit, swap, text):
    """
    A sum without or below its part cannot be met.
    """
    with pytest.raises(CgroupError, match=re.escape(text)):
        memory.swap_alone(LinuxMemory(limit=limit, swap=swap))


@pytest.mark.parametrize(
    ("resources", "text"),
    [
        (LinuxMemory(limit=5, check_before_update=True), "rejecting memory limit 5 <= usage 10"),
        (
            LinuxMemory(limit=20, swap=25, check_before_update=True),
            "rejecting memory+swap limit 5 <= usage 30",
        ),
    ],
)
def test_check_before_update(v2, resources, text):
    """
    A limit below what is in use would kill; who asks for the check gets an error instead.
    """
    manager = v2.open("/a")
    v2.write("/a", "memory.current", "10\n")
    v2.write("/a", "memory.swap.current", "30\n")

    with pytest.raises(CgroupError, match=re.escape(text)):
        manager.apply(LinuxResources(memory=resources))

    assert v2.read("/a", "memory.max") == "max"


def test_bfq_takes_the_weight_as_it_is(v2):
    """
    BFQ's scale is the spec's.
    """
    manager = v2.open("/a")
    v2.file("/a", "io.weight").with_name("io.bfq.weight").touch()

    manager.apply(
        LinuxResources(
            block_io=LinuxBlockIO(weight=50, weight_device=(LinuxWeightDevice(8, 0, 9),))
        )
    )

    assert v2.read("/a", "io.bfq.weight") == "8:0 9"
    assert v2.read("/a", "io.weight") == "default 100"


def test_no_swap_file_is_no_error_for_no_swap(v2):
    """
    Without swap accounting there is no swap to be refused.
    """
    manager = v2.open("/a")
    os.unlink(v2.file("/a", "memory.swap.max"))

    manager.apply(LinuxResources(memory=LinuxMemory(limit=5, swap=5)))
    with pytest.raises(ControlFileError):
        manager.apply(LinuxResources(memory=LinuxMemory(limit=5, swap=6)))


def test_controllers_are_handed_down_to_the_parent(v2):
    """
    Every cgroup above ours enables what it has; ours is left to who lives there.
    """
    v2.open("/a/b/c")

    for path in ("/", "/a", "/a/b"):
        assert v2.read(path, "cgroup.subtree_control").startswith("+cpuset +cpu +io")
    assert v2.read("/a/b/c", "cgroup.subtree_control") == ""


def test_what_is_enabled_is_not_enabled_again(v2):
    """
    Nothing is written where nothing is missing.
    """
    v2.write("/", "cgroup.subtree_control", "cpuset cpu io memory hugetlb pids rdma misc")

    v2.open("/a")

    assert not v2.read("/", "cgroup.subtree_control").startswith("+")


def test_create_returns_the_directory(v2):
    """
    The descriptor is for CLONE_INTO_CGROUP, and closed at exec.
    """
    v2.make("/a")

    fd = v2.manager("/a").create()

    assert os.path.samestat(os.fstat(fd), os.stat(f"{v2.root}/a"))
    assert not os.get_inheritable(fd)
    os.close(fd)


def test_refused_cgroup_stays_as_it_is(v2):
    """
    A cgroup that somebody else uses is refused and not removed.
    """
    v2.make("/a/b")
    v2.write("/a/b", "cgroup.procs", "5\n")

    with pytest.raises(CgroupError, match=re.escape("not empty: 1 process(es) found")):
        v2.manager("/a/b").create()

    assert os.path.isdir(f"{v2.root}/a/b")


@pytest.mark.parametrize(
    "key", [pytest.param("../x.y", id="path"), pytest.param("procs", id="no-controller")]
)
def test_unified_keys_are_file_names(v2, key):
    """
    A key cannot lead out of the cgroup.
    """
    with pytest.raises(CgroupError, match="must be a file name"):
        v2.open("/a").apply(LinuxResources(unified={key: "1"}))


def test_unified_lines_are_written_one_by_one(tmp_path):
    """
    Files such as io.max take one line at a time.
    """
    resources = LinuxResources(unified={"io.max": "8:0 rbps=1\n8:16 rbps=2"})

    assert list(unified.writes(resources, Directory(str(tmp_path)))) == [
        Write("io.max", "8:0 rbps=1"),
        Write("io.max", "8:16 rbps=2"),
    ]


def test_unified_names_the_missing_controller(v2):
    """
    A missing controller is another error than a missing file.
    """
    manager = v2.open("/a")

    with pytest.raises(ControllerMissing) as e:
        manager.apply(LinuxResources(unified={"dmem.max": "1"}))
    with pytest.raises(ControlFileError):
        manager.apply(LinuxResources(unified={"memory.nosuch": "1"}))

    assert str(e.value) == (
        'unified resource "dmem.max" can\'t be set: controller "dmem" not available'
    )


@pytest.mark.parametrize(
    ("available", "handed", "text"),
    [
        ("cpu", "cpu", "memory is not available in /"),
        ("cpu memory", "cpu", "memory is not delegated by / (systemd: Delegate=memory"),
    ],
)
def test_missing_controller_says_where_it_ends(v2, available, handed, text):
    """
    The error names the cgroup that does not hand the controller down, and what to do.
    """
    manager = v2.open("/a")
    os.unlink(v2.file("/a", "memory.max"))
    v2.write("/a", "cgroup.controllers", "cpu\n")
    v2.write("/", "cgroup.controllers", available + "\n")
    v2.write("/", "cgroup.subtree_control", handed + "\n")

    with pytest.raises(ControllerMissing, match=re.escape(text)):
        manager.apply(LinuxResources(memory=LinuxMemory(limit=5)))


def test_threaded_parent(v2):
    """
    Below a threaded cgroup a new one becomes threaded, unless a limit needs it not to be.
    """
    v2.make("/a")
    v2.write("/a", "cgroup.type", "domain invalid\n")
    directory = Directory(f"{v2.root}/a")

    with pytest.raises(CgroupError, match="threaded"):
        tree.settle_type(directory, needs_domain=True)
    tree.settle_type(directory, needs_domain=False)

    assert v2.read("/a", "cgroup.type") == "threaded"


@pytest.fixture
def refused(monkeypatch):
    """A user who may not make cgroups."""

    def mkdir(path, mode):
        raise OSError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr("libcgroups.files.posix.mkdir", mkdir)


def test_rootless_goes_without_where_nobody_asked(v2, refused):
    """
    Without rights, without a path and without limits a container runs where its maker is.
    """
    manager = v2.manager(None, rootless=True)

    assert manager.create(LinuxResources(devices=())) is None
    manager.add(1)
    manager.apply(LinuxResources(devices=()))
    assert manager.to_state().paths == {}
    assert manager.open_entry() is None
    assert manager.pids() == ()
    manager.remove()


@pytest.mark.parametrize(
    ("path", "resources"),
    [
        pytest.param("/a", LinuxResources(), id="a-path-was-asked-for"),
        pytest.param(None, LinuxResources(pids=LinuxPids(limit=1)), id="a-limit-was-asked-for"),
    ],
)
def test_rootless_cannot_go_without(v2, refused, path, resources):
    """
    What cannot be met is an error, never dropped.
    """
    with pytest.raises(CgroupError, match="rootless needs no limits"):
        v2.manager(path, rootless=True).create(resources)


def test_root_never_goes_without(v2, refused):
    """
    The tolerance is for rootless only.
    """
    with pytest.raises(ControlFileError, match="mkdir .*/box: permission denied"):
        v2.manager(None).create()


def test_delegation_gives_the_listed_files(v2, monkeypatch):
    """
    The directory and the kernel's list of files change hands, limits do not.
    """
    given = []
    monkeypatch.setattr(
        "libcgroups.v2.tree.posix.chown", lambda path, uid, gid, **_: given.append((path, uid, gid))
    )
    manager = v2.open("/a")

    manager.chown(1000)

    assert (manager.path, 1000, -1) in given
    assert (f"{manager.path}/cgroup.procs", 1000, -1) in given
    assert not [path for path, _, _ in given if path.endswith("memory.max")]


def test_page_size_is_no_path(v2):
    """
    A file's name cannot lead out of the cgroup, whatever a document says.
    """
    limit = (LinuxHugepageLimit("2MB/../../../x", 1),)

    with pytest.raises(CgroupError, match="is not the name of a control file"):
        v2.open("/a").apply(LinuxResources(hugepage_limits=limit))


def test_interrupted_freeze_leaves_nobody_frozen(v2, monkeypatch):
    """
    A handler may raise while the processes are waited for.
    """
    manager = v2.open("/a")

    def interrupted():
        raise KeyboardInterrupt

    monkeypatch.setattr("libcgroups.v2.freezer.select.poll", interrupted)

    with pytest.raises(KeyboardInterrupt):
        manager.freeze()

    assert v2.read("/a", "cgroup.freeze") == "0"


def test_freeze_of_a_cgroup_that_goes(v2):
    """
    Is an error like any other of a control file.
    """
    manager = v2.open("/a")
    os.unlink(v2.file("/a", "cgroup.events"))

    with pytest.raises(ControlFileError, match=r"^read cgroup.events of /a: no such file"):
        manager.freeze()

    assert v2.read("/a", "cgroup.freeze") == "0"
