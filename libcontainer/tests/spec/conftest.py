"""Documents that the tests of this folder share."""

import json
from pathlib import Path

import pytest

CONFIGS = sorted((Path(__file__).parents[1] / "data/configs").glob("*.json"))

MINIMAL = {
    "ociVersion": "1.3.0",
    "process": {"cwd": "/", "user": {"uid": 0, "gid": 0}, "args": ["sh"]},
    "root": {"path": "rootfs"},
    "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]},
}


@pytest.fixture
def minimal():
    """A document without a fault, to be changed."""
    return json.loads(json.dumps(MINIMAL))


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def engine_text(request):
    """The text of a document that an engine wrote."""
    return request.param.read_text()
