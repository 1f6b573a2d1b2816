"""Groups of resctrl, in a folder that looks like one."""

import pytest

from libcontainer.adjustments import adjust
from libcontainer.errors import InitFailed, SpecError
from libcontainer.rdt import Rdt, mount_point, plan_rdt, remove
from libcontainer.spec.linux import LinuxIntelRdt


@pytest.fixture
def resctrl(tmp_path):
    """A mount with a group of others; files are there before they are written, as the kernel's."""
    (tmp_path / "info").mkdir()
    (tmp_path / "info/last_cmd_status").write_text("ok\n")
    for group in (tmp_path, tmp_path / "gold"):
        (group / "mon_groups").mkdir(parents=True)
        for name in ("schemata", "tasks"):
            (group / name).touch()
    (tmp_path / "gold/schemata").write_text("    MB:0= 70;1=100\n    L3:0=00ff;1=f\n")
    return tmp_path


def rdt(resctrl, **given):
    return plan_rdt(LinuxIntelRdt(**given), "box", str(resctrl))


def made(group):
    """Do what the kernel does when a group is made."""
    group.mkdir()
    (group / "mon_groups").mkdir()
    (group / "schemata").touch()
    (group / "tasks").touch()


def test_own_group_is_named_after_the_container(resctrl):
    """
    Without closID the group is ours: it is made, filled, and removed with the container.
    """
    found = rdt(resctrl, l3_cache_schema="L3:0=f\nMB:0=1", mem_bw_schema="MB:0=70", schemata=("X",))

    assert found.lines == ("L3:0=f", "MB:0=70", "X")
    assert found.directories() == (f"{resctrl}/box",)


def test_process_enters(resctrl, kernel):
    """
    Schemata first, then the process.
    """
    made(resctrl / "box")

    adjust([rdt(resctrl, mem_bw_schema="MB:0=70")], 7, kernel)

    assert (resctrl / "box/schemata").read_text() == "MB:0=70\n"
    assert (resctrl / "box/tasks").read_text() == "7"


def test_group_of_others_is_compared(resctrl, kernel):
    """
    An existing group with the same values is joined and not written.
    """
    before = (resctrl / "gold/schemata").read_text()

    adjust([rdt(resctrl, clos_id="gold", l3_cache_schema="L3:0=ff;1=f")], 7, kernel)

    assert (resctrl / "gold/schemata").read_text() == before
    assert (resctrl / "gold/tasks").read_text() == "7"
    assert rdt(resctrl, clos_id="gold").directories() == ()


@pytest.mark.parametrize("given", [{"l3_cache_schema": "L3:0=f"}, {"mem_bw_schema": "MB:0=10"}])
def test_group_with_other_values_is_refused(resctrl, kernel, given):
    """
    Nobody changes a group that others are in.
    """
    with pytest.raises(InitFailed, match="has another schema"):
        adjust([rdt(resctrl, clos_id="gold", **given)], 7, kernel)

    assert (resctrl / "gold/tasks").read_text() == ""


def test_missing_group_without_schema_is_refused(resctrl, kernel):
    """
    There is nothing to make it of.
    """
    with pytest.raises(InitFailed, match="no such group"):
        adjust([rdt(resctrl, clos_id="silver")], 7, kernel)


def test_root_group(resctrl, kernel):
    """
    `/` is the group of everybody.
    """
    adjust([rdt(resctrl, clos_id="/")], 7, kernel)

    assert (resctrl / "tasks").read_text() == "7"


def test_monitoring(resctrl, kernel):
    """
    The monitoring group lies below the group, and is ours.
    """
    made(resctrl / "gold/mon_groups/box")
    found = rdt(resctrl, clos_id="gold", enable_monitoring=True)

    adjust([found], 7, kernel)

    assert (resctrl / "gold/mon_groups/box/tasks").read_text() == "7"
    assert found.directories() == (f"{resctrl}/gold/mon_groups/box",)


def test_refusal_tells_what_the_kernel_says(resctrl, kernel):
    """
    The kernel's own explanation is in a file.
    """
    (resctrl / "info/last_cmd_status").write_text("out of CLOSIDs\n")
    (resctrl / "gold/tasks").unlink()

    with pytest.raises(InitFailed, match=r"no such file or directory \(out of CLOSIDs\)"):
        adjust([rdt(resctrl, clos_id="gold")], 7, kernel)


def test_no_resctrl(resctrl):
    """
    A document that asks for it on a host without is refused.
    """
    with pytest.raises(SpecError, match="Intel RDT is not enabled"):
        plan_rdt(LinuxIntelRdt(), "box", None)


def test_mount_point():
    """
    The mount is where the host has it, blanks and all.
    """
    line = "36 25 0:31 / /mnt/é\\040b\\134c rw,relatime shared:9 - resctrl resctrl rw,cdp\n"

    assert mount_point("1 0 0:1 / / rw - ext4 /dev/vda rw\n" + line) == "/mnt/é b\\c"
    assert mount_point("1 0 0:1 / / rw - ext4 /dev/vda rw\n") is None


def test_remove_is_content_with_nothing(tmp_path):
    """
    Groups that have gone are no fault.
    """
    (tmp_path / "box").mkdir()

    remove((str(tmp_path / "none"), str(tmp_path / "box")))

    assert not (tmp_path / "box").exists()


def test_written_form(resctrl):
    """
    A group survives JSON, with its class name.
    """
    found = rdt(resctrl, clos_id="gold")

    assert Rdt.from_json(found.to_json()) == found
