"""The records of config.json: all of runtime-spec 1.3.0, under its names."""

import json

import pytest

import libcontainer.spec
from libcontainer.spec import document, hooks, idmapping, linux, load_spec, mounts, process, state

# Type names and JSON keys of the specification's own Go types, for Linux.
TYPES = {
    document.Spec: "ociVersion process root hostname domainname mounts hooks annotations linux",
    process.Process: (
        "cwd user args env terminal consoleSize capabilities rlimits noNewPrivileges"
        " apparmorProfile selinuxLabel oomScoreAdj scheduler ioPriority execCPUAffinity"
    ),
    process.Box: "height width",
    process.User: "uid gid umask additionalGids",
    process.LinuxCapabilities: "bounding effective inheritable permitted ambient",
    process.POSIXRlimit: "type hard soft",
    process.LinuxIOPriority: "class priority",
    process.Scheduler: "policy nice priority flags runtime deadline period",
    process.CPUAffinity: "initial final",
    mounts.Root: "path readonly",
    mounts.Mount: "destination type source options uidMappings gidMappings",
    hooks.Hooks: "prestart createRuntime createContainer startContainer poststart poststop",
    hooks.Hook: "path args env timeout",
    idmapping.LinuxIDMapping: "containerID hostID size",
    linux.Linux: (
        "namespaces uidMappings gidMappings timeOffsets devices netDevices cgroupsPath resources"
        " rootfsPropagation maskedPaths readonlyPaths mountLabel seccomp sysctl intelRdt"
        " memoryPolicy personality"
    ),
    linux.LinuxNamespace: "type path",
    linux.LinuxTimeOffset: "secs nanosecs",
    linux.LinuxDevice: "path type major minor fileMode uid gid",
    linux.LinuxNetDevice: "name",
    linux.LinuxIntelRdt: "closID l3CacheSchema memBwSchema schemata enableMonitoring",
    linux.LinuxMemoryPolicy: "mode nodes flags",
    linux.LinuxPersonality: "domain flags",
    linux.LinuxResources: ("devices memory cpu pids blockIO hugepageLimits network rdma unified"),
    linux.LinuxSeccomp: (
        "defaultAction defaultErrnoRet architectures flags listenerPath listenerMetadata syscalls"
    ),
    state.State: "ociVersion id status bundle pid annotations",
    state.ContainerProcessState: "ociVersion fds pid state metadata",
}


@pytest.mark.parametrize(("cls", "keys"), TYPES.items(), ids=[cls.__name__ for cls in TYPES])
def test_every_field_of_the_specification_is_declared(cls, keys):
    """
    Each record has the specification's keys, all of them and no others.
    """
    assert [key for _, key, _, _ in cls._fields] == keys.split()


def test_documents_of_engines_are_read_whole(engine_text):
    """
    What Podman, Docker, containerd and Buildah write is read without losing anything.
    """
    spec = load_spec(engine_text)

    assert lost(json.loads(engine_text), spec.to_json()) == []


def lost(given, kept, path="$"):
    """The paths of what is in `given` and not the same in `kept`."""
    if isinstance(given, dict):
        return [
            line
            for key, value in given.items()
            for line in (lost(value, kept[key], f"{path}.{key}") if key in kept else [path + key])
        ]
    if isinstance(given, list) and len(given) == len(kept):
        return [
            line for i, value in enumerate(given) for line in lost(value, kept[i], f"{path}[{i}]")
        ]
    return [] if given == kept else [path]


def test_blocks_of_other_platforms_are_ignored(minimal):
    """
    Windows, Solaris and the rest are other runtimes' matter, and so is what nobody declared.
    """
    extended = minimal | {"windows": {"x": 1}, "solaris": 3, "zos": {}, "vm": [], "freebsd": None}

    assert load_spec(json.dumps(extended)) == load_spec(json.dumps(minimal))


def test_public_names_are_listed_sorted_and_there():
    """
    `__all__` has the public names in order, and each can be had.
    """
    names = libcontainer.spec.__all__

    assert names == sorted(names)
    assert all([getattr(libcontainer.spec, name) is not None for name in names])


def test_unknown_names_are_attribute_errors():
    """
    A name that the package does not have is an AttributeError that says so.
    """
    with pytest.raises(AttributeError, match=r"module 'libcontainer.spec' has no attribute 'Nope'"):
        libcontainer.spec.Nope
