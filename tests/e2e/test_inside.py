"""What a container sees of itself: the document, and nothing of the host."""

import os
import re
import signal
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CAPABILITIES = {"CAP_CHOWN": 0, "CAP_KILL": 5, "CAP_NET_BIND_SERVICE": 10, "CAP_MKNOD": 27}
EVERY_KIND = ("bounding", "effective", "permitted", "inheritable", "ambient")


def shell(workshop, script):
    return workshop.config("sh", "-c", script)


def mask(names):
    return sum([1 << CAPABILITIES[name] for name in names])


def share(config, *kinds):
    linux = config["linux"]
    linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] not in kinds]
    return config


def add_user_namespace(config, first=100000, size=65536):
    line = {"containerID": 0, "hostID": first, "size": size}
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(uidMappings=[line], gidMappings=[line])
    return config


def fields(text):
    """Return /proc/self/status, or any text of that form, as a dictionary."""
    return dict([line.split(":\t", 1) for line in text.splitlines() if ":\t" in line])


def mounts(text):
    """Return mountinfo by mount point: (file system, options, optional fields)."""
    found = {}
    for line in text.splitlines():
        left, right = line.split(" - ")
        _, _, _, _, point, options, *optional = left.split()
        found[point] = right.split()[0], set(options.split(",")), optional
    return found


# -- mounts


def test_the_mounts_are_those_of_the_document(workshop):
    """Each with its file system and options; nothing of the host's is in sight."""
    config = shell(workshop, "cat /proc/self/mountinfo")
    config["linux"].update(maskedPaths=[], readonlyPaths=[])
    found = mounts(workshop.inside(config))
    below_cgroup = {p: m for p, m in found.items() if p.startswith("/sys/fs/cgroup/")}
    kinds = {p: m[0] for p, m in found.items() if p not in below_cgroup and p != "/"}
    cgroup = kinds.pop("/sys/fs/cgroup")
    assert kinds == {
        "/proc": "proc",
        "/dev": "tmpfs",
        "/dev/pts": "devpts",
        "/dev/shm": "tmpfs",
        "/dev/mqueue": "mqueue",
        "/sys": "sysfs",
    }
    assert cgroup in ("tmpfs", "cgroup2")
    assert {"ro"} <= found["/"][1]
    assert {"ro", "nosuid", "nodev", "noexec"} <= found["/sys"][1]
    assert {"rw", "nosuid"} <= found["/dev"][1]
    assert {"rw", "nosuid", "nodev", "noexec"} <= found["/dev/shm"][1]
    assert all({"ro", "nosuid", "nodev", "noexec"} <= m[1] for m in below_cgroup.values())
    assert all(not field.startswith("shared") for m in found.values() for field in m[2])


def test_dev_has_the_default_devices_and_links(workshop):
    """The specification's devices and links, and no more."""
    said = workshop.inside(
        "cd /dev; ls; stat -c '%n %F %a %t,%T' null zero full random urandom tty"
    )
    listed = said.split("null character")[0].split()
    expected = (
        "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero".split()
    )
    if Path("/proc/kcore").exists():
        expected.insert(0, "core")
    assert listed == expected
    for name, numbers in {
        "null": "1,3",
        "zero": "1,5",
        "full": "1,7",
        "random": "1,8",
        "urandom": "1,9",
        "tty": "5,0",
    }.items():
        assert f"{name} character special file 666 {numbers}" in said


def test_devices_of_the_document_are_made(workshop):
    """With type, numbers, mode and owner."""
    config = shell(workshop, "stat -c '%F %a %u %g %t,%T' /dev/fuse /dev/below/disk")
    config["linux"]["devices"] = [
        {"path": "/dev/fuse", "type": "c", "major": 10, "minor": 229, "fileMode": 0o640, "uid": 7},
        {"path": "/dev/below/disk", "type": "b", "major": 7, "minor": 3, "fileMode": 0o600},
    ]
    assert workshop.inside(config).splitlines() == [
        "character special file 640 7 0 a,e5",
        "block special file 600 0 0 7,3",
    ]


