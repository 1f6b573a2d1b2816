import json
import pathlib
import pickle

import attrs
import pytest

from libcgroups import LinuxBlockIO, LinuxMemory, LinuxResources, LinuxThrottleDevice
from libcgroups._record import BadDocument, faults

DOCUMENT = {
    "devices": [{"allow": False, "access": "rwm"}, {"allow": True, "type": "c", "major": 1}],
    "memory": {"limit": -1, "swap": 2, "kernelTCP": 3, "disableOOMKiller": True, "swappiness": 9},
    "cpu": {"shares": 2, "quota": -1, "realtimeRuntime": 5, "idle": 1, "cpus": "0-3"},
    "pids": {"limit": 0},
    "blockIO": {
        "weight": 10,
        "leafWeight": 11,
        "weightDevice": [{"major": 8, "minor": 0, "weight": 20, "leafWeight": 30}],
        "throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 1}],
        "throttleWriteBpsDevice": [{"major": 8, "minor": 0, "rate": 2}],
        "throttleReadIOPSDevice": [{"major": 8, "minor": 0, "rate": 3}],
        "throttleWriteIOPSDevice": [{"major": 8, "minor": 0, "rate": 4}],
    },
    "hugepageLimits": [{"pageSize": "2MB", "limit": 9}],
    "network": {"classID": 1048577, "priorities": [{"name": "eth0", "priority": 500}]},
    "rdma": {"mlx5_1": {"hcaHandles": 3, "hcaObjects": 10000}},
    "unified": {"memory.high": "1"},
}


def test_every_key_of_the_spec_is_read_and_written_back():
    """
    The records have every field of `linux.resources`, under the spec's keys.
    """
    resources = LinuxResources.from_json(DOCUMENT)

    assert resources.to_json() == DOCUMENT
    assert resources.block_io.throttle_write_iops_device == (LinuxThrottleDevice(8, 0, 4),)


def test_records_are_attrs_classes_to_attrs():
    """
    attrs, pickle and cattrs-like code see ordinary attrs classes.
    """
    resources = LinuxResources(memory=LinuxMemory(limit=5))

    assert attrs.asdict(resources)["memory"]["limit"] == 5
    assert pickle.loads(pickle.dumps(resources)) == resources


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        pytest.param(
            {"memory": {"limit": "1"}}, '$.memory.limit: expected i64, got "1"', id="text"
        ),
        pytest.param(
            {"blockIO": {"weight": 70000}}, "$.blockIO.weight: expected u16, got 70000", id="range"
        ),
        pytest.param({"devices": [{}]}, "$.devices[0].allow: missing", id="missing"),
    ],
)
def test_bad_documents_are_refused_with_their_path(document, fault):
    """
    A value of the wrong type or range is refused, and the report says where it is.
    """
    with pytest.raises(BadDocument):
        LinuxResources.from_json(document)

    assert list(faults(LinuxResources, document)) == [fault]


def test_defaults_are_not_given():
    """
    A field that is not given is None, so nothing is written for it.
    """
    assert LinuxBlockIO().to_json() == {}


def test_json_text_round_trip(tmp_path: pathlib.Path):
    """
    What is written to a file is what is read.
    """
    path = tmp_path / "resources.json"
    path.write_text(json.dumps(LinuxResources.from_json(DOCUMENT).to_json()))

    assert LinuxResources.from_json(json.loads(path.read_text())).to_json() == DOCUMENT
