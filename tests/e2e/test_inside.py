"""What a container sees of itself: the document, and nothing of the host."""

import os
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
