"""Three readings of a document agree: from_json, the report of faults, cattrs."""

import copy
import json
from pathlib import Path

import cattrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libcontainer._record import faults
from libcontainer.spec import Spec, converter
from libcontainer.spec.structuring import explain

CONFIGS = sorted((Path(__file__).parents[1] / "data/configs").glob("*.json"))
STRUCTURE = converter()
DOCUMENTS = {path.stem: json.loads(path.read_text()) for path in CONFIGS}
# Rare parts that no engine wrote.
DOCUMENTS["rare"] = {
    "ociVersion": "1.3.0",
    "process": {
        "cwd": "/",
        "consoleSize": {"height": 1, "width": 2},
        "scheduler": {"policy": "SCHED_OTHER", "nice": 1, "flags": ["x"], "runtime": 1},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 1},
        "execCPUAffinity": {"initial": "0"},
        "user": {"uid": 1, "gid": 2, "additionalGids": [3, 4]},
    },
    "hooks": {"poststop": [{"path": "/x", "args": ["x"], "env": [], "timeout": 1}]},
    "mounts": [{"destination": "/x", "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}],
    "linux": {
        "timeOffsets": {"boottime": {"secs": -1, "nanosecs": 1}},
        "netDevices": {"eth0": {"name": "eth1"}},
        "intelRdt": {"closID": "x", "schemata": ["MB:1"], "enableMonitoring": True},
        "memoryPolicy": {"mode": "MPOL_BIND", "nodes": "0", "flags": []},
        "personality": {"domain": "LINUX"},
        "resources": {
            "rdma": {"mlx5_1": {"hcaHandles": 3}},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
            "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 500}]},
            "unified": {"memory.high": "1"},
            "blockIO": {"weightDevice": [{"major": 8, "minor": 0, "weight": 500}]},
        },
    },
}
JUNK = [None, True, 0, -1, 1.5, 2**16, 2**31, 2**32, 2**64, "x", "12", "", [], {}, [None], [1]]
JUNK += [["x"], [True], [2**64], {"a": 1}, {"": None}, {"a": "b"}, {"a": {}}, [{}]]


def places(value, path=()):
    """Every place of a document: a path of keys and indices."""
    yield path
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(item, (*path, key))


PLACES = {name: sorted(places(d), key=repr) for name, d in DOCUMENTS.items()}


@st.composite
def mutated(draw):
    """A document with up to four places changed or removed."""
    name = draw(st.sampled_from(sorted(DOCUMENTS)))
    document = copy.deepcopy(DOCUMENTS[name])
    for place in draw(st.lists(st.sampled_from(PLACES[name]), max_size=4)):
        change(document, place, draw(st.sampled_from(["remove", *JUNK])))
    return document


def change(document, place, junk):
    """Put `junk` where `place` is, if an earlier change has left it there."""
    holder = document
    try:
        for key in place[:-1]:
            holder = holder[key]
        if place and junk == "remove":
            del holder[place[-1]]
        elif place and holder[place[-1]] is not junk:
            holder[place[-1]] = copy.deepcopy(junk)
    except (KeyError, IndexError, TypeError):
        pass


def from_json(document):
    try:
        return Spec.from_json(document), True
    except ValueError:
        return None, False


def structured(document):
    try:
        return STRUCTURE.structure(document, Spec), []
    except (cattrs.BaseValidationError, TypeError) as e:
        return None, list(explain(e))


def paths(lines):
    """What of each line is the path; a key in it may hold a colon, the reason's words do not."""
    return sorted(
        [line.replace(": missing", ": expected").split(": expected")[0] for line in lines]
    )


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_the_three_readings_agree(document):
    """
    A document is taken by all three or by none; the values are equal, and so are the paths of the
    faults.
    """
    value, good = from_json(document)
    ours = list(faults(Spec, document))
    same, theirs = structured(document)

    assert good == (not ours) == (not theirs)
    assert value == same
    assert paths(ours) == paths(theirs)


def test_records_are_written_by_the_keys_of_the_specification(engine_text):
    """
    The converter writes what it reads.
    """
    spec = STRUCTURE.structure(json.loads(engine_text), Spec)

    assert STRUCTURE.unstructure(spec) == spec.to_json()
    assert STRUCTURE.structure(STRUCTURE.unstructure(spec), Spec) == spec
