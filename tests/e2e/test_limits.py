"""How little a container needs."""

from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

SMALLEST = 512 << 10  # bytes of memory.limit that are promised to work


def test_the_smallest_memory_limit(workshop):
    """A static program runs under a limit of 512 kB, though Python built its container."""
    config = workshop.config("true")
    config["linux"]["resources"]["memory"] = {"limit": SMALLEST, "swap": SMALLEST}
    for _ in range(3):
        assert workshop.inside(config) == ""


def test_an_impossible_memory_limit(workshop):
    """Below it create says what was wrong, or lets the container start; it never hangs."""
    config = workshop.config("true")
    config["linux"]["resources"]["memory"] = {"limit": 32 << 10}
    container = workshop.try_create(config)
    if container.created.status:
        assert "memory" in container.created.stderr
    else:
        container.delete("--force")


def test_a_waiting_container_costs_little(workshop, delete_after):
    """All that is resident of a created container are some pages."""
    container = workshop.create(("sleep", "1000"))
    delete_after(container)
    text = Path(f"/proc/{container.pid}/smaps_rollup").read_text()
    sizes = dict([line.split(":", 1) for line in text.splitlines()[1:]])
    assert int(sizes["Pss"].split()[0]) <= 50  # kB


def test_create_leaves_no_helper(workshop, delete_after):
    """The waiting process is the only one there is."""
    container = workshop.create(("sleep", "1000"))
    delete_after(container)
    groups = {Path(path) for path in workshop.cgroups()}
    pids = {int(pid) for path in groups for pid in (path / "cgroup.procs").read_text().split()}
    assert pids == {container.pid}
    children = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text()
    assert children == ""


def test_cpu_bandwidth_does_not_slow_create_down(workshop, delete_after):
    """A container of one percent of a CPU is built before the limit is set."""
    config = workshop.config("sleep", "1000")
    config["linux"]["resources"]["cpu"] = {"quota": 1000, "period": 100000}
    container = workshop.create(config)
    delete_after(container)
    for path in workshop.cgroups():
        if Path(path, "cpu.cfs_quota_us").exists():
            assert Path(path, "cpu.cfs_quota_us").read_text() == "1000\n"
            text = Path(path, "cpu.stat").read_text()
            statistics = dict([line.split() for line in text.splitlines()])
            # The stub's last calls may just meet the end of a period.
            assert int(statistics["nr_throttled"]) <= 1
            return
    pytest.skip("needs the cgroup v1 controller cpu with bandwidth control")
