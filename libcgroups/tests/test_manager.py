import os
import pickle

import pytest

import libcgroups
from libcgroups import (
    BusError,
    CgroupError,
    ControlFileError,
    ControllerMissing,
    LinuxDeviceCgroup,
    LinuxPids,
    LinuxResources,
    load_manager,
    open_manager,
)
from libcgroups.testing import RecordingManager

SEEDED = ("cpuset.cpus", "cpuset.mems")  # of a fake v1's root


@pytest.mark.parametrize(
    ("fixture", "kind"), [("v1", "v1"), ("hybrid", "v1"), ("v2", "v2")], ids=["v1", "hybrid", "v2"]
)
def test_manager_is_chosen_by_what_is_mounted(request, fixture, kind):
    """
    v2 at the root itself is v2, everything else is v1, with v2 beside it or not.
    """
    tree = request.getfixturevalue(fixture)

    assert tree.manager("/a").to_state().manager == kind


def test_hybrid_has_the_v2_directory_too(hybrid):
    """
    Who looks for a process's cgroup looks in v2 too.
    """
    assert hybrid.manager("/a").paths[""] == f"{hybrid.root}/unified/a"


def test_no_systemd(v2):
    """
    systemd's manager without systemd is an error at once.
    """
    if os.path.isdir("/run/systemd/system"):
        pytest.skip("needs a host without systemd")
    with pytest.raises(CgroupError, match="systemd not running on this host, cannot use systemd"):
        open_manager(None, container_id="x", systemd=True, root=v2.root, proc=v2.proc)


@pytest.mark.parametrize("fixture", ["v1", "hybrid", "v2"])
@pytest.mark.parametrize("saved", [False, True], ids=["opened", "loaded"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_root_is_nobodys_to_kill_or_remove(request, monkeypatch, fixture, saved, slash):
    """
    A spec may say "/", where all processes of the host are, and so may a state.
    """
    tree = request.getfixturevalue(fixture)
    files = {"v1": ("cgroup.procs",), "v2": ("cgroup.procs", "cgroup.threads")}
    for file in files.get(fixture, ()):
        tree.write("/", file, "17\n")
    manager = tree.manager("/")
    if saved:
        state = manager.to_state()
        paths = {key: path.rstrip("/") + slash for key, path in state.paths.items()}
        manager = load_manager(state.replace(paths=paths))
    monkeypatch.setattr("libcgroups.files.posix.kill", lambda *_: pytest.fail("killed"))
    monkeypatch.setattr("libcgroups.files.posix.rmdir", lambda _: pytest.fail("removed"))

    with pytest.raises(CgroupError, match="is the root of its hierarchy"):
        manager.kill(9)
    manager.remove()

    assert tree.changed("/").keys() <= {"cgroup.procs", "cgroup.threads", *SEEDED}


@pytest.fixture
def disabled():
    return open_manager("/x", container_id="x", disabled=True)


def test_disabled_does_nothing(disabled):
    """
    Without cgroups a container has none, also for later commands.
    """
    assert disabled.create(LinuxResources()) is None
    disabled.add(1)
    disabled.remove()

    assert disabled.paths == {}
    assert not disabled.is_frozen()
    assert type(load_manager(disabled.to_state())) is type(disabled)


@pytest.mark.parametrize(
    "resources",
    [
        LinuxResources(pids=LinuxPids(limit=5)),
        LinuxResources(unified={"cpu.max": "max"}),
        LinuxResources(devices=(LinuxDeviceCgroup(True, "c", 1, 3, "r"),)),
    ],
    ids=["limit", "unified", "device"],
)
def test_disabled_refuses_limits(disabled, resources):
    """
    A limit that cannot be met is an error, never dropped.
    """
    with pytest.raises(CgroupError, match="^cannot set limits without cgroups$"):
        disabled.create(resources)


def test_disabled_takes_rules_for_everything(disabled):
    """
    Podman always sends a rule that denies all.
    """
    disabled.apply(LinuxResources(devices=(LinuxDeviceCgroup(False, access="rwm"),)))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda m: m.freeze(), "cannot pause the container without a cgroup"),
        (lambda m: m.pids(), "the container is not using cgroups"),
        (lambda m: m.stats(), "the container is not using cgroups"),
    ],
    ids=["freeze", "pids", "stats"],
)
def test_disabled_says_so(disabled, call, text):
    """
    What needs a cgroup says that there is none.
    """
    with pytest.raises(CgroupError, match=text):
        call(disabled)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            ControlFileError("/sys/fs/cgroup/pids/box/pids.max", "max 1", 22, "/box"),
            'write "max 1" to pids.max of /box: invalid argument',
        ),
        (
            ControlFileError("/sys/fs/cgroup/box/cpu.stat", None, 2),
            "read cpu.stat of /sys/fs/cgroup/box: no such file or directory",
        ),
        (
            ControlFileError("/sys/fs/cgroup/box", None, 13, "/box", "mkdir"),
            "mkdir /sys/fs/cgroup/box: permission denied",
        ),
        (ControllerMissing("pids", "cannot set pids limit", "no"), "cannot set pids limit: no"),
        (BusError("org.x", "StopUnit: no", 5), "StopUnit: no"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors(error, text):
    """
    An error is one line, keeps its errno, and survives pickling.
    """
    again = pickle.loads(pickle.dumps(error))

    assert str(error) == str(again) == text
    assert again.errno == error.errno
    assert isinstance(error, CgroupError)


def test_recording_manager():
    """
    A recording manager tells what was asked of it, and fails where it is told to.
    """
    manager = RecordingManager()
    manager.fail["freeze"] = CgroupError("no")
    with manager:
        manager.create()
        manager.add(17)
        with pytest.raises(CgroupError):
            manager.freeze()

    assert manager.names == ["create", "add", "freeze", "remove"]
    assert manager.calls[1] == ("add", 17, "", None)
    assert not manager.exists()


def test_public_names():
    """
    `__all__`, the lazy table and what can be imported are the same.
    """
    assert libcgroups.__all__ == sorted(libcgroups.__all__)
    assert set(libcgroups._HOME) == set(libcgroups.__all__)
    for name in libcgroups.__all__:
        assert getattr(libcgroups, name).__name__ == name
    with pytest.raises(AttributeError, match="nosuch"):
        libcgroups.nosuch  # noqa: B018