@pytest.mark.parametrize("source", ["file", "directory"])
@pytest.mark.parametrize("options", [["rbind"], ["bind", "ro"], ["rbind", "rw", "nosuid"]])
def test_bind_mounts(workshop, source, options):
    """A file is bound on a file, a directory on a directory; ro means read-only."""
    outside = workshop.folder / "outside"
    outside.mkdir()
    (outside / "f").write_text("bound\n")
    path, script = (outside, "cat /data/f; echo x 2>/dev/null >/data/f")
    if source == "file":
        path, script = outside / "f", "cat /data; echo x 2>/dev/null >/data"
    config = shell(workshop, f"({script}) 2>/dev/null; true")
    config["mounts"].append({"destination": "/data", "source": str(path), "options": options})
    assert workshop.inside(config) == "bound\n"
    assert (outside / "f").read_text() == ("bound\n" if "ro" in options else "x\n")


def test_a_relative_source_is_in_the_bundle(workshop):
    """As the specification says."""
    config = shell(workshop, "cat /data")
    mount = {"destination": "/data", "source": "beside", "options": ["bind"]}
    config["mounts"].append(mount)
    bundle = workshop.bundle(config)
    (bundle.path / "beside").write_text("beside the document\n")
    assert workshop.inside(bundle) == "beside the document\n"


def test_a_tmpfs_may_begin_with_what_it_covers(workshop):
    """`tmpcopyup`, read-only from the start of the payload."""
    config = shell(workshop, "cat /etc/passwd; ls -l /etc/shells; touch /etc/x; ls /etc/x")
    options = ["tmpcopyup", "ro", "nosuid"]
    config["mounts"].append(
        {"destination": "/etc", "type": "tmpfs", "source": "tmpfs", "options": options}
    )
    result = workshop.run(config)
    assert result.stdout.startswith("root:x:0:0")
    assert "touch: /etc/x: Read-only file system" in result.stderr


def test_mounts_on_the_host_do_not_travel_in_or_out(workshop):
    """A mount made in the container is not seen outside, and root stays a slave or private."""
    config = shell(workshop, "mount -t tmpfs none /tmp && grep -c ' /tmp ' /proc/mounts")
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")
    assert workshop.inside(config) == "1\n"
    assert workshop.mounts() == []


def test_a_shared_root_when_asked(workshop):
    """rootfsPropagation shared makes the container's root shared, not the host's mounts."""
    config = shell(workshop, "grep ' / / \\| / ' /proc/self/mountinfo")
    config["linux"]["rootfsPropagation"] = "shared"
    text = workshop.inside(config)
    root = next(line for line in text.splitlines() if line.split()[4] == "/")
    assert "shared:" in root


@pytest.mark.parametrize("readonly", [True, False], ids=["read-only", "writable"])
def test_the_root(workshop, readonly):
    """root.readonly decides whether the payload may write; masks and mounts are the same."""
    config = shell(workshop, "echo kept >/file; cat /file")
    config["root"]["readonly"] = readonly
    bundle = workshop.bundle(config)
    result = workshop.run(bundle)
    if readonly:
        assert "/file: Read-only file system" in result.stderr
        assert not (bundle.rootfs / "file").exists()
    else:
        assert (result.status, result.stdout, result.stderr) == (0, "kept\n", "")
        assert (bundle.rootfs / "file").read_text() == "kept\n"


def test_masked_paths_hide_files_and_directories(workshop):
    """A file reads empty, a directory is empty and read-only; a missing path is no fault."""
    script = "cat /etc/secret; ls -A /home; stat -c %F /etc/secret; touch /home/x"
    config = shell(workshop, script)
    config["linux"]["maskedPaths"] += ["/etc/secret", "/home", "/not/there"]
    bundle = workshop.bundle(config)
    (bundle.rootfs / "etc" / "secret").write_text("secret")
    result = workshop.run(bundle)
    assert result.stdout == "character special file\n"
    assert result.stderr == "touch: /home/x: Read-only file system\n"


