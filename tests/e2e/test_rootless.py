"""An ordinary user, who has nothing but the kernel's user namespaces."""

import json
import os
import shutil
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

USER = 65534  # a user without a name of his own, a home, or rights
FIRST = 200000  # of the ids that /etc/subuid grants him
SILENT = (0, "", "")


def told(result):
    return result.status, result.stdout, result.stderr


class User:
    """The runtime, as the user calls it."""

    def __init__(self, workshop):
        self.workshop = workshop
        self.prefix = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups"]
        self.runtime_dir = workshop.folder / "user"
        self.runtime_dir.mkdir(mode=0o700)
        os.chown(self.runtime_dir, USER, USER)
        # Where the user's containers are by default; the workshop looks there for remains.
        workshop.root = self.runtime_dir / "pyoci"

    def __call__(self, *arguments, **options):
        environment = {"XDG_RUNTIME_DIR": str(self.runtime_dir), "PATH": os.environ["PATH"]}
        argv = [*self.prefix, self.workshop.runtime, *arguments]
        return self.workshop.command(argv, env=environment, **options)[0]

    def bundle(self, *args):
        """Return a bundle of his with the document that `spec --rootless` writes."""
        bundle = self.workshop.bundle(["true"])
        (bundle.path / "config.json").unlink()
        for folder, names, files in os.walk(bundle.path):
            for name in [".", *names, *files]:
                os.chown(os.path.join(folder, name), USER, USER, follow_symlinks=False)
        assert told(self("spec", "--rootless", "-b", bundle.path)) == SILENT
        bundle.config = json.loads((bundle.path / "config.json").read_text())
        bundle.config["process"].update(terminal=False, args=list(args))
        return bundle.write()


@pytest.fixture
def user(workshop):
    if shutil.which("setpriv") is None:
        pytest.skip("needs setpriv (util-linux)")
    limit = Path("/proc/sys/user/max_user_namespaces")
    if limit.exists() and limit.read_text().strip() == "0":
        pytest.skip("needs user namespaces (user.max_user_namespaces)")
    for name in (
        "kernel/unprivileged_userns_clone",
        "kernel/apparmor_restrict_unprivileged_userns",
    ):
        path = Path("/proc/sys", name)
        if path.exists() and path.read_text().strip() == ("0" if "clone" in name else "1"):
            pytest.skip(f"needs user namespaces for ordinary users ({name})")
    return User(workshop)


def test_the_rootless_document_runs(user, workshop):
    """`spec --rootless` is a bundle that runs as it is: root inside, the user outside."""
    script = (
        "id -u; hostname; cat /proc/self/uid_map; echo x >/dev/null; head -c 1 /dev/zero | wc -c"
    )
    bundle = user.bundle("sh", "-c", script + "; exit 5")
    result = user("run", "-b", bundle.path, workshop.id())
    assert result.stdout.split() == ["0", "pyoci", "0", str(USER), "1", "1"]
    assert (result.status, result.stderr) == (5, "")


def test_the_whole_life(user, workshop):
    """create, state, start, kill, delete; the state root is his own, and he is the owner."""
    bundle, id = user.bundle("sleep", "1000"), workshop.id()
    assert told(user("create", "-b", bundle.path, "--pid-file", bundle.path / "pid", id)) == SILENT
    pid = int((bundle.path / "pid").read_text())
    state = json.loads(user("state", id).stdout)
    assert (state["status"], state["pid"], state["owner"]) == ("created", pid, "nobody")
    status = Path(f"/proc/{pid}/status").read_text()
    assert f"Uid:\t{USER}\t{USER}\t{USER}\t{USER}\n" in status
    assert told(user("start", id)) == SILENT
    assert user("list", "-q").stdout == f"{id}\n"
    foreign = workshop.pyoci("kill", id, "KILL", globals=["--root", user.runtime_dir / "pyoci"])
    assert f"belongs to uid {USER}, not to us" in foreign.stderr, "root does not obey him"
    assert told(user("kill", id, "KILL")) == SILENT
    assert workshop.reap(pid) == -9
    assert told(user("delete", id)) == SILENT
    assert (user.runtime_dir / "pyoci").is_dir()


def test_his_files_stay_his(user, workshop):
    """What root of the container makes belongs to the user."""
    bundle = user.bundle("touch", "/made")
    bundle.config["root"]["readonly"] = False
    bundle.write()
    assert told(user("run", "-b", bundle.path, workshop.id())) == SILENT
    assert (bundle.rootfs / "made").stat().st_uid == USER


def test_groups_that_he_cannot_have_are_refused(user, workshop):
    """With one id mapped, setgroups is denied by the kernel."""
    bundle = user.bundle("true")
    bundle.config["process"]["user"]["additionalGids"] = [5]
    bundle.write()
    result = user("create", "-b", bundle.path, workshop.id())
    text = "create failed: cannot set any additional groups in a rootless container\n"
    assert told(result) == (1, "", text)
    assert workshop.remains() == {}


def test_ids_that_he_does_not_own_are_refused(user, workshop):
    """newuidmap says no, or is missing; nothing is left."""
    bundle = user.bundle("true")
    bundle.config["linux"]["uidMappings"] = [{"containerID": 0, "hostID": 0, "size": 10}]
    bundle.write()
    result = user("create", "-b", bundle.path, workshop.id())
    assert (result.status, result.stdout) == (1, "")
    assert result.stderr.startswith("create failed: map ids with newuidmap: ")
    assert result.stderr.count("\n") == 1
    assert workshop.remains() == {}


def test_ids_that_are_granted_to_him(user, workshop):
    """/etc/subuid and /etc/subgid are what newuidmap and newgidmap go by."""
    for name in ("newuidmap", "newgidmap"):
        found = shutil.which(name)
        if found is None or not os.stat(found).st_mode & 0o4000:
            pytest.skip(f"needs {name} (uidmap), set-user-ID")
    # In a mount namespace of the test's own, so that the host's files stay as they are.
    grants = workshop.folder / "grants"
    grants.write_text(f"nobody:{FIRST}:65536\n")
    script = 'mount --bind "$0" /etc/subuid && mount --bind "$0" /etc/subgid && exec "$@"'
    user.prefix = ["unshare", "-m", "sh", "-c", script, grants, *user.prefix]
    bundle = user.bundle("sh", "-c", "cat /proc/self/uid_map; id -u; grep Groups /proc/self/status")
    lines = [
        {"containerID": 0, "hostID": USER, "size": 1},
        {"containerID": 1, "hostID": FIRST, "size": 65536},
    ]
    bundle.config["linux"].update(uidMappings=lines, gidMappings=lines)
    bundle.config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [5, 6]}
    bundle.write()
    result = user("run", "-b", bundle.path, workshop.id())
    assert (result.status, result.stderr) == (0, "")
    expected = f"0 {USER} 1 1 {FIRST} 65536 1000 Groups: 5 6"
    assert result.stdout.split() == expected.split()


def test_another_users_container_does_not_exist(user, workshop):
    """He neither sees nor touches what root has made below another state root."""
    root = workshop.root
    workshop.root = workshop.folder / "state"
    container = workshop.create(("sleep", "1000"))
    result = user("state", container.id)
    assert told(result) == (1, "", "container does not exist\n")
    result = user("--root", workshop.root, "delete", "-f", container.id)
    assert result.status == 1 and "permission denied" in result.stderr
    assert container.delete().status == 0
    workshop.root = root
