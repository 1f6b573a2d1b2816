"""The document of `spec`."""

import json
import os
import shutil
import subprocess

import pytest

from libcontainer import codec
from libcontainer.spec import default_spec, load_spec, without_defaults
from libcontainer.spec.validate import validate

VARIANTS = [
    pytest.param({"rootless": rootless, "cgroup2": cgroup2}, id=f"{name}-v{1 + cgroup2}")
    for rootless, name in ((False, "root"), (True, "rootless"))
    for cgroup2 in (False, True)
]


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_is_sound(variant):
    """
    The document breaks no rule, and survives its text.
    """
    spec = default_spec(**variant, uid=1000, gid=100)

    validate(spec)
    assert load_spec(codec.dumps(without_defaults(spec), indent="\t")) == spec


def test_the_name_inside_is_the_programs():
    """
    The host name is that of the program, and can be another.
    """
    assert default_spec(rootless=False, cgroup2=False, uid=0, gid=0).hostname == "pyoci"
    assert default_spec(rootless=False, cgroup2=False, uid=0, gid=0, hostname="x").hostname == "x"


def test_a_user_is_root_inside():
    """
    For an ordinary user the one id that may be mapped is mapped to root.
    """
    linux = default_spec(rootless=True, cgroup2=False, uid=1000, gid=100).linux

    assert [m.to_json() for m in linux.uid_mappings + linux.gid_mappings] == [
        {"containerID": 0, "hostID": 1000, "size": 1},
        {"containerID": 0, "hostID": 100, "size": 1},
    ]
    assert linux.resources is None


@pytest.mark.skipif(shutil.which("runc") is None, reason="needs runc to compare with")
@pytest.mark.parametrize("rootless", [False, True], ids=["root", "rootless"])
def test_it_is_that_of_runc(tmp_path, rootless):
    """
    The document is the one that `runc spec` writes, but for version, name, and the ambient set,
    which runc has dropped since.
    """
    command = ["runc", "spec", "--bundle", str(tmp_path)] + ["--rootless"] * rootless
    subprocess.run(command, check=True)
    theirs = json.loads((tmp_path / "config.json").read_text())
    ours = without_defaults(
        default_spec(
            rootless=rootless,
            cgroup2=os.path.exists("/sys/fs/cgroup/cgroup.controllers"),
            uid=os.geteuid(),
            gid=os.getegid(),
        )
    )

    for document in (ours, theirs):
        del document["ociVersion"], document["hostname"]
        document["process"]["capabilities"].pop("ambient", None)
    assert ours == theirs