def test_readonly_paths_are_read_only(workshop):
    """/proc/sys of the default document, and paths of one's own."""
    script = "cat /etc/passwd >/dev/null; echo 1 >/proc/sys/kernel/hostname; echo x >/etc/passwd"
    config = shell(workshop, script)
    config["root"]["readonly"] = False
    config["linux"]["readonlyPaths"] += ["/etc", "/not/there"]
    result = workshop.run(config)
    errors = result.stderr.splitlines()
    assert len(errors) == 2 and all("Read-only file system" in line for line in errors)


# -- names, ids and rights


def test_host_and_domain_name(workshop):
    """Both are the document's."""
    config = shell(workshop, "hostname; cat /proc/sys/kernel/domainname")
    config.update(hostname="one.example", domainname="two.example")
    assert workshop.inside(config) == "one.example\ntwo.example\n"


@pytest.mark.parametrize(
    ("uid", "names", "expected"),
    [
        pytest.param(0, {"bounding", "effective", "permitted"}, "bep", id="root"),
        pytest.param(1000, {"bounding", "effective", "permitted"}, "b", id="user"),
        pytest.param(1000, set(EVERY_KIND), "biepa", id="user with ambient"),
        pytest.param(0, set(EVERY_KIND), "biepa", id="root with ambient"),
        pytest.param(0, set(), "", id="none"),
        pytest.param(1000, set(), "", id="none for a user"),
    ],
)
@pytest.mark.parametrize("no_new_privileges", [True, False], ids=["nnp", "no nnp"])
def test_capability_sets(workshop, uid, names, expected, no_new_privileges):
    """The sets that the kernel gives after an execve with the document's sets."""
    config = workshop.config("cat", "/proc/self/status")
    given = ["CAP_CHOWN", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
    config["process"].update(
        capabilities=dict.fromkeys(names, given),
        user={"uid": uid, "gid": uid},
        noNewPrivileges=no_new_privileges,
    )
    status = fields(workshop.inside(config))
    letters = {"b": "CapBnd", "i": "CapInh", "e": "CapEff", "p": "CapPrm", "a": "CapAmb"}
    found = {key: int(status[key], 16) for key in letters.values()}
    assert found == {
        key: mask(given) if letter in expected else 0 for letter, key in letters.items()
    }
    assert status["NoNewPrivs"] == str(int(no_new_privileges))
    assert status["Uid"].split() == [str(uid)] * 4


@pytest.mark.parametrize("number", [1, 38], ids=["EPERM", "ENOSYS"])
@pytest.mark.parametrize(
    ("uid", "no_new_privileges"),
    [(0, True), (0, False), (1000, True), (1000, False)],
    ids=["root nnp", "root", "user nnp", "user"],
)
def test_a_seccomp_filter_is_in_force(workshop, number, uid, no_new_privileges):
    """The call fails with the rule's errno; the filter needs neither root nor no_new_privs."""
    config = shell(workshop, "grep Seccomp: /proc/self/status; mkdir /tmp/x; cat /etc/group")
    config["process"]["user"] = {"uid": uid, "gid": uid}
    config["process"]["noNewPrivileges"] = no_new_privileges
    config["root"]["readonly"] = False
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": number}
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"],
        "syscalls": [rule],
    }
    result = workshop.run(config)
    assert result.status == 0
    assert "Seccomp:\t2\n" in result.stdout and "root:x:0:" in result.stdout
    assert os.strerror(number) in result.stderr


