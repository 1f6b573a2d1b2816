"""Unusual documents and images: what is legal works, what is meant to trick does not."""

import os
import re
import shlex
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")


def told(result):
    return result.status, result.stdout, result.stderr


# -- names and sizes


@pytest.mark.parametrize(
    "name", ["with space", "with\nline", "ünï", "quote'\"", "-dash", "x" * 200]
)
def test_a_bundle_may_be_anywhere(workshop, name):
    """Whatever characters its path has."""
    bundle = workshop.bundle("echo fine")
    bundle.path = bundle.path.rename(workshop.folder / name)
    assert workshop.inside(bundle) == "fine\n"


def test_a_path_that_is_not_utf8(workshop):
    """A folder's name is bytes: the container is made and can be deleted, or is refused."""
    bundle = workshop.bundle(FOREVER)
    odd = os.fsencode(workshop.folder) + b"/\xff\xfe"
    os.rename(bundle.path, odd)
    id = workshop.id()
    made = workshop.pyoci("create", "-b", os.fsdecode(odd), id)
    if made.status == 0:
        assert workshop.pyoci("state", id).status == 0
        assert told(workshop.pyoci("delete", id)) == (0, "", "")
    assert workshop.remains() == {}


def test_force_ends_a_container_whose_state_is_damaged(workshop):
    """What cannot be read is found by its name: the cgroup, and who is in it."""
    container = workshop.create(FOREVER)
    pid = container.pid
    (workshop.root / container.id / "state.json").write_text("{")
    assert told(container.delete("--force")) == (0, "", "")
    assert workshop.reap(pid) == -9


@pytest.fixture
def other():
    """A process that is no container's."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        time.sleep(0.2)
        yield process
        process.kill()


@pytest.mark.parametrize("minutes", [0, 1], ids=["there-before", "came-later"])
def test_force_spares_who_else_is_in_the_cgroup_of_that_name(workshop, other, minutes):
    """Without a state nobody knows whose a process is: one that cannot be init is left alone."""
    container = workshop.create("exit 0")
    container.start()
    container.wait()
    folder, log = workshop.root / container.id, workshop.folder / "log"
    (folder / "state.json").write_text("{")
    kept = os.stat(folder / "config.json").st_mtime - minutes * 60
    os.utime(folder / "config.json", (kept, kept))
    for cgroup in workshop.cgroups():
        Path(cgroup, "cgroup.procs").write_text(str(other.pid))

    result = workshop.pyoci("delete", "--force", container.id, globals=("--debug", "--log", log))

    assert (result.status, folder.exists()) == (0, False)
    assert "may be somebody else's" in log.read_text()
    assert other.poll() is None
    other.kill()
    other.wait()
    for cgroup in reversed(workshop.cgroups()):
        os.rmdir(cgroup)


@pytest.mark.parametrize("length", [1, 200, 255])
def test_an_id_may_be_long(workshop, length):
    """As long as a file's name."""
    id = (workshop.token + "_" * 255)[:length] if length > 1 else "_"
    container = workshop.create("exit 0", id=id)
    assert container.state()["id"] == id
    assert told(container.delete()) == (0, "", "")


@pytest.mark.parametrize("id", ["a.b", "+", "A-1_b", "_"])
def test_an_id_may_have_these_characters(workshop, id):
    """Letters, digits, `_`, `+`, `-`, and dots but not first."""
    assert told(workshop.create("exit 0", id=id).delete()) == (0, "", "")


def test_a_large_document(workshop):
    """Many arguments, variables, annotations, mounts and masks."""
    script = "echo $# ${#LONG}; grep -c /data /proc/mounts"
    config = workshop.config("sh", "-c", script, "sh", *[f"argument {n}" for n in range(5000)])
    config["process"]["env"] += ["LONG=" + "x" * 100000, *[f"V{n}={n}" for n in range(1000)]]
    config["annotations"] = {f"key.{n}": "value" * 10 for n in range(1000)}
    config["linux"]["maskedPaths"] += [f"/not/there/{n}" for n in range(500)]
    for n in range(100):
        mount = {"destination": f"/data/{n}", "type": "tmpfs", "source": "tmpfs", "options": ["ro"]}
        config["mounts"].append(mount)
    assert workshop.inside(config) == "5000 100000\n100\n"


def test_a_document_that_says_least(workshop):
    """Only what the specification demands: then it shares every namespace but mount."""
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["/bin/id", "-u"]},
        "linux": {"namespaces": [{"type": "mount"}]},
    }
    assert workshop.inside(config) == "0\n"


def test_a_container_without_a_mount_namespace(workshop):
    """Its root is changed, nothing is mounted."""
    config = {
        "ociVersion": "1.0.2",
        "root": {"path": "rootfs"},
        "process": {"cwd": "/", "args": ["/bin/ls", "/"]},
        "linux": {"namespaces": []},
    }
    assert "bin" in workshop.inside(config).split()


def test_unknown_fields_are_ignored(workshop):
    """As the specification demands of a runtime."""
    config = workshop.config("echo", "fine")
    config["new"] = config["process"]["new"] = config["linux"]["new"] = {"deep": [1]}
    assert workshop.inside(config) == "fine\n"


