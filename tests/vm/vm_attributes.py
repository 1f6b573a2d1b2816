"""What only this machine has: AppArmor, and a kernel whose exec enters no time namespace."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from libcontainer import Container

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

PROFILE = """\
profile pyoci-test flags=(attach_disconnected,mediate_deleted) {
  file,
  capability,
  mount,
  umount,
  pivot_root,
  network,
  signal,
  ptrace,
  unix,
  deny /tmp/forbidden rw,
  change_profile -> **,
}
"""
RUNTIME = PROFILE.replace("pyoci-test", "pyoci-runtime")


@pytest.fixture(scope="module")
def profile(tmp_path_factory):
    """Load two profiles; yield the name of the container's."""
    if Path("/sys/module/apparmor/parameters/enabled").read_text().strip() != "Y":
        pytest.skip("needs AppArmor")
    file = tmp_path_factory.mktemp("apparmor") / "profiles"
    file.write_text(PROFILE + RUNTIME)
    subprocess.run(["apparmor_parser", "-r", file], check=True)
    yield "pyoci-test"
    subprocess.run(["apparmor_parser", "-R", file], check=True)


def labelled(name, *, privileges, user=False, uid=0, pid=None):
    def change(document):
        document["process"].update(apparmorProfile=name, noNewPrivileges=not privileges)
        document["process"]["user"] = {"uid": uid, "gid": uid}
        namespaces = document["linux"]["namespaces"]
        if user:
            maps = [{"containerID": 0, "hostID": 0, "size": 65536}]
            document["linux"].update(uidMappings=maps, gidMappings=maps)
            namespaces.append({"type": "user"})
        if pid:
            namespaces[:] = [n for n in namespaces if n["type"] != "pid"]
            namespaces.append({"type": "pid", "path": f"/proc/{pid}/ns/pid"})

    return change


SCRIPT = "cat /proc/self/attr/current; echo x >/tmp/allowed; echo x >/tmp/forbidden"


@pytest.mark.parametrize("privileges", [False, True], ids=["nnp", "-"])
@pytest.mark.parametrize(("user", "uid"), [(False, 0), (False, 1000), (True, 0)])
def test_payload_is_confined(pyoci, bundle, profile, privileges, user, uid):
    """
    The payload runs under the profile, which forbids what it says.
    """
    change = labelled(profile, privileges=privileges, user=user, uid=uid)
    folder = bundle("sh", "-c", SCRIPT, change=change)
    (folder / "rootfs/tmp").chmod(0o1777)
    document = json.loads((folder / "config.json").read_text())
    document["root"]["readonly"] = False
    (folder / "config.json").write_text(json.dumps(document))

    done = pyoci("run", "--bundle", str(folder), "confined", check=False)

    assert done.stdout == "pyoci-test (enforce)\n"
    assert "/tmp/forbidden: Permission denied" in done.stderr
    assert (folder / "rootfs/tmp/allowed").exists()


def test_confined_in_a_joined_pid_namespace(pyoci, bundle, profile):
    """
    The process that comes out of the fork writes its own label.
    """
    pyoci.create("first", bundle("sleep", "60"))
    pid = json.loads(pyoci("state", "first").stdout)["pid"]
    folder = bundle("cat", "/proc/self/attr/current")
    document = json.loads((folder / "config.json").read_text())
    labelled(profile, privileges=True, pid=pid)(document)
    (folder / "config.json").write_text(json.dumps(document))

    done = pyoci("run", "--bundle", str(folder), "second")

    assert done.stdout == "pyoci-test (enforce)\n"


class Reader:
    """Tells its own label."""

    name = "reader"

    def validate(self, spec):
        return True

    def prepare(self, args, env):
        pass

    def exec(self, args, env):
        print(Path("/proc/self/attr/current").read_text().strip("\0\n"))
        return 0