def test_a_filter_may_kill(workshop):
    """SCMP_ACT_KILL_PROCESS ends the container with SIGSYS."""
    config = workshop.config("mkdir", "/tmp/x")
    rule = {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_KILL_PROCESS"}
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    assert workshop.run(config).status == 128 + signal.SIGSYS


def test_a_filter_looks_at_arguments(workshop):
    """The rule of kill(2) with signal 0 leaves other signals alone."""
    script = "kill -0 $$ 2>/dev/null || echo refused; trap 'echo got' USR1; kill -USR1 $$"
    config = shell(workshop, script)
    argument = {"index": 1, "value": 0, "op": "SCMP_CMP_EQ"}
    rule = {"names": ["kill"], "action": "SCMP_ACT_ERRNO", "args": [argument]}
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
    assert workshop.inside(config) == "refused\ngot\n"


def test_umask_and_groups(workshop):
    """user.umask and user.additionalGids are the payload's; the default umask is 0022."""
    config = shell(workshop, "umask; id -u; id -g; grep Groups /proc/self/status")
    config["process"]["user"] = {"uid": 5, "gid": 6, "additionalGids": [7, 99], "umask": 0o077}
    assert workshop.inside(config).split() == ["0077", "5", "6", "Groups:", "7", "99"]
    config["process"]["user"] = {"uid": 5, "gid": 6}
    assert workshop.inside(config).split() == ["0022", "5", "6", "Groups:"]


def test_the_working_directory_is_made(workshop):
    """Also below a read-only root, with its parents."""
    config = shell(workshop, "pwd; stat -c %a .")
    config["process"]["cwd"] = "/new/folder"
    assert workshop.inside(config) == "/new/folder\n755\n"


@pytest.mark.parametrize(
    ("uid", "env", "home"),
    [
        (0, [], "/root"),
        (1000, [], "/home/user"),
        (4242, [], "/"),
        (0, ["HOME=/tmp"], "/tmp"),
    ],
)
def test_home_comes_from_the_images_passwd(workshop, uid, env, home):
    """Unless the document has one."""
    config = shell(workshop, "echo $HOME")
    config["process"]["user"] = {"uid": uid, "gid": 0}
    config["process"]["env"] = [DEFAULT_PATH, *env]
    assert workshop.inside(config) == home + "\n"


def test_the_environment_is_the_documents(workshop):
    """In order, values untouched, the last of equal names; nothing of the runtime's but HOME."""
    workshop.host = {**workshop.host, "SECRET": "x"}
    config = workshop.config("cat", "/proc/self/environ")
    config["process"]["env"] = [DEFAULT_PATH, "A=1=2", "B=", "C=ä\nö", "A=3"]
    found = workshop.inside(config).split("\0")[:-1]
    assert sorted(found) == sorted([DEFAULT_PATH, "A=3", "B=", "C=ä\nö", "HOME=/root"])


def test_rlimits_are_set(workshop):
    """Soft and hard."""
    config = workshop.config("cat", "/proc/self/limits")
    config["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 4096},
        {"type": "RLIMIT_NPROC", "soft": 50, "hard": 60},
    ]
    lines = {line[:26].strip(): line[26:].split() for line in workshop.inside(config).splitlines()}
    assert lines["Max open files"][:2] == ["100", "200"]
    assert lines["Max core file size"][:2] == ["0", "4096"]
    assert lines["Max processes"][:2] == ["50", "60"]


def test_the_oom_score_is_adjusted(workshop):
    """process.oomScoreAdj, from outside and inside."""
    config = workshop.config("cat", "/proc/self/oom_score_adj")
    config["process"]["oomScoreAdj"] = 321
    assert workshop.inside(config) == "321\n"


def test_sysctls_are_written_in_the_containers_namespaces(workshop):
    """Those of the network, ipc and uts namespaces; the host's own stay as they are."""
    config = shell(workshop, "cd /proc/sys; cat net/ipv4/ip_default_ttl kernel/msgmax")
    config["linux"]["sysctl"] = {"net.ipv4.ip_default_ttl": "77", "kernel.msgmax": "9999"}
    before = Path("/proc/sys/net/ipv4/ip_default_ttl").read_text()
    assert workshop.inside(config) == "77\n9999\n"
    assert Path("/proc/sys/net/ipv4/ip_default_ttl").read_text() == before


def test_the_loopback_device_is_up(workshop):
    """In a new network namespace, so that 127.0.0.1 works, and there is no other device."""
    script = "cat /sys/class/net/lo/operstate; ls /sys/class/net; grep -c lo: /proc/net/dev"
    said = workshop.inside(script).split()
    assert said[1:] == ["lo", "1"]
    result = workshop.run("nc -w 1 127.0.0.1 1")
    assert "Connection refused" in result.stderr


def test_stdio_can_be_opened_again(workshop):
    """/dev/stdout works for a user who is not root, as it belongs to him."""
    config = shell(workshop, "echo twice >/dev/stderr; id -u")
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    reader, writer = os.pipe()
    bundle = workshop.bundle(config)
    result = workshop.run(bundle, stderr=writer)
    os.close(writer)
    with open(reader) as said:
        assert (result.status, result.stdout, said.read()) == (0, "1000\n", "twice\n")


def test_signals_are_as_by_default(workshop):
    """What the runtime or its caller ignores or blocks, the payload does not."""
    bundle = workshop.bundle(["cat", "/proc/self/status"])
    script = "trap '' PIPE INT QUIT HUP XFSZ; exec \"$@\""
    argv = workshop.argv("run", "-b", bundle.path, workshop.id())
    result, _ = workshop.command(["sh", "-c", script, "sh", *argv])
    status = fields(result.stdout)
    assert int(status["SigIgn"], 16) == 0
    assert int(status["SigBlk"], 16) == 0


def test_it_leads_a_session_of_its_own(workshop):
    """pid 1, session and group as seen from outside."""
    container = workshop.create(FOREVER)
    container.start()
    stat = Path(f"/proc/{container.pid}/stat").read_text().rpartition(")")[2].split()
    assert stat[2:4] == [str(container.pid)] * 2
    status = fields(Path(f"/proc/{container.pid}/status").read_text())
    assert status["NSpid"].split() == [str(container.pid), "1"]
    assert container.delete("-f").status == 0


# -- user namespaces


def test_a_user_namespace_maps_ids(workshop):
    """Root inside is an ordinary user outside, the bound devices work, and files belong to it."""
    script = "id -u; cat /proc/self/uid_map; echo x >/dev/null && head -c 2 /dev/zero | wc -c"
    config = add_user_namespace(shell(workshop, f"{script}; touch /new; sleep 1000"))
    config["root"]["readonly"] = False
    bundle = workshop.bundle(config)
    for folder, names, files in os.walk(bundle.rootfs):
        for name in [*names, *files]:
            os.chown(os.path.join(folder, name), 100000, 100000, follow_symlinks=False)
    os.chown(bundle.rootfs, 100000, 100000)
    container = workshop.create(bundle)
    container.start()
    workshop.until(lambda: (bundle.rootfs / "new").exists(), "the file")
    assert container.stdout.split() == ["0", "0", "100000", "65536", "2"]
    assert (bundle.rootfs / "new").stat().st_uid == 100000
    status = fields(Path(f"/proc/{container.pid}/status").read_text())
    assert status["Uid"].split() == ["100000"] * 4
    assert container.delete("-f").status == 0


def test_a_user_namespace_owns_the_others(workshop):
    """Its root may do to network, ipc and uts what root may: they belong to it."""
    script = "hostname other && hostname; echo 1400 >/sys/class/net/lo/mtu"
    config = add_user_namespace(shell(workshop, script))
    config["linux"].update(readonlyPaths=[], maskedPaths=[])
    config["mounts"] = [m for m in config["mounts"] if "cgroup" not in m["destination"]]
    for mount in config["mounts"]:
        if mount["destination"] == "/sys":
            mount["options"].remove("ro")
    capabilities = ["CAP_SYS_ADMIN", "CAP_NET_ADMIN"]
    config["process"]["capabilities"] = dict.fromkeys(
        ("bounding", "effective", "permitted"), capabilities
    )
    assert workshop.inside(config) == "other\n"


def test_a_user_of_a_user_namespace(workshop):
    """Ids that are not root of the namespace, with capabilities of it."""
    config = add_user_namespace(workshop.config("cat", "/proc/self/status"))
    config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [50]}
    config["process"]["capabilities"] = {name: ["CAP_CHOWN"] for name in EVERY_KIND}
    status = fields(workshop.inside(config))
    assert (status["Uid"].split()[0], status["Gid"].split()[0]) == ("1000", "1001")
    assert status["Groups"].split() == ["50"]
    assert int(status["CapEff"], 16) == mask(["CAP_CHOWN"])


