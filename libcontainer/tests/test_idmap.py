"""User namespaces: maps and who writes them."""

import errno
import os
import pickle

import pytest

from libcontainer.idmap import IdRange, Mapping, MappingRefused, in_user_namespace, write_maps

TWO = (IdRange(0, 100000, 1000), IdRange(1000, 5, 1))
ONE = (IdRange(0, 1000, 1),)


def test_root_writes_both_maps(kernel):
    """
    One line for each range; setgroups stays allowed.
    """
    write_maps(42, Mapping(TWO, ONE), kernel, euid=0, egid=0)

    assert kernel.calls == [
        ("write_file", ("/proc/42/uid_map", "0 100000 1000\n1000 5 1\n")),
        ("write_file", ("/proc/42/gid_map", "0 1000 1\n")),
    ]


def test_a_user_writes_a_map_of_himself(kernel):
    """
    After giving up setgroups, which the kernel demands before the gid map.
    """
    write_maps(42, Mapping(ONE, ONE), kernel, euid=1000, egid=1000)

    assert kernel.calls == [
        ("write_file", ("/proc/42/uid_map", "0 1000 1\n")),
        ("write_file", ("/proc/42/setgroups", "deny")),
        ("write_file", ("/proc/42/gid_map", "0 1000 1\n")),
    ]


def test_a_refused_map_is_an_error(kernel):
    """
    The kernel's answer comes through.
    """
    kernel.fail["write_file"] = errno.EPERM

    with pytest.raises(PermissionError):
        write_maps(42, Mapping(ONE, ONE), kernel, euid=0, egid=0)

    assert len(kernel.calls) == 1


HELPER = """#!/bin/sh
echo "$0 $* [$(env | grep -v ^PWD= | grep -v ^SHLVL= | grep -v ^_=)]" >> {log}
echo "said by $0" >&2
exit {status}
"""


@pytest.fixture
def helpers(tmp_path, privately):
    """Run a function where newuidmap and newgidmap are scripts that only tell how they were run."""

    def run(function, *, status=0, only=("newuidmap", "newgidmap")):
        log = tmp_path / "log"
        log.touch()
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in only:
            (folder / name).write_text(HELPER.format(log=log, status=status))
            (folder / name).chmod(0o755)

        def body():
            from libcontainer.kernel.linux import LinuxKernel

            real = LinuxKernel()
            for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/local/bin"):
                for name in ("newuidmap", "newgidmap"):
                    if os.path.exists(f"{place}/{name}") and not os.path.islink(place):
                        source = folder / name if name in only else "/dev/null"
                        real.mount(str(source), f"{place}/{name}", "", 0x1000)
            if not os.path.exists("/usr/bin/newuidmap"):
                real.mount(str(folder), "/usr/local/bin", "", 0x1000)
            function()

        privately(body)
        return log.read_text()

    return run


@pytest.mark.root
def test_more_ids_need_the_helpers(helpers, kernel):
    """
    newuidmap and newgidmap get the pid and the ranges, and no environment.
    """

    def body():
        write_maps(42, Mapping(TWO, TWO), kernel, euid=1000, egid=1000)
        assert kernel.calls == []

    said = helpers(body).splitlines()

    assert [line.split(" ", 1)[0].rpartition("/")[2] for line in said] == ["newuidmap", "newgidmap"]
    assert {line.split(" ", 1)[1] for line in said} == {"42 0 100000 1000 1000 5 1 []"}


@pytest.mark.root
def test_each_map_goes_its_own_way(helpers, kernel):
    """
    One's own uid is written directly even if the groups need a helper.
    """

    def body():
        write_maps(42, Mapping(ONE, TWO), kernel, euid=1000, egid=1000)
        assert kernel.calls == [("write_file", ("/proc/42/uid_map", "0 1000 1\n"))]

    assert helpers(body).count("newgidmap") == 1


@pytest.mark.root
def test_what_a_helper_says_is_told(helpers, kernel):
    """
    A helper that fails is quoted.
    """

    def body():
        with pytest.raises(MappingRefused, match=r"^map ids with newuidmap: said by /.*newuidmap$"):
            write_maps(42, Mapping(TWO, TWO), kernel, euid=1000, egid=1000)

    assert helpers(body, status=1).count("\n") == 1


@pytest.mark.root
def test_a_missing_helper_is_named(helpers, kernel):
    """
    The error says which package has it.
    """

    def body():
        with pytest.raises(MappingRefused, match=r"newuidmap: not found \(install .*uidmap\)") as e:
            write_maps(42, Mapping(TWO, ONE), kernel, euid=1000, egid=1000)
        assert e.value.errno == errno.ENOENT
        assert pickle.loads(pickle.dumps(e.value)).args == e.value.args

    helpers(body, only=())


@pytest.mark.parametrize(
    ("id", "outside"), [(0, 100000), (999, 100999), (1000, 5), (1001, None), (2**31, None)]
)
def test_ids_of_the_host(id, outside):
    """
    A container's id is somebody on the host, or nobody.
    """
    mapping = Mapping(TWO, TWO)

    assert mapping.host_uid(id) == outside
    assert mapping.host_gid(id) == outside


@pytest.mark.parametrize(
    ("euid", "gids", "denied"),
    [(0, ONE, False), (1000, ONE, True), (1000, TWO, False), (1000, TWO[:1], False)],
)
def test_who_gives_up_setgroups(euid, gids, denied):
    """
    Only a user who maps one group, which the kernel lets him do on that condition.
    """
    assert Mapping(ONE, gids).denies_setgroups(euid) is denied


@pytest.mark.parametrize(
    ("text", "nested"),
    [
        ("         0          0 4294967295\n", False),
        ("0 100000 65536\n", True),
        ("0 0 65536\n", True),
        ("0 0 1\n1 1 4294967294\n", True),
        ("", True),
    ],
)
def test_whether_this_is_a_user_namespace(text, nested):
    """
    The first one maps every id to itself in one line.
    """
    assert in_user_namespace(text) is nested
