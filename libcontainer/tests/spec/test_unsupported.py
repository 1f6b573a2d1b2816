"""What is declared but not acted on is refused by name."""

import json

import pytest

from libcontainer.spec import load_spec
from libcontainer.spec import unsupported as unsupported_module
from libcontainer.spec.unsupported import is_supported, unsupported

BOTH = [{"containerID": 0, "hostID": 1, "size": 1}]


def seccomp(action):
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": "/x",
        "syscalls": [{"names": ["mount"], "action": action}],
    }


# What a row looks like: nothing is missing at present.
ROW = ("hooks", "startContainer", lambda hooks: bool(hooks.start_container))
ASKS_NOTHING = [
    ("process", {"execCPUAffinity": {"initial": "0"}, "apparmorProfile": "x", "selinuxLabel": "x"}),
    ("hooks", {"startContainer": [{"path": "/x"}], "poststop": [{"path": "/x"}]}),
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


@pytest.fixture
def missing(monkeypatch):
    """Let one feature be missing."""
    monkeypatch.setattr(unsupported_module, "ROWS", (ROW,))


def test_what_cannot_be_done_is_named(missing):
    """
    A field that asks for what is not there yet is named by its path, never passed over.
    """
    asking = spec("hooks", {"startContainer": [{"path": "/x"}]})

    assert unsupported(asking) == ("not supported yet: $.hooks.startContainer",)
    assert unsupported(spec("hooks", {"startContainer": []})) == ()


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


def test_documents_of_engines_are_supported(engine_text):
    """
    What Podman, Docker, containerd and Buildah write by default asks for nothing that is missing.
    """
    assert unsupported(load_spec(engine_text)) == ()


def test_other_parts_may_ask_what_is_supported(missing):
    """
    `features` asks by the names of the table.
    """
    assert not is_supported("hooks.startContainer")
    assert is_supported("linux.sysctl")