# -- commands


@pytest.mark.parametrize(
    ("args", "cwd"),
    [
        pytest.param(("/bin/alias", "fine"), "/", id="absolute link"),
        pytest.param(("./tool", "fine"), "/opt", id="relative to the working directory"),
        pytest.param(("opt/tool", "fine"), "/", id="relative with a folder"),
        pytest.param(("../opt/tool", "fine"), "/opt", id="relative with .."),
        pytest.param(("script",), "/", id="script in PATH"),
    ],
)
def test_commands_are_found(workshop, args, cwd):
    """By absolute path, relative path, and PATH; links are followed inside of the root."""
    config = workshop.config(*args)
    config["process"]["cwd"] = cwd
    bundle = workshop.bundle(config)
    (bundle.rootfs / "opt").mkdir()
    (bundle.rootfs / "opt" / "tool").symlink_to("/bin/echo")
    (bundle.rootfs / "bin" / "alias").symlink_to("/opt/tool")
    (bundle.rootfs / "bin" / "script").write_text("#!/bin/sh\necho fine\n")
    (bundle.rootfs / "bin" / "script").chmod(0o755)
    result = workshop.run(bundle)
    # busybox goes by its name: `tool` and `alias` are none of its applets.
    assert "fine" in result.stdout or "applet not found" in result.stderr, result


def test_argv0_is_as_given(workshop):
    """Not the path that was found."""
    config = workshop.config("cat", "/proc/self/cmdline")
    assert workshop.inside(config) == "cat\0/proc/self/cmdline\0"


def test_a_script_without_its_interpreter(workshop):
    """`start` succeeds, the text is on the container's stderr, the exit status is 1."""
    bundle = workshop.bundle(["/bin/orphan"])
    (bundle.rootfs / "bin" / "orphan").write_text("#!/no/such/interpreter\n")
    (bundle.rootfs / "bin" / "orphan").chmod(0o755)
    container = workshop.create(bundle)
    assert told(container.start()) == (0, "", "")
    assert container.wait() == 1
    assert container.stderr == "exec /bin/orphan: no such file or directory\n"
    assert container.delete().status == 0


# -- hostile images


def test_dev_that_leads_outside(workshop):
    """A link is followed inside of the root: devices are never made on the host."""
    bundle = workshop.bundle("ls /dev/null")
    outside = workshop.folder / "outside"
    outside.mkdir()
    (bundle.rootfs / "dev").rmdir()
    (bundle.rootfs / "dev").symlink_to(outside)
    workshop.run(bundle)
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("name", ["proc", "sys"])
def test_proc_and_sys_that_lead_elsewhere(workshop, name):
    """A link in place of /proc is refused, so nobody can exchange what it leads to."""
    bundle = workshop.bundle(["true"])
    (bundle.rootfs / name).rmdir()
    (bundle.rootfs / name).symlink_to("tmp")
    container = workshop.try_create(bundle)
    assert container.created.status == 1
    assert "must be mounted on ordinary directory" in container.created.stderr


def test_masks_are_on_what_the_link_leads_to(workshop):
    """A masked path that is a link hides its target, inside of the root."""
    bundle = workshop.bundle("cat /secret/key /etc/link")
    (bundle.rootfs / "secret").mkdir()
    (bundle.rootfs / "secret" / "key").write_text("secret")
    (bundle.rootfs / "etc" / "link").symlink_to("/secret/key")
    bundle.config["linux"]["maskedPaths"].append("/etc/link")
    bundle.write()
    assert workshop.inside(bundle) == ""


def test_a_password_file_that_never_ends(workshop):
    """HOME is then `/`; nothing waits."""
    bundle = workshop.bundle("echo $HOME")
    (bundle.rootfs / "etc" / "passwd").unlink()
    os.mkfifo(bundle.rootfs / "etc" / "passwd")
    assert workshop.inside(bundle) == "/\n"


@pytest.mark.parametrize("number", range(3, 13))
def test_a_working_directory_by_a_descriptor_is_refused(workshop, number):
    """/proc/self/fd/N would be a way out of the root (CVE-2024-21626)."""
    config = workshop.config(*FOREVER)
    config["process"]["cwd"] = f"/proc/self/fd/{number}"
    container = workshop.try_create(config)
    if container.created.status == 0:
        pid = container.pid
        cwd, root = os.stat(f"/proc/{pid}/cwd"), os.stat(f"/proc/{pid}/root")
        assert container.delete("-f").status == 0
        assert (cwd.st_dev, cwd.st_ino) == (root.st_dev, root.st_ino)
    assert workshop.remains() == {}


def test_a_command_by_a_descriptor_reaches_nothing(workshop):
    """/proc/self/exe and /proc/self/fd/N as a command do not run the runtime."""
    for path in ("/proc/self/exe", "/proc/self/fd/3", "/proc/self/fd/4", "/proc/self/fd/5"):
        container = workshop.try_create([path])
        if container.created.status == 0:
            container.start()
            assert container.wait() != 0
            assert container.delete("-f").status == 0
        assert "python" not in container.stdout + container.stderr