def test_a_user_namespace_without_root(workshop):
    """A namespace that maps only the payload's own id, as keep-id without the rest."""
    config = workshop.config("cat", "/proc/self/status")
    line = {"containerID": 1000, "hostID": 100000, "size": 1}
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(uidMappings=[line], gidMappings=[line])
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    for mount in config["mounts"]:
        mount["options"] = [o for o in mount.get("options", []) if not o.startswith("gid=")]
    status = fields(workshop.inside(config))
    assert status["Uid"].split() == ["1000"] * 4


# -- namespaces by path


@pytest.fixture
def neighbour(workshop):
    """A running container whose namespaces others join."""
    container = workshop.create(FOREVER)
    container.start()
    yield container
    assert container.delete("--force").status == 0


def join(config, pid, *kinds):
    for namespace in config["linux"]["namespaces"]:
        if namespace["type"] in kinds:
            name = {"network": "net", "mount": "mnt"}.get(namespace["type"], namespace["type"])
            namespace["path"] = f"/proc/{pid}/ns/{name}"
    if "uts" in kinds:
        del config["hostname"]
    return config


@pytest.mark.parametrize(
    "kinds",
    [("network",), ("ipc",), ("uts",), ("pid",), ("network", "ipc", "uts"), ("network", "pid")],
    ids="+".join,
)
def test_namespaces_are_joined_by_path(workshop, neighbour, kinds):
    """Those with a path are the other container's, the rest are new."""
    names = {"network": "net", "ipc": "ipc", "uts": "uts", "pid": "pid"}
    script = "cd /proc/self/ns; for n in net ipc uts pid mnt; do readlink $n; done"
    config = join(shell(workshop, script), neighbour.pid, *kinds)
    found = dict([line.split(":") for line in workshop.inside(config).splitlines()])
    for kind, name in names.items():
        own = os.readlink(f"/proc/self/ns/{name}").split(":")[1]
        other = os.readlink(f"/proc/{neighbour.pid}/ns/{name}").split(":")[1]
        assert (found[name] == other) == (kind in kinds)
        assert found[name] != own
    assert found["mnt"] != os.readlink(f"/proc/{neighbour.pid}/ns/mnt").split(":")[1]


