"""Text to record, or every fault."""

import json
import pickle

import pytest

from libcontainer.errors import SpecError
from libcontainer.spec import User, load_process, load_spec


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        pytest.param('{"ociVersion": "1.3.0",', 1, id="cut-off"),
        pytest.param(
            '{"process": {"cwd": 3, "rlimits": [{"type": "x", "hard": -1}]}, "mounts": [{}],'
            ' "linux": {"resources": {"pids": {"limit": "5"}}, "seccomp": {"defaultAction": 1}}}',
            [
                "$.ociVersion: missing",
                "$.process.cwd: expected str, got 3",
                "$.process.rlimits[0].hard: expected u64, got -1",
                "$.process.rlimits[0].soft: missing",
                "$.mounts[0].destination: missing",
                '$.linux.resources.pids.limit: expected i64, got "5"',
                "$.linux.seccomp.defaultAction: expected str, got 1",
                # What the rules say of the rest.
                "args must not be empty",
                "wrong rlimit value: x",
                "root must be specified",
                "unable to mount without a private MNT namespace",
            ],
            id="types-in-three-libraries",
        ),
        pytest.param("[]", ["$: expected object, got []"], id="not-an-object"),
        pytest.param("null", ["$: expected object, got null"], id="null"),
        pytest.param(
            '{"ociVersion": "1.3.0", "linux": {"sysctl": {"a.b": "1", "a.b": "2"}}}',
            ['$.linux.sysctl["a.b"]: given twice'],
            id="key-twice",
        ),
    ],
)
def test_all_faults_are_told_at_once(text, faults):
    """
    One error has every fault, each with its path; text that is no JSON has a position.
    """
    with pytest.raises(SpecError) as e:
        load_spec(text)

    if faults == 1:
        faults = ["invalid JSON at line 1, column 24: expecting property name enclosed in"]
        assert e.value.faults[0].startswith(faults[0])
    else:
        assert list(e.value.faults) == faults
    assert pickle.loads(pickle.dumps(e.value)).faults == e.value.faults


def test_the_process_of_exec_is_read_alone():
    """
    The file of `exec --process` holds the process object.
    """
    process = load_process(json.dumps({"cwd": "/", "args": ["id"], "user": {"uid": 5, "gid": 6}}))

    assert process.user == User(uid=5, gid=6)
    with pytest.raises(SpecError, match=r"^\$\.cwd: missing; args must not be empty$"):
        load_process("{}")


@pytest.mark.parametrize(
    ("user", "missing"), [({}, ("uid", "gid")), ({"uid": 1000}, ("gid",)), ({"gid": 0}, ("uid",))]
)
def test_an_id_that_is_left_out_is_not_roots(user, missing):
    """
    Other runtimes take it for 0 (CVE-2026-30892); the fault says what to do.
    """
    faults = [
        f"$.user.{key}: missing, and not taken for 0, which is root's: give both uid and gid"
        for key in missing
    ]

    with pytest.raises(SpecError) as e:
        load_process(json.dumps({"cwd": "/", "args": ["id"], "user": user}))

    assert list(e.value.faults) == faults


def test_bytes_are_text_in_utf_8():
    """
    A file's content need not be decoded first.
    """
    text = '{"ociVersion": "1.3.0", "hostname": "h\u00f6st"}'

    assert load_spec(text.encode()) == load_spec(text)