def test_the_runtime_cannot_be_overwritten(workshop, delete_after):
    """From inside, /proc/1/exe of a waiting neighbour cannot be opened for writing."""
    waiting = workshop.create(FOREVER)
    delete_after(waiting)
    config = workshop.config(
        "sh",
        "-c",
        "for p in /proc/[0-9]*; do echo x 2>/dev/null >$p/exe && echo bad $p; done; true",
    )
    for namespace in config["linux"]["namespaces"]:
        if namespace["type"] == "pid":
            namespace["path"] = f"/proc/{waiting.pid}/ns/pid"
    result = workshop.run(config)
    assert result.stdout == ""
    assert Path(workshop.runtime).read_text().startswith("#!")


def test_a_volume_over_proc_self_does_not_redirect_writes(workshop):
    """A bind over /proc/sys or /proc/self is the image's own loss: it is refused or harmless."""
    config = workshop.config("true")
    source = workshop.folder / "volume"
    source.mkdir()
    config["mounts"].append(
        {"destination": "/proc/self/attr", "source": str(source), "options": ["bind"]}
    )
    container = workshop.try_create(config)
    if container.created.status == 0:
        assert container.delete("-f").status == 0
    assert workshop.remains() == {}


def test_sysctl_keys_do_not_climb(workshop):
    """A key with .. is refused."""
    config = workshop.config("true")
    config["linux"]["sysctl"] = {"net/../kernel/hostname": "x"}
    container = workshop.try_create(config)
    assert container.created.status == 1
    assert container.created.stderr.count("\n") == 1


# -- while others work


def test_list_and_state_beside_creates_and_deletes(workshop):
    """They never fail for what appears or goes while they look."""
    bundle = workshop.bundle("exit 0")
    workshop.root.mkdir()
    for _ in range(3):
        ids = [workshop.id() for _ in range(6)]
        makers = [workshop.spawn("run", "-b", bundle.path, id) for id in ids]
        while any([maker.poll() is None for maker in makers]):
            result = workshop.pyoci("list", "-f", "json")
            assert (result.status, result.stderr) == (0, "")
            state = workshop.pyoci("state", ids[0])
            assert told(state)[0] == 0 or state.stderr == "container does not exist\n"
        assert [maker.returncode for maker in makers] == [0] * 6


@pytest.mark.parametrize("joined", [False, True], ids=["own-pids", "joined-pids"])
def test_a_host_that_executes_no_memfd(workshop, joined):
    """
    vm.memfd_noexec is 2: the last mile runs from an unnamed file, in create, exec and hooks.
    """
    setting = Path("/proc/sys/vm/memfd_noexec")
    if not setting.exists():
        pytest.skip("needs Linux 6.3")
    config = workshop.config("sh", "-c", "readlink /proc/1/exe; sleep 100")
    hook = {"path": "/bin/sh", "args": ["sh", "-c", "exit 0"]}
    config["hooks"] = {"startContainer": [hook]}
    if joined:
        for namespace in config["linux"]["namespaces"]:
            if namespace["type"] == "pid":
                namespace["path"] = "/proc/self/ns/pid"
    bundle, id = workshop.bundle(config), workshop.id()
    pyoci = shlex.join(map(str, workshop.argv("PLACE")[:-1]))
    # The setting is the pid namespace's, and cannot be taken back in one.
    script = f"""
        echo 2 >/proc/sys/vm/memfd_noexec || exit 99
        {pyoci} create -b {bundle.path} {id} >/dev/null || exit 1
        {pyoci} start {id} && {pyoci} exec {id} sh -c 'exit 7'
        echo $?
        {pyoci} delete -f {id}
    """
    isolated = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script]

    result, _ = workshop.command(isolated)

    assert (result.status, result.stdout, result.stderr) == (0, "7\n", "")


@pytest.mark.parametrize(
    "room", [(4, 100), (40, 4), (40, 5), (40, 6), (40, 7), (8, 100), (12, 100)]
)
def test_a_state_root_that_is_full(workshop, room):
    """
    A create for whose state there is no room says what could not be written, and leaves nothing; a
    container that has its room can be deleted where nothing can be written any more.
    """
    kilobytes, files = room
    folder = workshop.folder / "full"
    folder.mkdir()
    options = f"size={kilobytes}k,nr_inodes={files}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
    root = str(folder / "state")
    bundle = workshop.bundle(FOREVER)
    try:
        made, refused = [], None
        while refused is None and len(made) < 20:
            id = workshop.id()
            create = workshop.pyoci("create", "-b", bundle.path, id, globals=("--root", root))
            if create.status == 0:
                made.append(id)
            else:
                refused = create
        assert refused is not None
        text = rf"create failed: (mkdir|mkfifo|write) {folder}/\S+: no space left on device\n"
        assert re.fullmatch(text, refused.stderr)
        left = set(os.listdir(root)) if os.path.exists(root) else set()
        assert left - {".seccomp"} == set(made)
        for id in made:
            assert told(workshop.pyoci("delete", id, globals=("--root", root))) == (0, "", "")
    finally:
        subprocess.run(["umount", folder], check=True)
    assert workshop.remains() == {}