def test_a_container_in_anothers_pid_namespace(workshop, neighbour):
    """state, kill and wait work by the pid of the process inside."""
    container = workshop.create(join(workshop.config(*FOREVER), neighbour.pid, "pid"))
    assert container.status == "created"
    container.start()
    status = fields(Path(f"/proc/{container.pid}/status").read_text())
    assert len(status["NSpid"].split()) == 2 and status["NSpid"].split()[1] != "1"
    assert f"PPid:\t{os.getpid()}" in Path(f"/proc/{container.pid}/status").read_text()
    assert container.pyoci("kill", "TERM").status == 0
    assert container.wait() == -signal.SIGTERM
    assert container.delete().status == 0


def test_no_interpreter_is_seen_in_a_shared_pid_namespace(workshop):
    """A privileged neighbour that looks at every process never finds one of Python."""
    script = (
        "echo ready; while :; do for p in /proc/[0-9]*; do readlink $p/exe; cat $p/comm; done; done"
    )
    config = shell(workshop, script)
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind] += ["CAP_SYS_PTRACE"]
    watcher = workshop.create(config)
    watcher.start()
    workshop.until(lambda: "ready" in watcher.stdout, "ready")
    bundle = workshop.bundle(join(workshop.config("sleep", "0.1"), watcher.pid, "pid"))
    for _ in range(5):
        assert workshop.inside(bundle) == ""
    seen = set(watcher.stdout.split("\n"))
    assert watcher.delete("-f").status == 0
    assert "sleep" in seen, "the watcher has seen the others"
    assert not [name for name in seen if re.search("python|pyoci$", name)]


