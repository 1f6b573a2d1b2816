"""Rules for the parts of a bad document that can be read."""

import copy
import json

import pytest

from libcontainer._record import faults as shape_faults
from libcontainer.errors import SpecError
from libcontainer.spec import Spec, load_spec
from libcontainer.spec.partly import read_partly, rule_faults
from libcontainer.spec.rules.apart import apart
from libcontainer.spec.validate import faults

# Something by every rule, and nothing wrong.
SOUND = {
    "ociVersion": "1.3.0",
    "hostname": "h",
    "domainname": "d",
    "root": {"path": "rootfs"},
    "annotations": {"a": "b"},
    "process": {
        "cwd": "/",
        "args": ["sh"],
        "env": ["A=b"],
        "user": {"uid": 0, "gid": 0, "additionalGids": [1]},
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 1, "hard": 2}],
        "oomScoreAdj": 5,
        "scheduler": {"policy": "SCHED_FIFO", "priority": 5},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 3},
        "execCPUAffinity": {"initial": "0", "final": "0-1"},
    },
    "mounts": [
        {"destination": "/a", "type": "bind", "source": "/b", "options": ["idmap"]},
        {"destination": "/proc", "type": "proc", "source": "proc"},
    ],
    "hooks": {"prestart": [{"path": "/bin/true", "timeout": 3}], "poststop": [{"path": "/b"}]},
    "linux": {
        "namespaces": [
            {"type": kind}
            for kind in ("mount", "user", "uts", "ipc", "network", "pid", "time", "cgroup")
        ],
        "uidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
        "gidMappings": [{"containerID": 0, "hostID": 1000, "size": 10}],
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2}],
        "rootfsPropagation": "private",
        "maskedPaths": ["/m"],
        "readonlyPaths": ["/r"],
        "sysctl": {"net.ipv4.ip_forward": "1"},
        "timeOffsets": {"monotonic": {"secs": 1, "nanosecs": 2}},
        "netDevices": {"eth0": {"name": "eth1"}},
        "intelRdt": {"closID": "c", "schemata": ["L3:0=f"]},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": ["MPOL_F_STATIC_NODES"]},
        "personality": {"domain": "LINUX"},
        "resources": {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 10, "swap": 20, "swappiness": 5},
            "cpu": {"cpus": "0", "mems": "0", "idle": 0},
            "blockIO": {"weight": 10, "weightDevice": [{"major": 1, "minor": 2, "weight": 10}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "rdma": {"mlx": {"hcaHandles": 1}},
            "unified": {"memory.high": "1"},
        },
        "seccomp": {
            "defaultAction": "SCMP_ACT_ALLOW",
            "architectures": ["SCMP_ARCH_X86_64"],
            "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}],
        },
    },
}
# A fault by rule in most parts, and none of shape.
FAULTY = copy.deepcopy(SOUND)
FAULTY["ociVersion"] = "2.0"
FAULTY["process"] |= {"cwd": "x", "env": ["A"], "oomScoreAdj": 5000}
FAULTY["process"]["scheduler"]["priority"] = 500
FAULTY["mounts"][0] |= {"destination": "/proc/x", "source": ""}
FAULTY["mounts"][1]["type"] = "tmpfs"
FAULTY["hooks"]["prestart"][0] |= {"path": "x", "timeout": 0}
FAULTY["hooks"]["poststop"][0]["path"] = "y"
FAULTY["linux"] |= {"rootfsPropagation": "no", "maskedPaths": ["m"], "sysctl": {"a.b": "1"}}
FAULTY["linux"]["devices"][0]["type"] = "z"
FAULTY["linux"]["personality"] = {"domain": "BSD"}
FAULTY["linux"]["resources"]["cpu"]["cpus"] = "x"
FAULTY["linux"]["resources"]["memory"]["swap"] = 5
FAULTY["linux"]["seccomp"]["syscalls"][0]["action"] = "SCMP_ACT_NO"
# Of another type than the value, in any place.
WRONG = ({"x": None}, [{"x": []}], 2**70, True, "\ud800")


def places(value, path=()):
    """Every place in a document, as keys and indexes."""
    steps = value.items() if type(value) is dict else enumerate(value)
    for step, inner in steps:
        yield (*path, step)
        if type(inner) in (dict, list):
            yield from places(inner, (*path, step))


def corruptions(document, wrong):
    """Copies of a document with one value replaced, unless by one of its type; and where."""
    for place in places(document):
        found = copy.deepcopy(document)
        holder = found
        for step in place[:-1]:
            holder = holder[step]
        if type(holder[place[-1]]) is not type(wrong) or type(wrong) is int:
            holder[place[-1]] = wrong
            yield place, found


def faults_of(document):
    """What is said of a document that must be bad in shape; both lists."""
    shape = list(shape_faults(Spec, document))
    return shape, list(rule_faults(Spec, document)) if shape else []


def test_the_documents_are_what_they_say():
    """Else the next tests would be about nothing."""
    assert list(faults(load_spec(json.dumps(SOUND)))) == []
    assert len(list(faults(load_spec(json.dumps(FAULTY))))) == 19


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_no_rule_speaks_of_what_could_not_be_read(wrong):
    """One value of a wrong type, anywhere in a sound document, is one fault and not two."""
    bad = 0
    for place, document in corruptions(SOUND, wrong):
        shape, by_rule = faults_of(document)
        assert by_rule == [], place
        bad += bool(shape)
    assert bad > 80


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_other_parts_are_still_judged(wrong):
    """The faults by rule are those of the rest of the document, no more and hardly less."""
    before = list(faults(load_spec(json.dumps(FAULTY))))
    told = []
    for place, document in corruptions(FAULTY, wrong):
        shape, by_rule = faults_of(document)
        assert set(by_rule) <= set(before), place
        if shape and len(place) > 1:
            told.append(len(by_rule))
    assert min(told) >= 8
    assert sum(told) / len(told) > 16


def test_a_bad_document_has_both_kinds_of_faults():
    """Those of shape first; in one error."""
    document = copy.deepcopy(SOUND)
    document["process"]["user"]["uid"] = "0"
    document["hooks"]["prestart"][0]["path"] = "relative"

    with pytest.raises(SpecError) as e:
        load_spec(json.dumps(document))

    assert list(e.value.faults) == [
        '$.process.user.uid: expected u32, got "0"',
        '$.hooks.prestart[0].path: must be absolute, got "relative"',
    ]


def test_what_was_not_read_has_no_value():
    """Not even a default: a default would be judged."""
    spec = read_partly(Spec, {"ociVersion": 1, "hostname": "h", "mounts": [{"options": 5}]})

    assert spec.hostname == "h" and spec.hooks is None
    assert spec.mounts[0].source is None
    for holder, name in ((spec, "oci_version"), (spec.mounts[0], "options")):
        with pytest.raises(AttributeError):
            getattr(holder, name)


def test_a_fault_of_a_rule_itself_is_not_hidden():
    """Only the fields of records may have no value."""

    def rule():
        yield "first"
        yield None.second

    with pytest.raises(AttributeError):
        list(apart(rule()))
