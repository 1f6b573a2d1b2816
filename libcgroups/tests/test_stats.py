import os

from libcgroups.stats import (
    BlkioEntry,
    CpuStats,
    HugetlbStats,
    MemoryUse,
    PidsStats,
    Pressure,
    Psi,
    RdmaUse,
    Stats,
)

PSI = (
    "some avg10=1.50 avg60=0.00 avg300=0.25 total=12\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
)


def test_v2(v2):
    """
    Every number has the unit that the record says, whatever the kernel's is.
    """
    manager = v2.open("/a")
    for file, text in {
        "cpu.stat": "usage_usec 5\nuser_usec 2\nsystem_usec 3\nnr_periods 4\nnr_throttled 1\n"
        "throttled_usec 7\n",
        "memory.current": "100\n",
        "memory.max": "1000\n",
        "memory.swap.current": "10\n",
        "memory.swap.max": "50\n",
        "memory.stat": "anon 60\nfile 40\n",
        "pids.current": "3\n",
        "pids.max": "max\n",
        "io.stat": "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6\n9:0 some\n",
        "hugetlb.2MB.current": "4096\n",
        "hugetlb.2MB.events": "max 2\n",
        "rdma.current": "mlx5_1 hca_handle=1 hca_object=20\n",
        "misc.current": "res_a 3\n",
    }.items():
        v2.write("/a", file, text)
    v2.file("/a", "memory.max").with_name("memory.pressure").write_text(PSI)

    stats = manager.stats()

    assert stats.cpu == CpuStats(
        total=5000, user=2000, kernel=3000, periods=4, throttled_periods=1, throttled_time=7000
    )
    assert stats.memory.memory == MemoryUse(usage=100, limit=1000)
    assert stats.memory.swap == MemoryUse(usage=110, limit=1050)
    assert stats.memory.cache == 40
    assert stats.memory.psi == Psi(Pressure(1.5, 0, 0.25, 12), Pressure(0, 0, 0, 0))
    assert stats.pids == PidsStats(current=3)
    assert stats.blkio.service_bytes == (
        BlkioEntry(8, 0, "Read", 1), BlkioEntry(8, 0, "Write", 2), BlkioEntry(8, 0, "Discard", 5),
    )  # fmt: skip
    assert stats.hugetlb == {"2MB": HugetlbStats(usage=4096, failures=2)}
    assert stats.rdma == {"mlx5_1": RdmaUse(1, 20)}
    assert stats.misc == {"res_a": 3}


def test_v1(v1):
    """
    v1's files become the same records, with what only v1 counts.
    """
    manager = v1.open("/a")
    for file, text in {
        "cpuacct.usage": "500\n",
        "cpuacct.stat": "user 2\nsystem 3\n",
        "cpuacct.usage_percpu": "300 200 \n",
        "cpuacct.usage_all": "cpu user system\n0 100 200\n1 150 50\n",
        "cpu.stat": "nr_periods 4\nnr_throttled 1\nthrottled_time 7\n",
        "memory.usage_in_bytes": "100\n",
        "memory.limit_in_bytes": "1000\n",
        "memory.max_usage_in_bytes": "200\n",
        "memory.failcnt": "5\n",
        "memory.stat": "cache 40\n",
        "pids.current": "3\n",
        "pids.max": "10\n",
        "blkio.throttle.io_service_bytes": "8:0 Read 1\n8:0 Write 2\nTotal 3\n",
        "hugetlb.2MB.usage_in_bytes": "4096\n",
    }.items():
        v1.write("/a", file, text)

    stats = manager.stats()

    assert stats.cpu == CpuStats(
        total=500, user=20_000_000, kernel=30_000_000, per_cpu=(300, 200), per_cpu_user=(100, 150),
        per_cpu_kernel=(200, 50), periods=4, throttled_periods=1, throttled_time=7,
    )  # fmt: skip
    assert stats.memory.memory == MemoryUse(usage=100, peak=200, limit=1000, failures=5)
    assert stats.memory.kernel == MemoryUse()
    assert stats.pids == PidsStats(current=3, limit=10)
    assert stats.blkio.service_bytes == (BlkioEntry(8, 0, "Read", 1), BlkioEntry(8, 0, "Write", 2))
    assert stats.hugetlb == {"2MB": HugetlbStats(usage=4096, peak=0, failures=0)}
    assert stats.cpuset.cpus == (0, 1, 2, 3)


def test_missing_files_are_none(v2):
    """
    What this kernel does not count is None, not an error and not zero.
    """
    manager = v2.open("/a")
    for name in os.listdir(manager.path):
        if not name.startswith("cgroup"):
            os.unlink(f"{manager.path}/{name}")

    stats = manager.stats()

    assert stats == Stats(pids=PidsStats(current=0))


def test_events_shape(v1):
    """
    The `data` of a stats line: runc's keys, zeros left out.
    """
    manager = v1.open("/a")
    v1.write("/a", "cpuacct.usage", "500\n")
    v1.write("/a", "memory.usage_in_bytes", "100\n")
    v1.write("/a", "pids.current", "1\n")

    data = manager.stats().to_events()

    assert list(data) == [
        "cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt", "network_interfaces",
    ]  # fmt: skip
    assert data["cpu"] == {
        "usage": {"total": 500, "percpu": [0, 0], "percpu_kernel": [0, 0], "percpu_user": [0, 0],
                  "kernel": 0, "user": 0}
    }  # fmt: skip
    assert data["memory"]["usage"] == {"limit": 9223372036854771712, "usage": 100, "failcnt": 0}
    assert data["pids"] == {"current": 1}
    assert data["blkio"] == {}
    assert data["hugetlb"] == {"2MB": {"failcnt": 0}}
    assert data["network_interfaces"] is None


def test_events_of_devices():
    """
    Counters of devices have major, minor and operation.
    """
    entry = BlkioEntry(8, 0, "Read", 5)
    stats = Stats().replace(blkio=Stats().blkio.replace(service_bytes=(entry,)))

    assert stats.to_events()["blkio"] == {
        "ioServiceBytesRecursive": [{"major": 8, "op": "Read", "value": 5}]
    }


def test_measurements_are_records(v2):
    """
    Stats go through JSON and back.
    """
    stats = v2.open("/a").stats()

    assert Stats.from_json(stats.to_json()) == stats