# -- the waiting process


def test_a_waiting_container_is_a_program_in_memory(workshop, delete_after):
    """Its executable is a sealed memfd: neither an interpreter nor the runtime can be reached."""
    container = workshop.create(FOREVER)
    delete_after(container)
    assert os.readlink(f"/proc/{container.pid}/exe").startswith("/memfd:")
    maps = Path(f"/proc/{container.pid}/maps").read_text()
    assert "python" not in maps and "libc" not in maps
    assert os.readlink(f"/proc/{container.pid}/cwd") == "/"


@pytest.mark.parametrize("user", [0, 1000])
def test_a_waiting_container_is_already_what_the_payload_will_be(workshop, delete_after, user):
    """Ids, capabilities, filter and no_new_privs are in force before the start."""
    config = workshop.config(*FOREVER)
    config["process"]["user"] = {"uid": user, "gid": user}
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}
    container = workshop.create(config)
    delete_after(container)
    keys = ("Uid", "Gid", "Groups", "CapInh", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    before = fields(Path(f"/proc/{container.pid}/status").read_text())
    container.start()
    after = fields(Path(f"/proc/{container.pid}/status").read_text())
    assert {key: before[key] for key in keys} == {key: after[key] for key in keys}
    if user == 0:
        assert before["CapEff"] == after["CapEff"] and before["CapPrm"] == after["CapPrm"]


def test_the_session_keyring(workshop):
    """A new one, named after the container; with --no-new-keyring the caller's."""
    config = workshop.config("cat", "/proc/keys")
    config["linux"]["maskedPaths"] = []
    if not Path("/proc/keys").exists():
        pytest.skip("needs the kernel's keyrings (CONFIG_KEYS)")
    assert f"_ses.{workshop.token}" not in workshop.inside(config, "--no-new-keyring")
    assert f"_ses.{workshop.token}" in workshop.inside(config)


# -- cgroups


def cgroup_file(pid, controller, name):
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return Path(f"/sys/fs/cgroup/{names}{path}/{name}")
    pytest.skip(f"needs the cgroup v1 controller {controller}")


RESOURCES = {
    "memory": {"limit": 64 << 20, "reservation": 32 << 20, "swap": 64 << 20},
    "cpu": {"shares": 512, "quota": 20000, "period": 50000},
    "pids": {"limit": 17},
}


def test_limits_are_those_of_the_document(workshop, delete_after):
    """Readable in the container's cgroup as soon as create has returned."""
    config = workshop.config(*FOREVER)
    config["linux"]["resources"].update(RESOURCES)
    container = workshop.create(config)
    delete_after(container)
    pid = container.pid
    files = {
        ("memory", "memory.limit_in_bytes"): 64 << 20,
        ("memory", "memory.soft_limit_in_bytes"): 32 << 20,
        ("cpu", "cpu.shares"): 512,
        ("cpu", "cpu.cfs_quota_us"): 20000,
        ("cpu", "cpu.cfs_period_us"): 50000,
        ("pids", "pids.max"): 17,
    }
    found = {key: int(cgroup_file(pid, *key).read_text()) for key in files}
    assert found == files


def test_the_cgroup_is_where_the_document_says(workshop, delete_after):
    """An absolute cgroupsPath is below the hierarchy's root; delete removes it."""
    config = workshop.config(*FOREVER)
    config["linux"]["cgroupsPath"] = f"/{workshop.token}-parent/inner"
    container = workshop.create(config)
    lines = Path(f"/proc/{container.pid}/cgroup").read_text().splitlines()
    assert {line.split(":")[2] for line in lines} == {f"/{workshop.token}-parent/inner"}
    assert container.delete("-f").status == 0
    left = [path for path in workshop.cgroups() if path.endswith("inner")]
    assert left == []
    for path in workshop.cgroups():
        os.rmdir(path)  # the parent is the caller's


def test_too_many_processes_are_refused(workshop):
    """pids.limit is enforced."""
    config = shell(workshop, "for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait")
    config["linux"]["resources"]["pids"] = {"limit": 4}
    result = workshop.run(config)
    assert "can't fork" in result.stderr


def test_too_much_memory_is_refused(workshop):
    """memory.limit is enforced: the process is killed."""
    config = shell(workshop, "tail /dev/zero 2>/dev/null; echo $?")
    config["linux"]["resources"]["memory"] = {"limit": 8 << 20, "swap": 8 << 20}
    assert workshop.run(config).stdout.strip() in ("137", "1")


def host_disk():
    for line in Path("/proc/partitions").read_text().splitlines()[2:]:
        major, minor, _, name = line.split()
        if not name.startswith(("loop", "ram", "zram")):
            return major, minor
    pytest.skip("needs a disk in /proc/partitions")


def test_devices_of_the_host_are_denied(workshop):
    """Even with CAP_MKNOD the host's disk cannot be opened; the default devices can."""
    major, minor = host_disk()
    script = (
        f"mknod /dev/disk b {major} {minor}; head -c 1 /dev/disk; "
        "for d in null zero full random urandom tty; do head -c 0 <>/dev/$d || echo no $d; done"
    )
    config = shell(workshop, script)
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind].append("CAP_MKNOD")
    result = workshop.run(config)
    assert "/dev/disk: Operation not permitted" in result.stderr
    assert [line for line in result.stdout.splitlines() if line != "no tty"] == []


