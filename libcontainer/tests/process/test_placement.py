"""Ways into a container's cgroup."""

import os

import pytest

from libcgroups.entry import Entry
from libcgroups.errors import CgroupError, ControlFileError
from libcgroups.manager import CgroupState
from libcontainer.errors import InitFailed
from libcontainer.process import placement
from libcontainer.process.placement import Placement, parse_subs, placements

V2 = CgroupState(manager="v2", paths={"": "/sys/fs/cgroup/box"})
V1 = CgroupState(manager="v1", paths={"pids": "/p", "cpu,cpuacct": "/c"})


class Manager:
    """Opens what it is told to have, and remembers what it was asked."""

    def __init__(self, paths, *results):
        self.paths, self.results, self.asked = paths, list(results), []

    def open_entry(self, sub="", controllers=None):
        self.asked.append((sub, controllers))
        result = self.results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), {}),
        (("sub",), {"": "sub"}),
        (("a/b",), {"": "a/b"}),
        (("pids:sub",), {"pids": "sub"}),
        (("pids,cpu:sub", "memory:x"), {"pids": "sub", "cpu": "sub", "memory": "x"}),
    ],
)
def test_cgroups_below_by_controller(words, expected):
    """
    One path for all, or one for each controller.
    """
    assert parse_subs(words) == expected


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("x", "pids:y"), "invalid --cgroup argument: x (missing <controller>: prefix)"),
        ((":x",), "invalid --cgroup argument: :x (empty <controller> prefix)"),
        (("pids,:x",), "invalid --cgroup argument: pids,:x (empty <controller> prefix)"),
        (
            ("pids:x", "pids:y"),
            "invalid --cgroup argument(s): controller pids specified multiple times",
        ),
        (("../x",), "bad sub cgroup path: ../x"),
        (("pids:a/../../x",), "bad sub cgroup path: a/../../x"),
    ],
)
def test_cgroups_below_that_cannot_be(words, text):
    """
    In runc's words; none leads out of the container's.
    """
    with pytest.raises(InitFailed) as e:
        parse_subs(words)

    assert str(e.value) == text


def test_each_controller_below_is_entered_after_the_containers_own():
    """
    So a process is never in a cgroup of the runtime's.
    """
    read, write = os.pipe()
    more = os.dup(write)
    manager = Manager(V1.paths, Entry(None, (write,)), Entry(None, (more,)))

    (placement,) = placements(manager, V1, {"cpuacct": "sub"}, os.getpid())

    assert placement.tasks == (write, more)
    assert manager.asked == [("", None), ("sub", ("cpuacct",))]
    placement.close()
    os.close(read)


def test_an_unknown_controller_is_named():
    """
    It is no controller of this container.
    """
    manager = Manager(V1.paths, Entry(None))

    with pytest.raises(InitFailed, match="unknown controller bogus in --cgroup"):
        list(placements(manager, V1, {"bogus": "sub"}, os.getpid()))


def test_a_container_without_cgroup_needs_no_way():
    """
    Nobody has to be moved anywhere.
    """
    state = CgroupState(manager="disabled", paths={})

    found = list(placements(Manager({}, None), state, {}, os.getpid()))

    assert [(p.directory, p.tasks, p.moved) for p in found] == [(None, (), False)]


def test_what_cannot_be_entered_is_moved():
    """
    By main.
    """
    (placement,) = placements(Manager(V1.paths, None), V1, {}, os.getpid())

    assert placement.moved


def gone():
    return ControlFileError("/sys/fs/cgroup/box", None, 2, "", "open")


def test_a_cgroup_that_has_gone_is_told():
    """
    Where init is in none below it either.
    """
    with pytest.raises(CgroupError, match="the container's cgroup has gone"):
        list(placements(Manager(V2.paths, gone()), V2, {}, os.getpid()))


def test_where_init_has_moved_to_is_the_second_way(monkeypatch, tmp_path):
    """
    What lives in the container may have made itself a cgroup and closed the first.
    """
    (tmp_path / "box/init").mkdir(parents=True)
    state = CgroupState(manager="v2", paths={"": f"{tmp_path}/box"}, root=str(tmp_path))
    monkeypatch.setattr("libcontainer.process.placement.read_cgroups", lambda pid: "0::/box/init\n")

    first, second = placements(Manager(state.paths, Entry(None)), state, {}, 1)

    assert os.readlink(f"/proc/self/fd/{second.directory}") == f"{tmp_path}/box/init"
    second.close()


def test_a_placement_is_closed_once():
    """
    Closing it again does no harm.
    """
    placement = Placement(Entry(os.open("/", os.O_PATH)))
    placement.close()
    placement.close()

    assert placement.directory is None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (b"3:pids:/x\x0c0::/box/other\n0::/box/inner\n", "/sys/fs/cgroup/box/inner"),
        (b"3:pids:/x\xe2\x80\xa80::/box/other\n0::/elsewhere\n", None),
        (b"0::/box/a\x0cb\n", "/sys/fs/cgroup/box/a\x0cb"),
        (b"0::/box\n", None),
    ],
    ids=["a form feed", "a line separator", "in the path", "the container's own"],
)
def test_the_container_cannot_add_lines(monkeypatch, lines, expected):
    """
    The container names its cgroups; only the kernel's line feed ends a line.
    """
    monkeypatch.setattr(placement, "read_cgroups", lambda pid: lines.decode())

    assert placement._cgroup_of(7, V2) == expected
