"""exec where cgroups are v2 and systemd's, where AppArmor is, and for an ordinary user."""

import json
import os
import time
from pathlib import Path

import pytest

ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not ROOT, reason="needs root")
MAPS = [{"containerID": 0, "hostID": 100000, "size": 65536}]


@pytest.fixture
def running(pyoci, bundle):
    """Start a container that sleeps; return its id."""

    def start(id, change=None, *, options=(), command=("sleep", "1000")):
        pyoci.create(id, bundle(*command, change=change), options=options)
        pyoci("start", id)
        return id

    return start


def pid_of(pyoci, id):
    return json.loads(pyoci("state", id).stdout)["pid"]


def cgroup_of(pid):
    return Path(f"/proc/{pid}/cgroup").read_text()


def detached(pyoci, tmp_path, id, *words, options=()):
    """Run a tenant in the background; return its pid."""
    path = tmp_path / "tenant.pid"
    # stdio to nowhere: the tenant keeps it.
    command = ["exec", "--detach", "--pid-file", str(path), *options, id]
    command += ["sh", "-c", f"exec >/dev/null 2>&1; {' '.join(words)}"]
    pyoci(*command)
    return int(path.read_text())


@needs_root
def test_a_tenant_is_born_in_the_cgroup(pyoci, running, tmp_path):
    """
    The same as init's, and inside it is the root of the cgroup namespace.
    """
    id = running("born")

    pid = detached(pyoci, tmp_path, id, "exec sleep 1000")

    assert cgroup_of(pid) == cgroup_of(pid_of(pyoci, id))
    assert pyoci("exec", id, "cat", "/proc/self/cgroup").stdout == "0::/\n"


@needs_root
def test_a_tenant_of_systemds_scope(pyoci, running, tmp_path):
    """
    Is in the scope, too.
    """
    id = running("scope", options=("--systemd-cgroup",))

    pid = detached(pyoci, tmp_path, id, "exec sleep 1000")

    assert cgroup_of(pid) == cgroup_of(pid_of(pyoci, id))
    assert "scope" in cgroup_of(pid)


@needs_root
def test_a_container_that_has_made_cgroups_of_its_own(pyoci, running, tmp_path):
    """
    A cgroup that hands controllers on takes no processes; the tenant goes where init is.
    """
    id = running("inner")
    pid = pid_of(pyoci, id)
    path = Path("/sys/fs/cgroup") / cgroup_of(pid).strip().removeprefix("0::/")
    (path / "init").mkdir()
    (path / "init/cgroup.procs").write_text(str(pid))
    (path / "cgroup.subtree_control").write_text("+pids +memory")

    tenant = detached(pyoci, tmp_path, id, "exec sleep 1000")

    assert cgroup_of(tenant) == cgroup_of(pid)
    assert cgroup_of(tenant).endswith("/init\n")


@needs_root
def test_a_cgroup_below(pyoci, running, tmp_path):
    """
    By a plain path on v2.
    """
    id = running("below")
    path = Path("/sys/fs/cgroup") / cgroup_of(pid_of(pyoci, id)).strip().removeprefix("0::/")
    (path / "sub").mkdir()

    pid = detached(pyoci, tmp_path, id, "exec sleep 1000", options=("--cgroup", "sub"))

    assert cgroup_of(pid).endswith("/sub\n")


@needs_root
def test_a_tenant_fits_into_little_memory(pyoci, running):
    """
    Nothing of Python is charged to the container.
    """

    def change(document):
        document["linux"]["resources"] = {"memory": {"limit": 1 << 20}}

    id = running("little", change)

    for _ in range(5):
        assert pyoci("exec", id, "true").returncode == 0


@needs_root
def test_a_frozen_container(pyoci, running):
    """
    Takes nobody; a tenant that insists begins when it is thawed.
    """
    id = running("frozen")
    path = Path("/sys/fs/cgroup") / cgroup_of(pid_of(pyoci, id)).strip().removeprefix("0::/")
    (path / "cgroup.freeze").write_text("1")

    done = pyoci("exec", id, "true", check=False)
    (path / "cgroup.freeze").write_text("0")

    text = "cannot exec in a paused container (use --ignore-paused to override)"
    assert (done.returncode, done.stderr) == (255, f"exec failed: {text}\n")
    time.sleep(0.1)
    assert pyoci("exec", "--ignore-paused", id, "true").returncode == 0


