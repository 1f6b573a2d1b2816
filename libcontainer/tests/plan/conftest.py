"""Documents and hosts to plan from."""

import copy

import pytest

from libcontainer.plan.host import Host
from libcontainer.plan.make import Options, make_plan
from libcontainer.spec.document import Spec

DOCUMENT = {
    "ociVersion": "1.3.0",
    "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["sh"], "env": ["A=b"]},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": kind} for kind in ("mount", "pid", "ipc", "uts", "network")]},
}


def merge(document, changes):
    for name, value in changes.items():
        if isinstance(value, dict) and isinstance(document.get(name), dict):
            merge(document[name], value)
        else:
            document[name] = value
    return document


@pytest.fixture
def plan():
    """Return the plan of a small document with changes, on a host, with options."""

    def make(changes=None, *, host=None, **options):
        spec = Spec.from_json(merge(copy.deepcopy(DOCUMENT), changes or {}))
        given = {"id": "box", "bundle": "/b", "rootfs": "/b/rootfs"} | options
        return make_plan(spec, host or Host(), Options(**given))

    return make
