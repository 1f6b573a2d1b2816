"""The fake kernel and the bundle maker are what they say."""

import errno
import inspect
import json
import os

import pytest

from libcontainer.kernel.linux import LinuxKernel
from libcontainer.spec.load import load_spec
from libcontainer.spec.validate import validate
from libcontainer.testing import NOBODY, FakeKernel, Link, make_bundle


def methods(cls):
    return {
        name: str(inspect.signature(member))
        for name, member in vars(cls).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }


def test_the_fake_has_every_method_of_the_real_kernel():
    """
    Every method of the kernel is there, with the same parameters.
    """
    fake = methods(FakeKernel)
    del fake["named"]

    assert fake == methods(LinuxKernel)


def test_calls_are_recorded_in_order(kernel):
    """
    A call is its name and its arguments; descriptors are written as what they are.
    """
    fs = kernel.fsopen("tmpfs")
    kernel.fsconfig_string(fs, "mode", "755")
    mount = kernel.fsmount(fs, 1)
    kernel.mount_setattr(mount, set=1, recursive=True)
    os.close(fs)
    os.close(mount)

    assert kernel.calls == [
        ("fsopen", ("tmpfs",)),
        ("fsconfig_string", ("fs tmpfs", "mode", "755")),
        ("fsmount", ("fs tmpfs", 1)),
        ("mount_setattr", ("mount tmpfs", 1, 0, 0, True)),
    ]
    assert kernel.names == ["fsopen", "fsconfig_string", "fsmount", "mount_setattr"]
    assert kernel.named("fsmount") == [("fs tmpfs", 1)]


def test_a_call_is_refused_with_the_errno_asked_for(kernel):
    """
    A refusal has the errno and names the call, like the real kernel's; it is recorded.
    """
    kernel.fail["unshare"] = errno.EPERM

    with pytest.raises(PermissionError, match="unshare: operation not permitted"):
        kernel.unshare(1)

    assert kernel.calls == [("unshare", (1,))]


def test_a_refusal_may_depend_on_the_arguments(kernel):
    """
    A callable decides by the arguments whether to refuse.
    """
    kernel.fail["setdomainname"] = lambda name: errno.EINVAL if name == "x" else None

    kernel.setdomainname("y")
    with pytest.raises(OSError, match="setdomainname: invalid argument"):
        kernel.setdomainname("x")


def test_results_may_be_given(kernel):
    """
    `returns` gives results; without it a child is a pid that nobody has.
    """
    assert kernel.clone3(0) == NOBODY

    kernel.returns["clone3"] = lambda flags, cgroup, signal: 42

    assert kernel.clone3(0) == 42


def test_a_bundle_is_valid_as_it_is(tmp_path):
    """
    Without changes a bundle is the default document, without a terminal, and an empty root.
    """
    bundle = make_bundle(tmp_path / "box")

    spec = load_spec((bundle / "config.json").read_text())
    validate(spec)
    assert not spec.process.terminal
    assert list((bundle / "rootfs").iterdir()) == []


def test_a_bundle_with_changes_and_a_tree(tmp_path):
    """
    Changes are merged by key, None takes away, lists are replaced; the tree is made as written.
    """
    tree = {"bin": {"sh": "#!/bin/busybox", "ash": Link("sh")}, "data": b"\0", "tmp": {}}

    bundle = make_bundle(
        tmp_path, tree=tree, hostname=None, process={"args": ["true"]}, annotations={"a": "b"}
    )

    document = json.loads((bundle / "config.json").read_text())
    assert "hostname" not in document
    assert document["process"]["args"] == ["true"]
    assert document["process"]["cwd"] == "/"
    assert document["annotations"] == {"a": "b"}
    root = bundle / "rootfs"
    assert os.access(root / "bin/sh", os.X_OK)
    assert os.readlink(root / "bin/ash") == "sh"
    assert (root / "data").read_bytes() == b"\0"
    assert (root / "tmp").is_dir()
