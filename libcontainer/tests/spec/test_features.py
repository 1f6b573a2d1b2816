"""What the runtime says it can do."""

import pytest

from libcontainer.spec.features import Features, features

CALL = {
    "version": "0.1.0",
    "capabilities": ("CAP_CHOWN", "CAP_KILL"),
    "mount_options": ("rw", "bind", "ro"),
    "seccomp_version": "2.5.4",
    "seccomp_flags": ("SECCOMP_FILTER_FLAG_LOG",),
}


def test_tables_are_shown():
    """
    Names come from the tables of the code that acts on them, in order.
    """
    document = features(**CALL).to_json()

    assert document["ociVersionMin"] == "1.0.0"
    assert document["ociVersionMax"] == "1.3.0"
    assert document["mountOptions"] == ["bind", "ro", "rw"]
    assert document["linux"]["capabilities"] == ["CAP_CHOWN", "CAP_KILL"]
    assert document["linux"]["seccomp"]["supportedFlags"] == ["SECCOMP_FILTER_FLAG_LOG"]
    assert "SCMP_ARCH_X86_64" in document["linux"]["seccomp"]["archs"]
    assert document["annotations"] == {
        "io.github.seccomp.libseccomp.version": "2.5.4",
        "org.opencontainers.runc.checkpoint.enabled": "false",
        "org.pyoci.version": "0.1.0",
    }
    assert "run.oci." in document["potentiallyUnsafeConfigAnnotations"]


def test_without_libseccomp_there_is_no_seccomp():
    """
    The library is optional, and its absence shows.
    """
    found = features(**CALL | {"seccomp_version": None})

    assert found.linux.seccomp.to_json() == {"enabled": False}
    assert "io.github.seccomp.libseccomp.version" not in found.annotations


def test_the_systemd_manager_is_shown_when_there():
    """
    Which managers of cgroups can be chosen is for the program to say.
    """
    for value in (False, True):
        cgroup = features(**CALL, systemd=value).linux.cgroup
        assert (cgroup.systemd, cgroup.systemd_user) == (value, value)


FIELDS = {
    "hooks": lambda f: "startContainer" in f.hooks,
    "time namespaces": lambda f: "time" in f.linux.namespaces,
    "seccomp": lambda f: "SCMP_ACT_NOTIFY" in f.linux.seccomp.actions,
    "rdma": lambda f: f.linux.cgroup.rdma,
    "apparmor": lambda f: f.linux.apparmor.enabled,
    "selinux": lambda f: f.linux.selinux.enabled,
    "rdt": lambda f: f.linux.intel_rdt.enabled,
    "rdt schemata": lambda f: f.linux.intel_rdt.schemata and f.linux.intel_rdt.monitoring,
    "memory policy": lambda f: bool(f.linux.memory_policy.modes),
    "idmap": lambda f: f.linux.mount_extensions.idmap.enabled,
    "network devices": lambda f: f.linux.net_devices.enabled,
}


@pytest.mark.parametrize("shown", FIELDS.values(), ids=FIELDS)
def test_it_promises_what_create_does(shown):
    """
    What the records declare is acted on, and shown.
    """
    assert shown(features(**CALL))


def test_it_is_read_as_it_is_written():
    """
    The document of another runtime is read by the same record; what it leaves out is unknown.
    """
    assert Features.from_json(features(**CALL).to_json()) == features(**CALL)
    other = Features.from_json({"ociVersionMin": "1.0.0", "ociVersionMax": "1.1.0"})
    assert other.hooks is None