def test_device_rules_allow_one_device(workshop):
    """The last matching rule decides."""
    script = "cd /dev; mknod mem2 c 1 1 && head -c 0 mem2; mknod x c 1 2; head -c 1 x"
    config = shell(workshop, script)
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind] += ["CAP_MKNOD", "CAP_SYS_RAWIO"]
    config["linux"]["resources"]["devices"] = [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 1, "access": "rwm"},
    ]
    result = workshop.run(config)
    assert "mem2: Operation not permitted" not in result.stderr
    assert "x: Operation not permitted" in result.stderr


@pytest.mark.parametrize("namespace", [True, False], ids=["own", "the host's"])
def test_the_cgroup_as_seen_inside(workshop, namespace):
    """With a cgroup namespace it is the root of all; without one its path is seen."""
    config = shell(workshop, "cat /proc/self/cgroup; ls /sys/fs/cgroup | head -n 30")
    share(config, "cgroup")
    if namespace:
        config["linux"]["namespaces"].append({"type": "cgroup"})
    lines = workshop.inside(config).splitlines()
    paths = {line.split(":")[2] for line in lines if line.count(":") >= 2}
    if namespace:
        assert paths == {"/"}
    else:
        assert all(workshop.token in path for path in paths)
    mounted = [name for name in os.listdir("/sys/fs/cgroup") if name in ("memory", "pids")]
    assert set(mounted) <= set(lines)


def test_without_cgroups(workshop):
    """`--cgroup-manager disabled` makes none; the container stays where the runtime was."""
    config = workshop.config("cat", "/proc/self/cgroup")
    bundle = workshop.bundle(config)
    result = workshop.pyoci(
        "run", "-b", bundle.path, workshop.id(), globals=("--cgroup-manager", "disabled")
    )
    assert (result.status, result.stderr) == (0, "")
    assert result.stdout == Path("/proc/self/cgroup").read_text()
