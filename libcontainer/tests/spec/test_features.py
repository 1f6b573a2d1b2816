"""What the runtime says it can do."""

import pytest

from libcontainer.spec import unsupported
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


FIELDS = [
    ("hooks.startContainer", lambda f: "startContainer" in f.hooks),
    ("linux.namespaces[].type", lambda f: "time" in f.linux.namespaces),
    ("linux.seccomp", lambda f: "SCMP_ACT_NOTIFY" in f.linux.seccomp.actions),
    ("linux.resources.rdma", lambda f: f.linux.cgroup.rdma),
    ("process.apparmorProfile", lambda f: f.linux.apparmor.enabled),
    ("process.selinuxLabel", lambda f: f.linux.selinux.enabled),
    ("linux.intelRdt", lambda f: f.linux.intel_rdt.enabled),
    ("linux.intelRdt", lambda f: f.linux.intel_rdt.schemata and f.linux.intel_rdt.monitoring),
    ("linux.memoryPolicy", lambda f: bool(f.linux.memory_policy.modes)),
    ("mounts[].options", lambda f: f.linux.mount_extensions.idmap.enabled),
    ("linux.netDevices", lambda f: f.linux.net_devices.enabled),
]


@pytest.mark.parametrize(("field", "shown"), FIELDS, ids=[field for field, _ in FIELDS])
def test_it_promises_what_create_does(field, shown, monkeypatch):
    """
    A feature shows as there exactly when no row of the table refuses it.
    """
    owner, _, key = field.rpartition(".")
    others = tuple([row for row in unsupported.ROWS if row[:2] != (owner, key)])

    monkeypatch.setattr(unsupported, "ROWS", (*others, (owner, key, bool)))
    assert not shown(features(**CALL))
    monkeypatch.setattr(unsupported, "ROWS", others)
    assert shown(features(**CALL))


def test_it_is_read_as_it_is_written():
    """
    The document of another runtime is read by the same record; what it leaves out is unknown.
    """
    assert Features.from_json(features(**CALL).to_json()) == features(**CALL)
    other = Features.from_json({"ociVersionMin": "1.0.0", "ociVersionMax": "1.1.0"})
    assert other.hooks is None
