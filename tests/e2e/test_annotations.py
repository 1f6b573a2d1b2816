"""Annotations of crun that ask the runtime for something: each done, or refused by name."""

import os
import socket
import threading

import pytest


def annotated(workshop, script, **annotations):
    config = workshop.config("sh", "-c", script)
    config["annotations"] = {f"run.oci.{key}": value for key, value in annotations.items()}
    return config


@pytest.mark.parametrize("user", [False, True], ids=["host-user", "new-user"])
@pytest.mark.parametrize("value", ["1", "0"])
def test_keep_original_groups(workshop, value, user):
    """
    The caller's supplementary groups stay, whatever the document lists; `0` is off.
    """
    config = annotated(workshop, "id -G", keep_original_groups=value)
    config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [7]}
    if user:
        maps = [{"containerID": 0, "hostID": 0, "size": 65536}]
        config["linux"].update(uidMappings=maps, gidMappings=maps)
        config["linux"]["namespaces"].append({"type": "user"})

    result = workshop.run(config, extra_groups=[5, 6])

    assert (result.status, result.stderr) == (0, "")
    assert result.stdout.split() == (["1000", "5", "6"] if value == "1" else ["1000", "7"])


def test_output_of_hooks(workshop):
    """
    What hooks say is appended to files, by every kind of hook, and the files are made.
    """
    out, err = workshop.folder / "hooks.out", workshop.folder / "hooks.err"
    config = annotated(workshop, "exit 0", **{"hooks.stdout": str(out), "hooks.stderr": str(err)})
    kinds = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
    script = "echo {0}; echo {0} >&2"
    config["hooks"] = {
        kind: [{"path": "/bin/sh", "args": ["sh", "-c", script.format(kind)]}] for kind in kinds
    }

    assert workshop.inside(config) == ""

    assert out.read_text().split() == list(kinds)
    assert err.read_text().split() == list(kinds)
    assert out.stat().st_mode & 0o777 == 0o700


def test_one_output_of_hooks(workshop):
    """
    What is not redirected is still in the error's text.
    """
    config = annotated(workshop, "true", **{"hooks.stdout": str(workshop.folder / "out")})
    failing = {"path": "/bin/sh", "args": ["sh", "-c", "echo a; echo b >&2; exit 1"]}
    config["hooks"] = {"prestart": [failing]}

    result = workshop.run(config)

    assert result.stderr == "run failed: error running prestart hook #0: exit status 1, output: b\n"
    assert (workshop.folder / "out").read_text() == "a\n"


def test_unknown_calls_on_demand(workshop):
    """
    A name that libseccomp does not know is passed over, or refused where that is asked for.
    """
    profile = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}],
    }
    for value, status in (("0", 0), ("1", 1)):
        config = annotated(workshop, "true", seccomp_fail_unknown_syscall=value)
        config["linux"]["seccomp"] = profile

        result = workshop.run(config)

        assert result.status == status
        assert ("no_such_call" in result.stderr) is bool(status)


def test_pidfd_receiver(workshop, delete_after):
    """
    A socket gets a pidfd of init.
    """
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{workshop.folder}/pidfd.sock")
    server.listen()
    got = []

    def take():
        with server.accept()[0] as connection:
            got.extend(socket.recv_fds(connection, 16, 1)[1])

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    container = workshop.create(
        annotated(workshop, "sleep 60", pidfd_receiver=f"{workshop.folder}/pidfd.sock")
    )
    delete_after(container)
    thread.join(10)
    server.close()

    with open(f"/proc/self/fdinfo/{got[0]}") as file:
        assert f"Pid:\t{container.pid}" in file.read()
    os.close(got[0])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("seccomp.plugins", "/x.so"),
        ("seccomp_bpf_data", "AAAA"),
        ("handler", "wasm"),
        ("systemd.force_cgroup_v1", "/sys/fs/cgroup/systemd"),
        ("delegate-cgroup", "x"),
        ("pidfd_receiver", "relative"),
        ("mount_context_type", "xcontext"),
        ("mount_context_type", ""),
    ],
)
def test_refused(workshop, key, value):
    """
    What is known and not done is refused by its name.
    """
    result = workshop.run(annotated(workshop, "true", **{key: value}))

    assert result.status == 1
    assert f"annotation run.oci.{key}" in result.stderr


def test_delegation_needs_a_subgroup_of_systemd(workshop):
    """
    It is a cgroup below the subgroup of a scope, which only systemd on cgroup v2 has.
    """
    config = annotated(workshop, "true", **{"delegate-cgroup": "a/../b", "systemd.subgroup": "x"})
    assert "must not have .., got" in workshop.run(config).stderr
    config["annotations"]["run.oci.delegate-cgroup"] = "x"
    assert "needs systemd's cgroups and cgroup v2" in workshop.run(config).stderr


@pytest.mark.parametrize(
    ("key", "value", "program", "status"),
    [
        ("module.wasm.image/variant", "compat", "true", 1),
        ("module.wasm.image/variant", "compat-smart", "/x.WASM", 1),
        ("module.wasm.image/variant", "compat-smart", "true", 0),
        ("module.wasm.image/variant", "other", "true", 0),
        ("krun.cpus", "2", "true", 1),
        ("krun.cpus", "", "true", 0),
    ],
)
def test_who_runs_the_program(workshop, key, value, program, status):
    """
    Only the kernel does: what asks for another is refused by its name.
    """
    config = workshop.config(program)
    config["annotations"] = {key: value}

    result = workshop.run(config)

    assert result.status == status
    assert (f"annotation {key} is not supported" in result.stderr) is bool(status)


def test_mount_context_type(workshop):
    """
    Podman sets it whether or not there is a mountLabel.
    """
    assert workshop.run(annotated(workshop, "exit 3", mount_context_type="rootcontext")).status == 3


def test_handler_of_a_pods_sandbox(workshop):
    """
    The sandbox has its pod's annotations, and is a program all the same.
    """
    config = annotated(workshop, "exit 3", handler="wasm")
    config["annotations"] |= {"module.wasm.image/variant": "compat", "krun.cpus": "2"}
    config["annotations"]["io.kubernetes.cri.container-type"] = "sandbox"

    assert workshop.run(config).status == 3


def test_subgroup_without_systemd(workshop):
    """
    There is no scope, and so nothing below it.
    """
    assert workshop.run(annotated(workshop, "exit 3", **{"systemd.subgroup": "x"})).status == 3


def test_unknown_annotations_are_shown(workshop, delete_after):
    """
    Others are stored and shown, never an error; an empty subgroup is none.
    """
    container = workshop.create(
        annotated(workshop, "sleep 60", other="x", **{"systemd.subgroup": ""})
    )
    delete_after(container)

    assert container.state()["annotations"] == {
        "run.oci.other": "x",
        "run.oci.systemd.subgroup": "",
    }
