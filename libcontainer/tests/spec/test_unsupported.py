"""What is declared but not acted on is refused by name."""

import json
import re

import pytest

from libcontainer.spec import load_spec
from libcontainer.spec.unsupported import ROWS, is_supported, unsupported

BOTH = [{"containerID": 0, "hostID": 1, "size": 1}]


def seccomp(action):
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/x",
        "syscalls": [{"names": ["mount"], "action": action}],
    }


ASKS = [
    ("hooks", "hooks.startContainer", {"startContainer": [{"path": "/x"}]}),
]
ASKS_NOTHING = [
    ("process", {"execCPUAffinity": {"initial": "0"}, "apparmorProfile": "x", "selinuxLabel": "x"}),
    ("hooks", {"startContainer": [], "poststop": [{"path": "/x"}]}),
    ("linux", {"namespaces": [{"type": "pid", "path": "/x"}, {"type": "network"}]}),
    ("linux", {"netDevices": {}, "mountLabel": "x"}),
    ("linux", {"seccomp": seccomp("SCMP_ACT_NOTIFY")}),
    ("linux", {"resources": {"network": {"priorities": []}, "rdma": {}, "hugepageLimits": []}}),
    ("linux", {"resources": {"unified": {"memory.high": "1"}}}),
    ("mounts", [{"destination": "/x", "options": ["tmpcopyup", "idmap"], "uidMappings": BOTH}]),
]


def spec(owner, content):
    document = {"ociVersion": "1.3.0", "process": {"cwd": "/"}}
    if owner == "process":
        content = {"cwd": "/"} | content
    return load_spec(json.dumps(document | {owner: content}))


@pytest.mark.parametrize(("owner", "path", "content"), ASKS, ids=[path for _, path, _ in ASKS])
def test_what_cannot_be_done_is_named(owner, path, content):
    """
    A field that asks for what is not there yet is named by its path, never passed over.
    """
    assert unsupported(spec(owner, content)) == (f"not supported yet: $.{path}",)


@pytest.mark.parametrize(("owner", "content"), ASKS_NOTHING)
def test_what_asks_for_nothing_passes(owner, content):
    """
    An empty value, or one that the kernel has anyway, asks for nothing.
    """
    assert unsupported(spec(owner, content)) == ()


def test_a_document_may_have_next_to_nothing():
    """
    Absent objects ask for nothing.
    """
    assert unsupported(load_spec('{"ociVersion": "1.3.0"}')) == ()


def test_every_row_is_tested():
    """
    There is no row of the table that no document above asks for.
    """
    asked = {re.sub(r"\[\d+\]", "[]", path.split()[0]) for _, path, _ in ASKS}

    assert asked == {f"{owner}.{key}" for owner, key, _ in ROWS}


def test_documents_of_engines_are_supported(engine_text):
    """
    What Podman, Docker, containerd and Buildah write by default asks for nothing that is missing.
    """
    assert unsupported(load_spec(engine_text)) == ()


def test_other_parts_may_ask_what_is_supported():
    """
    `features` asks by the names of the table.
    """
    assert not any([is_supported(f"{owner}.{key}") for owner, key, _ in ROWS])
    assert is_supported("linux.sysctl")
