"""What several tests use: profiles by name, and children that live under a filter."""

import json
import os
from pathlib import Path

import pytest

from libseccomp import LinuxSeccomp

DATA = Path(__file__).parent / "data"


@pytest.fixture
def docker():
    """The profile that Docker writes by default, as a JSON document."""
    return json.loads((DATA / "docker-default.json").read_text())


@pytest.fixture
def make_profile():
    """Make a profile: default action, rules as (names, action, further keys), further keys."""

    def make(default, *rules, **more):
        syscalls = [
            {"names": names.split(), "action": f"SCMP_ACT_{action}", **keys}
            for names, action, keys in [(*rule, {})[:3] for rule in rules]
        ]
        document = {"defaultAction": f"SCMP_ACT_{default}", "syscalls": syscalls, **more}
        return LinuxSeccomp.from_json(document)

    return make


@pytest.fixture
def in_child():
    """Run a function in a forked child; return what it returned, or its wait status.

    Filters are for ever, so whatever loads one does it in there.
    """

    def run(function):
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                result = json.dumps(function())
                os.write(writer, result.encode())
            except BaseException as e:
                os.write(writer, json.dumps(f"{type(e).__name__}: {e}").encode())
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as pipe:
            text = pipe.read()
        _, status = os.waitpid(pid, 0)
        return json.loads(text) if text else status

    return run