def test_workload_that_is_no_program_is_confined(bundle, profile, tmp_path):
    """
    There is no exec to give it its label, so the interpreter changes it itself.
    """
    output = tmp_path / "output"
    folder = bundle("nothing", change=labelled(profile, privileges=False))

    with open(output, "wb") as file:
        made = Container.create(
            "reader",
            bundle=str(folder),
            root=str(tmp_path / "state"),
            executors=[Reader()],
            stdout=file.fileno(),
        )
    with made as container:
        container.start()
        assert container.wait() == 0

    assert output.read_text() == "pyoci-test (enforce)\n"


def test_unknown_profile_fails_create(pyoci, bundle, profile):
    """
    A profile that is not loaded is create's error.
    """
    folder = bundle("true", change=labelled("pyoci-no-such", privileges=True))

    done = pyoci("run", "--bundle", str(folder), "unknown", check=False)

    assert done.returncode == 1
    assert "apparmor failed to apply profile: no such file or directory" in done.stderr


def test_confined_runtime_stacks(pyoci, bundle, profile, tmp_path):
    """
    Under no_new_privs a confined runtime can only add a profile to its own.
    """
    folder = bundle("cat", "/proc/self/attr/current", change=labelled(profile, privileges=False))
    command = ["aa-exec", "-p", "pyoci-runtime", os.environ["PYOCI"], "--root", str(pyoci.root)]

    done = subprocess.run(
        [*command, "run", "--bundle", str(folder), "stacked"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert "pyoci-runtime" in done.stdout
    assert "pyoci-test" in done.stdout


@pytest.mark.parametrize("user", [False, True], ids=["host-user", "new-user"])
def test_clocks_on_an_old_kernel(pyoci, bundle, user):
    """
    The payload is in the time namespace although this kernel's exec would not enter it.
    """

    def change(document):
        labelled(None, privileges=False, user=user)(document)
        del document["process"]["apparmorProfile"]
        document["linux"]["namespaces"].append({"type": "time"})
        document["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000_000}}

    done = pyoci("run", "--bundle", str(bundle("cat", "/proc/uptime", change=change)), "clock")

    assert float(done.stdout.split()[0]) > 1_000_000_000


def test_selinux_label_is_refused(pyoci, bundle):
    """
    A label of a module that is not there is refused, not passed over.
    """

    def change(document):
        document["process"]["selinuxLabel"] = "system_u:system_r:container_t:s0"

    folder = bundle("true", change=change)

    done = pyoci("run", "--bundle", str(folder), "selinux", check=False)

    assert done.returncode == 1
    assert "selinux is disabled or not supported" in done.stderr


@pytest.mark.parametrize("options", [(), ("--systemd-cgroup",)], ids=["cgroupfs", "systemd"])
@pytest.mark.parametrize("kinds", [("user", "ipc", "network"), ("user", "pid")])
def test_member_of_a_pod(pyoci, bundle, kinds, options):
    """
    Namespaces are joined beside a user namespace; the member is in its own cgroup all the same.
    """

    def pod(document):
        labelled(None, privileges=True, user=True)(document)
        del document["process"]["apparmorProfile"]

    def member(document):
        files = {"network": "net"}
        paths = {kind: f"/proc/{pid}/ns/{files.get(kind, kind)}" for kind in kinds}
        rest = [n for n in document["linux"]["namespaces"] if n["type"] not in paths]
        joined = [{"type": kind, "path": path} for kind, path in paths.items()]
        document["linux"]["namespaces"] = rest + joined

    pyoci.create("pod", bundle("sleep", "60", change=pod), options=options)
    pid = json.loads(pyoci("state", "pod").stdout)["pid"]
    script = "id -u; cat /proc/self/cgroup; ls /proc/self/fd"
    folder = bundle("sh", "-c", script, change=member)

    done = pyoci("run", "--bundle", str(folder), "member", options=options)

    assert done.stdout.split() == ["0", "0::/", "0", "1", "2", "3"]