PROFILE = "profile pyoci-exec flags=(attach_disconnected,mediate_deleted) {{\n{rules}\n}}\n"
RULES = "file, capability, mount, umount, pivot_root, network, signal, ptrace, unix,"


@pytest.fixture
def profile(tmp_path):
    """Load a profile; yield its name."""
    import subprocess

    enabled = Path("/sys/module/apparmor/parameters/enabled")
    if not enabled.exists() or enabled.read_text().strip() != "Y":
        pytest.skip("needs AppArmor")
    file = tmp_path / "profiles"
    file.write_text(PROFILE.format(rules=RULES))
    subprocess.run(["apparmor_parser", "-r", file], check=True)
    yield "pyoci-exec"
    subprocess.run(["apparmor_parser", "-R", file], check=True)


@needs_root
@pytest.mark.parametrize("privileges", [False, True], ids=["nnp", "-"])
@pytest.mark.parametrize(("user", "uid"), [(False, 0), (False, 1000), (True, 0), (True, 1000)])
def test_a_tenant_is_confined(pyoci, running, profile, privileges, user, uid):
    """
    By the document's profile, or the option's.
    """

    def change(document):
        document["process"].update(noNewPrivileges=not privileges)
        if user:
            document["linux"].update(uidMappings=MAPS, gidMappings=MAPS)
            document["linux"]["namespaces"].append({"type": "user"})

    def labelled(document):
        change(document)
        document["process"]["apparmorProfile"] = profile

    look = ("cat", "/proc/self/attr/current")
    options = ("--user", f"{uid}:{uid}")
    id = running("confined", labelled)
    assert pyoci("exec", *options, id, *look).stdout == "pyoci-exec (enforce)\n"
    pyoci("delete", "--force", id)
    id = running("free", change)
    assert pyoci("exec", *options, id, *look).stdout == "unconfined\n"
    found = pyoci("exec", "--apparmor", profile, *options, id, *look).stdout
    assert found == "pyoci-exec (enforce)\n"
    done = pyoci("exec", "--apparmor", "no-such", id, "true", check=False)
    assert done.returncode == 255
    assert "apparmor failed to apply profile" in done.stderr


@needs_root
@pytest.mark.parametrize("user", [False, True], ids=["host-user", "new-user"])
def test_a_tenants_clocks(pyoci, running, user):
    """
    Are the container's, although this kernel's exec enters no time namespace.
    """

    def change(document):
        document["linux"]["namespaces"].append({"type": "time"})
        document["linux"]["timeOffsets"] = {"boottime": {"secs": 1_000_000_000}}
        if user:
            document["linux"].update(uidMappings=MAPS, gidMappings=MAPS)
            document["linux"]["namespaces"].append({"type": "user"})

    id = running("clock", change)

    assert float(pyoci("exec", id, "cat", "/proc/uptime").stdout.split()[0]) > 1_000_000_000


@pytest.mark.skipif(ROOT, reason="needs an ordinary user")
def test_an_ordinary_user(pyoci, running):
    """
    Is root in the container, with the groups and the host's network that he has.
    """
    id = running("mine")

    assert pyoci("exec", id, "id", "-u").stdout == "0\n"
    assert pyoci("exec", id, "sh", "-c", "exit 3", check=False).returncode == 3
    done = pyoci("exec", id, "nosuch", check=False)
    text = 'exec failed: exec: "nosuch": executable file not found in $PATH\n'
    assert (done.returncode, done.stderr) == (255, text)


@pytest.mark.skipif(ROOT, reason="needs an ordinary user")
def test_an_ordinary_user_in_a_created_container(pyoci, bundle):
    """
    Whose waiting process nobody can look into.
    """
    pyoci.create("waits", bundle("true"))

    assert pyoci("exec", "waits", "id", "-u").stdout == "0\n"
    pyoci("start", "waits")
