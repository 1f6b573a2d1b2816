"""exec: one more process in a container, as its document or exec's options describe it."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from array import array
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

RAW = 13
SETPCAP, KILL_CAP, NET_RAW, SYS_ADMIN = 8, 5, 13, 21
NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def running(workshop, delete_after, config=("sleep", "1000"), *options):
    """A container that sleeps; a tuple is its command."""
    container = workshop.create(config, *options)
    delete_after(container)
    assert container.start().status == 0
    return container


@pytest.fixture
def container(workshop, delete_after):
    return running(workshop, delete_after)


def exec_(container, *words, options=(), **how):
    """Run words in a container."""
    return container.workshop.pyoci("exec", *options, container.id, *words, **how)


def said(container, *words, options=(), **how):
    """What a tenant says that succeeds and complains about nothing."""
    result = exec_(container, *words, options=options, **how)
    assert (result.status, result.stderr) == (0, ""), result
    return result.stdout


def fields(text):
    """The lines of /proc/PID/status."""
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def bits(text):
    return {n for n in range(64) if int(text, 16) >> n & 1}


def process_file(workshop, container, **changes):
    """A file for --process: the container's own process, changed."""
    path = workshop.folder / "process.json"
    path.write_text(json.dumps(container.bundle.config["process"] | changes))
    return path


# -- where it is


def test_a_tenant_is_in_the_namespaces_of_init(container):
    """All of them, the root file system too."""
    found = {n: said(container, "readlink", f"/proc/self/ns/{n}").strip() for n in NAMESPACES}
    inside = {n: os.readlink(f"/proc/{container.pid}/ns/{n}") for n in NAMESPACES}
    assert found == inside
    assert said(container, "ls", "/").split() == sorted(os.listdir(container.bundle.rootfs))


def test_a_tenant_is_in_the_cgroups_of_init(container):
    """In every hierarchy."""
    with container.workshop.spawn(
        "exec", container.id, "sleep", "1000", stdout=subprocess.DEVNULL
    ) as tenant:
        pid = tenant_pid(container)
        assert (
            Path(f"/proc/{pid}/cgroup").read_text()
            == Path(f"/proc/{container.pid}/cgroup").read_text()
        )
        os.kill(pid, signal.SIGKILL)
        assert tenant.wait() == 137


def tenant_pid(container, name="sleep"):
    """The pid of the newest process of the container, once it is the program."""

    def look():
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(path / "ns/pid") == pids and path.name != str(container.pid):
                    found += [int(path.name)] if (path / "comm").read_text() == f"{name}\n" else []
            except OSError:
                continue
        return max(found, default=None)

    pids = os.readlink(f"/proc/{container.pid}/ns/pid")
    return container.workshop.until(look, "a tenant")


def test_a_created_container_takes_tenants(workshop, delete_after):
    """Before start, which is then still to come."""
    container = workshop.create(("sleep", "1000"))
    delete_after(container)
    assert said(container, "cat", "/proc/1/comm") == "pyoci:init\n"
    assert container.status == "created"
    assert container.start().status == 0


def test_a_container_that_shares_namespaces(workshop, delete_after):
    """With the host's pid, network and uts namespaces only the others are joined."""
    config = workshop.config("sleep", "1000")
    config["linux"]["namespaces"] = [{"type": "mount"}, {"type": "ipc"}]
    del config["hostname"]
    container = running(workshop, delete_after, config)
    assert said(container, "readlink", "/proc/self/ns/net").strip() == os.readlink(
        "/proc/self/ns/net"
    )
    assert "home" in said(container, "ls", "/").split()


def test_a_container_without_a_mount_namespace(workshop, delete_after):
    """Its root is only a changed root, and so is the tenant's."""
    config = workshop.config("sleep", "1000")
    config["linux"] = {"namespaces": [{"type": "pid"}]}
    del config["hostname"], config["mounts"]
    config["root"]["readonly"] = False
    container = running(workshop, delete_after, config)
    assert said(container, "ls", "/").split() == sorted(os.listdir(container.bundle.rootfs))
    assert said(container, "pwd") == "/\n"


def test_a_container_in_a_joined_pid_namespace(workshop, delete_after, container):
    """The tenant comes into that one."""
    config = workshop.config("sleep", "1000")
    for namespace in config["linux"]["namespaces"]:
        if namespace["type"] == "pid":
            namespace["path"] = f"/proc/{container.pid}/ns/pid"
    second = running(workshop, delete_after, config)
    expected = os.readlink(f"/proc/{container.pid}/ns/pid")
    assert said(second, "readlink", "/proc/self/ns/pid").strip() == expected
    assert second.delete("--force").status == 0
    assert second.wait() == -signal.SIGKILL  # or the namespace's own init would wait for it


MAPPED = [{"containerID": 0, "hostID": 100000, "size": 65536}]


def user_namespace(workshop, *args, **process):
    config = workshop.config(*args)
    config["process"].update(process)
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(uidMappings=MAPPED, gidMappings=MAPPED)
    return config


def mapped_bundle(workshop, config):
    bundle = workshop.bundle(config)
    for folder, names, files in os.walk(bundle.rootfs):
        for name in [".", *names, *files]:
            os.lchown(os.path.join(folder, name), 100000, 100000)
    return bundle


def test_a_container_with_a_user_namespace(workshop, delete_after):
    """The tenant has the container's ids, with all capabilities of its own namespace's root."""
    config = user_namespace(workshop, "sleep", "1000")
    container = running(workshop, delete_after, mapped_bundle(workshop, config))
    assert said(container, "id", "-u") == "0\n"
    assert said(container, "readlink", "/proc/self/ns/user").strip() == os.readlink(
        f"/proc/{container.pid}/ns/user"
    )
    status = fields(said(container, "cat", "/proc/self/status"))
    assert status["Groups"].split() == []
    assert said(container, "id", "-u", options=("--user", "1000:1000")) == "1000\n"


def test_joining_never_shows_more_than_the_container_owns(workshop, delete_after):
    """A directory of the host that the container's root may not enter is no working directory."""
    bundle = mapped_bundle(workshop, user_namespace(workshop, "sleep", "1000"))
    secret = bundle.rootfs / "secret"
    (secret / "inner").mkdir(parents=True)
    secret.chmod(0o700)
    container = running(workshop, delete_after, bundle)
    result = exec_(container, "pwd", options=("--cwd", "/secret/inner"))
    text = 'exec failed: chdir to cwd ("/secret/inner") set in config.json failed: '
    assert (result.status, result.stderr) == (255, f"{text}permission denied\n")


# -- who it is


def test_a_tenant_is_as_the_document_describes_the_process(workshop, delete_after):
    """User, groups, capabilities, no_new_privs, rlimits, umask, environment, directory, score."""
    config = workshop.config("sleep", "1000")
    config["process"].update(
        user={"uid": 1000, "gid": 1000, "additionalGids": [5, 7], "umask": 0o027},
        env=["PATH=/bin", "A=b"],
        cwd="/tmp",
        oomScoreAdj=321,
        noNewPrivileges=True,
        rlimits=[{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}],
    )
    container = running(workshop, delete_after, config)
    text = said(container, "cat", "/proc/self/status", "/proc/self/limits")
    own = Path(f"/proc/{container.pid}/status").read_text()
    status, expected = fields(text), fields(own)
    same = ("Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    for key in (*same, "NoNewPrivs", "Seccomp", "Umask", "SigBlk", "SigIgn"):
        assert status[key] == expected[key], key
    assert status["Umask"] == "0027"
    assert re.search(r"Max open files +77 +99 ", text)
    assert said(container, "cat", "/proc/self/oom_score_adj") == "321\n"
    assert said(container, "pwd") == "/tmp\n"
    environment = {e for e in said(container, "env").split("\n") if e[:3] not in ("SHL", "PWD")}
    assert environment == {"PATH=/bin", "A=b", "HOME=/home/user", ""}


def test_environment_and_directory_are_changed_by_options(container):
    """The last of equal names counts."""
    options = ("-e", "X=1", "--env", "X=2", "-e", "HOME=/h", "--cwd", "/var")
    found = said(container, "sh", "-c", "echo $X $HOME; pwd", options=options)
    assert found == "2 /h\n/var\n"


def test_nothing_of_the_callers_environment_is_passed_on(container):
    """Nor of pyoci's own."""
    container.workshop.host = {**container.workshop.host, "SECRET": "x"}
    assert "SECRET" not in said(container, "env")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("1000", (1000, 0)),
        ("1000:7", (1000, 7)),
        ("0", (0, 0)),
        ("4294967294:4294967294", (4294967294, 4294967294)),
    ],
)
def test_a_user_is_numbers(container, text, ids):
    """Without a group it is the document's."""
    text = said(container, "cat", "/proc/self/status", options=("--user", text))
    status = fields(text)
    assert (int(status["Uid"].split()[0]), int(status["Gid"].split()[0])) == ids


@pytest.mark.parametrize(
    "text",
    [":", "1:", ":1", "-1", "4294967295", "1_0", "\u0661", "1\n", " 1", "0x1", "root", "1:2:3"],
)
def test_a_bad_user_is_nobody(container, text):
    """Never root by default (CVE-2026-30892)."""
    result = exec_(container, "id", options=(f"--user={text}",))
    assert (result.status, result.stdout) == (255, "")
    assert re.match(r"exec failed: bad [ug]id: ", result.stderr)


def test_a_number_is_never_a_name(workshop, delete_after):
    """Whatever the image's passwd calls itself (CVE-2016-3697)."""
    bundle = workshop.bundle(("sleep", "1000"))
    (bundle.rootfs / "etc/passwd").write_text("1000:x:0:0::/:/bin/sh\n")
    container = running(workshop, delete_after, bundle)
    assert said(container, "id", "-u", options=("--user", "1000")) == "1000\n"


def test_groups_are_added(container):
    """Beside the document's."""
    options = ("-g", "10", "--additional-gids", "20", "--user", "1000")
    status = fields(said(container, "cat", "/proc/self/status", options=options))
    assert status["Groups"].split() == ["10", "20"]
    result = exec_(container, "id", options=("-g", "-1"))
    text = "exec failed: additional-gids must be a positive number -1\n"
    assert (result.status, result.stderr) == (255, text)


@pytest.mark.parametrize("uid", ["0", "1000"])
def test_a_capability_is_added_but_not_handed_on(container, uid):
    """To bounding, effective and permitted; never inheritable or ambient (CVE-2022-29162)."""
    options = ("--cap", "CAP_NET_RAW", "--user", uid)
    status = fields(said(container, "cat", "/proc/self/status", options=options))
    assert NET_RAW in bits(status["CapBnd"])
    assert (NET_RAW in bits(status["CapEff"])) == (uid == "0")
    assert bits(status["CapInh"]) == bits(status["CapAmb"]) == set()


def test_a_capability_is_ambient_where_the_container_has_inheritable_ones(workshop, delete_after):
    """Then a user other than root keeps it."""
    config = workshop.config("sleep", "1000")
    names = ["CAP_NET_RAW"]
    config["process"]["capabilities"] = {"inheritable": names, "bounding": names}
    container = running(workshop, delete_after, config)
    options = ("--cap", "NET_RAW", "--user", "1000")
    status = fields(said(container, "cat", "/proc/self/status", options=options))
    assert bits(status["CapAmb"]) == bits(status["CapEff"]) == {NET_RAW}


def test_no_new_privs_can_be_asked_for(workshop, delete_after):
    """And is the document's otherwise."""
    config = workshop.config("sleep", "1000")
    config["process"]["noNewPrivileges"] = False
    container = running(workshop, delete_after, config)
    look = ("cat", "/proc/self/status")
    assert fields(said(container, *look))["NoNewPrivs"] == "0"
    assert fields(said(container, *look, options=("--no-new-privs",)))["NoNewPrivs"] == "1"


def test_an_empty_user_is_none(workshop, delete_after):
    """As with runc: the container's own."""
    config = workshop.config("sleep", "1000")
    config["process"]["user"] = {"uid": 1000, "gid": 1000}
    container = running(workshop, delete_after, config)
    assert said(container, "id", "-u", options=("--user", "")) == "1000\n"


def test_no_new_privs_can_be_taken_back(workshop, delete_after):
    """As with runc: the option goes before the document, in both directions."""
    container = running(workshop, delete_after, workshop.config("sleep", "1000"))
    look = ("cat", "/proc/self/status")
    assert fields(said(container, *look))["NoNewPrivs"] == "1"
    options = ("--no-new-privs=false",)
    assert fields(said(container, *look, options=options))["NoNewPrivs"] == "0"


@pytest.mark.parametrize("no_new_privileges", [True, False])
def test_the_containers_filter_holds_for_tenants(workshop, delete_after, no_new_privileges):
    """With and without no_new_privs."""
    config = workshop.config("sleep", "1000")
    config["process"]["noNewPrivileges"] = no_new_privileges
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}],
    }
    container = running(workshop, delete_after, config)
    assert fields(said(container, "cat", "/proc/self/status"))["Seccomp"] == "2"
    result = exec_(container, "mkdir", "/tmp/x")
    assert result.status == 1
    assert "not supported" in result.stderr


def test_a_whole_process_from_a_file(workshop, container):
    """Then only the file counts, for everything that describes the process."""
    path = process_file(
        workshop,
        container,
        args=["sh", "-c", "id -u; pwd; echo $A $B"],
        user={"uid": 1000, "gid": 1000},
        cwd="/tmp",
        env=["PATH=/bin", "A=file"],
    )
    options = ("--process", path, "--user", "5", "-e", "B=option", "--cwd", "/var")
    assert said(container, options=options) == "1000\n/tmp\nfile\n"


def test_faults_of_a_process_file_are_told(workshop, container):
    """Each with its path."""
    path = process_file(workshop, container, args=[], cwd="x", user={"uid": -1, "gid": 0})
    result = exec_(container, options=("-p", path))
    assert result.status == 255
    assert "$.user.uid: expected u32, got -1" in result.stderr
    result = exec_(container, options=("-p", process_file(workshop, container, args=[], cwd="x")))
    text = "exec failed: Cwd must be an absolute path; args must not be empty\n"
    assert (result.status, result.stderr) == (255, text)


def test_the_cpus_before_and_after(workshop, delete_after):
    """execCPUAffinity; without it the cgroup's."""
    if os.cpu_count() < 2:
        pytest.skip("needs two CPUs")
    look = "/proc/self/status"
    container = running(workshop, delete_after)
    pinned = said(container, "cat", look, preexec_fn=lambda: os.sched_setaffinity(0, {1}))
    assert fields(pinned)["Cpus_allowed_list"] != "1"
    for affinity, cpus in (({"initial": "0", "final": "1"}, "1"), ({"initial": "1"}, "1")):
        path = process_file(workshop, container, args=["cat", look], execCPUAffinity=affinity)
        status = fields(said(container, options=("-p", path)))
        assert status["Cpus_allowed_list"] == cpus


def test_the_session_keyring_is_the_containers(workshop, delete_after):
    """Not the caller's."""
    config = workshop.config("sleep", "1000")
    config["linux"]["maskedPaths"] = []  # /proc/keys among them
    container = running(workshop, delete_after, config)
    keys = said(container, "cat", "/proc/keys")
    assert f"_ses.{container.id}" in keys


# -- how it ends


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)],
)
def test_the_exit_status_is_the_programs(container, script, status):
    """128 + n for signal n."""
    assert exec_(container, "sh", "-c", script).status == status


def test_output_and_input_are_passed_on(container):
    """stdin as it is given, to its end."""
    reader, writer = os.pipe()
    os.write(writer, b"hello")
    os.close(writer)
    result = exec_(container, "sh", "-c", "cat; echo bad >&2", stdin=reader)
    os.close(reader)
    assert (result.status, result.stdout, result.stderr) == (0, "hello", "bad\n")


def test_signals_are_passed_on(container):
    """To the program, whose status is the answer."""
    script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done"
    with container.workshop.spawn(
        "exec", container.id, "sh", "-c", script, stdout=subprocess.PIPE, text=True
    ) as tenant:
        assert tenant.stdout.readline() == "ready\n"
        tenant.send_signal(signal.SIGTERM)
        assert tenant.wait(timeout=20) == 7


def test_detached(workshop, container):
    """exec returns when the program runs; it is an orphan then, and the pid file names it."""
    path = workshop.folder / "tenant.pid"
    result = exec_(container, "sleep", "1000", options=("--detach", "--pid-file", path))
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    pid = int(path.read_text())
    assert Path(f"/proc/{pid}/comm").read_text() == "sleep\n"
    status = fields(Path(f"/proc/{pid}/status").read_text())
    assert int(status["PPid"]) == os.getpid()
    assert status["NSpid"].split()[0] == str(pid)
    assert status["NSsid"].split()[-1] == status["NSpid"].split()[-1]
    os.kill(pid, signal.SIGTERM)
    assert workshop.reap(pid) == -signal.SIGTERM


@pytest.mark.parametrize("options", [(), ("--detach",)])
def test_a_failure_leaves_no_pid_file_and_no_process(workshop, container, options):
    """conmon decides by the file."""
    path = workshop.folder / "tenant.pid"
    result = exec_(container, "nosuch", options=(*options, "--pid-file", path))
    assert result.status == 255
    assert not path.exists()
    assert container.status == "running"


REFUSED = [
    (("nosuch",), (), 'exec: "nosuch": executable file not found in $PATH'),
    (("/nosuch",), (), 'exec: "/nosuch": stat /nosuch: no such file or directory'),
    (("/etc",), (), 'exec: "/etc": is a directory: permission denied'),
    (("/etc/passwd",), (), 'exec: "/etc/passwd": permission denied'),
    (
        ("true",),
        ("--cwd", "/nodir"),
        'chdir to cwd ("/nodir") set in config.json failed: no such file or directory',
    ),
    (
        ("true",),
        ("--cwd", "/etc/passwd"),
        'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory',
    ),
    (("true",), ("--cwd", "etc"), "Cwd must be an absolute path"),
    ((), (), "exec args cannot be empty"),
    (("true",), ("-e", "X"), "invalid environment variable: missing '=': \"X\""),
    (("/tmp/text",), (), "exec /tmp/text: exec format error"),
    (("/tmp/script",), (), "exec /tmp/script: no such file or directory"),
    (
        ("true",),
        ("-t", "-d"),
        "cannot allocate tty if runc will detach without setting console socket",
    ),
    (
        ("true",),
        ("--console-socket", "/x"),
        "cannot use console socket if runc will not detach or allocate tty",
    ),
    (
        ("true",),
        ("--preserve-fds", "60"),
        re.compile(r"unable to stat preserved-fd 3 \(of 60\): bad file descriptor"),
    ),
    (("true",), ("--process", "/nosuch"), "open /nosuch: no such file or directory"),
    (("true",), ("--cgroup", "../x"), "bad sub cgroup path: ../x"),
    (
        ("true",),
        ("--cgroup", "x", "--cgroup", "pids:y"),
        "invalid --cgroup argument: x (missing <controller>: prefix)",
    ),
]


@pytest.mark.parametrize(
    ("words", "options", "text"), REFUSED, ids=[str((*w, *o)) for w, o, _ in REFUSED]
)
def test_what_is_refused(container, words, options, text):
    """255 and runc's words, before anything runs; the container goes on."""
    (container.bundle.rootfs / "tmp/text").write_bytes(b"\x00\x01\x02")
    (container.bundle.rootfs / "tmp/text").chmod(0o755)
    (container.bundle.rootfs / "tmp/script").write_text("#!/no/such/interpreter\n")
    (container.bundle.rootfs / "tmp/script").chmod(0o755)
    result = exec_(container, *words, options=options)
    assert (result.status, result.stdout) == (255, "")
    found = result.stderr.removeprefix("exec failed: ").removesuffix("\n")
    assert text.fullmatch(found) if isinstance(text, re.Pattern) else found == text
    assert container.status == "running"


def test_permission_is_judged_as_who_it_becomes(container):
    """A program that only root may execute is refused to another user, by exec itself."""
    program = container.bundle.rootfs / "bin/private"
    program.write_bytes((container.bundle.rootfs / "bin/busybox").read_bytes())
    program.chmod(0o700)
    result = exec_(container, "/bin/private", "true", options=("--user", "1000"))
    text = 'exec failed: exec: "/bin/private": permission denied\n'
    assert (result.status, result.stderr) == (255, text)


def test_a_refused_rlimit_is_named(workshop, container):
    """And nothing is left of the process."""
    path = process_file(
        workshop, container, rlimits=[{"type": "RLIMIT_NOFILE", "soft": 1 << 40, "hard": 1 << 40}]
    )
    result = exec_(container, options=("-p", path))
    assert result.status == 255
    assert result.stderr == "exec failed: error setting rlimit type 7: operation not permitted\n"


def test_an_unknown_container(workshop):
    """In the words that engines match."""
    result = workshop.pyoci("exec", "nosuch", "true")
    assert (result.status, result.stderr) == (255, "exec failed: container does not exist\n")


def test_a_stopped_container(workshop):
    """Takes nobody."""
    container = workshop.create(("true",))
    container.start()
    container.wait()
    result = exec_(container, "true")
    text = "exec failed: cannot exec in a stopped container\n"
    assert (result.status, result.stderr) == (255, text)
    container.delete()


def freezer(container):
    """The file that freezes a container, and the words for yes and no."""
    for line in Path(f"/proc/{container.pid}/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "freezer":
            return Path(f"/sys/fs/cgroup/freezer{path}/freezer.state"), "FROZEN", "THAWED"
    path = path.rstrip("/")
    return Path(f"/sys/fs/cgroup{path}/cgroup.freeze"), "1", "0"


def test_a_paused_container(container):
    """Is refused; with --ignore-paused the process begins when it is resumed."""
    file, frozen, thawed = freezer(container)
    file.write_text(frozen)
    try:
        result = exec_(container, "true")
        text = "cannot exec in a paused container (use --ignore-paused to override)"
        assert (result.status, result.stderr) == (255, f"exec failed: {text}\n")
        with container.workshop.spawn(
            "exec", "--ignore-paused", container.id, "sh", "-c", "exit 5"
        ) as tenant:
            time.sleep(0.3)
            assert tenant.poll() is None
            file.write_text(thawed)
            assert tenant.wait(timeout=20) == 5
    finally:
        file.write_text(thawed)


# -- cgroups below


def test_a_cgroup_below_the_containers(container):
    """One for all hierarchies on v2, one for each controller on v1."""
    line = next(
        line
        for line in Path(f"/proc/{container.pid}/cgroup").read_text().splitlines()
        if line.split(":")[1] == "pids"
    )
    folder = Path("/sys/fs/cgroup/pids") / line.split(":", 2)[2].lstrip("/")
    if not folder.is_dir():
        pytest.skip("needs the pids controller of cgroup v1")
    (folder / "sub").mkdir()
    try:
        look = ("cat", "/proc/self/cgroup")
        text = said(container, *look, options=("--cgroup", "pids:sub"))
        found = {line.split(":")[1]: line.split(":", 2)[2] for line in text.splitlines()}
        assert found["pids"].endswith(f"{container.id}/sub")
        assert found["memory"].endswith(container.id)
        result = exec_(container, "true", options=("--cgroup", "pids:nosuch"))
        assert result.status == 255
        assert "no such file or directory" in result.stderr
        result = exec_(container, "true", options=("--cgroup", "bogus:sub"))
        assert result.stderr == "exec failed: unknown controller bogus in --cgroup\n"
    finally:
        (folder / "sub").rmdir()


# -- what it has open


def descriptors(container, options=(), **how):
    """Descriptors of a tenant that has opened none itself."""
    path = container.workshop.folder / "tenant.pid"
    options = (*options, "--detach", "--pid-file", path)
    said(container, "sleep", "1000", options=options, **how)
    pid = int(path.read_text())
    found = sorted(map(int, os.listdir(f"/proc/{pid}/fd")))
    os.kill(pid, signal.SIGKILL)
    container.workshop.reap(pid)
    return found


def test_only_stdio_is_open(container, tmp_path):
    """Whatever the caller has leaked, directories above all (CVE-2024-21626)."""
    leaked = [os.open(tmp_path, os.O_RDONLY), *os.pipe()]
    os.dup2(leaked[0], 200)
    try:
        assert descriptors(container, pass_fds=(*leaked, 200)) == [0, 1, 2]
    finally:
        for fd in (*leaked, 200):
            os.close(fd)


def test_preserved_descriptors_are_passed_on(container):
    """3 to 2 + N, and no other."""
    reader, writer = os.pipe()
    other = os.dup(writer)

    def place():
        os.dup2(reader, 103)
        os.dup2(writer, 104)
        os.dup2(other, 105)
        for source, target in ((103, 3), (104, 4), (105, 5)):
            os.dup2(source, target)

    try:
        found = descriptors(container, ("--preserve-fds", "2"), preexec_fn=place, close_fds=False)
        assert found == [0, 1, 2, 3, 4]
        options = ("--preserve-fds", "2")
        how = {"preexec_fn": place, "close_fds": False}
        said(container, "sh", "-c", "echo through >&4", options=options, **how)
        assert os.read(reader, 100) == b"through\n"
    finally:
        for fd in (reader, writer, other):
            os.close(fd)


def test_stdio_that_the_caller_has_closed_is_null(container):
    """And not the next file that somebody opens."""

    def close():
        os.close(0)

    found = said(container, "readlink", "/proc/self/fd/0", preexec_fn=close)
    assert found == "/dev/null\n"


def test_pipes_belong_to_the_user(container):
    """So that programs can reopen /proc/self/fd/1."""
    with container.workshop.spawn(
        "exec",
        "--user",
        "1000",
        container.id,
        "sh",
        "-c",
        "echo reopened >/proc/self/fd/1",
        stdout=subprocess.PIPE,
        text=True,
    ) as tenant:
        assert tenant.communicate(timeout=20)[0] == "reopened\n"


# -- terminals


def listen(path):
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()
    server.settimeout(20)
    return server


def receive(server):
    """One message and the descriptor that came with it."""
    connection, _ = server.accept()
    with connection:
        text, control, _, _ = connection.recvmsg(4096, socket.CMSG_SPACE(4 * 4))
    ((level, kind, data),) = control
    assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
    (fd,) = array("i", data)
    return text.decode(), fd


def read_all(master):
    found = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # EIO: the other end has gone
            return found.decode()
        if not part:
            return found.decode()
        found += part


def with_user(user):
    return () if user is None else ("--user", user)


@pytest.mark.parametrize("user", [None, "1000"])
def test_a_terminal_by_a_console_socket(workshop, container, user):
    """A pty of the container's own devpts, the controlling terminal, owned by the user."""
    path, pid_file = workshop.folder / "console.sock", workshop.folder / "pid"
    with listen(path) as server:
        script = "tty; stat -c %u $(tty); echo done >/dev/tty"
        options = ("--tty", "--detach", "--console-socket", path, "--pid-file", pid_file)
        result = exec_(container, "sh", "-c", script, options=(*options, *with_user(user)))
        assert (result.status, result.stdout, result.stderr) == (0, "", "")
        name, master = receive(server)
    text = read_all(master)
    os.close(master)
    assert re.fullmatch(r"/dev/pts/\d+", name)
    assert text.split("\r\n") == [name, user or "0", "done", ""]
    assert workshop.reap(int(pid_file.read_text())) == 0


def test_a_terminal_in_a_user_namespace(workshop, delete_after):
    """The terminal is the user's there, too, though the runtime has opened it."""
    bundle = mapped_bundle(workshop, user_namespace(workshop, "sleep", "1000"))
    container = running(workshop, delete_after, bundle)
    path, pid_file = workshop.folder / "console.sock", workshop.folder / "pid"
    with listen(path) as server:
        options = ("-t", "-d", "--console-socket", path, "--pid-file", pid_file, "-u", "1000")
        result = exec_(container, "sh", "-c", "stat -c %u $(tty)", options=options)
        assert (result.status, result.stderr) == (0, "")
        _, master = receive(server)
    assert read_all(master).strip() == "1000"
    os.close(master)
    assert workshop.reap(int(pid_file.read_text())) == 0


def test_the_size_of_the_documents_terminal(workshop, container):
    """consoleSize of the process."""
    path, pid_file = workshop.folder / "console.sock", workshop.folder / "pid"
    process = process_file(
        workshop,
        container,
        args=["stty", "size"],
        terminal=True,
        consoleSize={"height": 33, "width": 77},
    )
    with listen(path) as server:
        options = ("-p", process, "--detach", "--console-socket", path, "--pid-file", pid_file)
        result = exec_(container, options=options)
        assert (result.status, result.stderr) == (0, "")
        _, master = receive(server)
    assert read_all(master).strip() == "33 77"
    os.close(master)
    assert workshop.reap(int(pid_file.read_text())) == 0


def test_a_pidfd_is_sent(workshop, container):
    """Of the tenant, with the word `setns`; of init, from create, with `standard`."""
    path, pid_file = workshop.folder / "pidfd.sock", workshop.folder / "pid"
    with listen(path) as server:
        options = ("--detach", "--pidfd-socket", path, "--pid-file", pid_file)
        result = exec_(container, "sh", "-c", "sleep 0.1; exit 4", options=options)
        assert (result.status, result.stderr) == (0, "")
        text, pidfd = receive(server)
    assert text == "setns"
    pid = int(pid_file.read_text())
    info = Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    assert f"\nPid:\t{pid}\n" in info
    os.close(pidfd)
    assert workshop.reap(pid) == 4


def test_create_sends_a_pidfd(workshop, delete_after):
    """Of init, with the word `standard`."""
    path = workshop.folder / "pidfd.sock"
    with listen(path) as server:
        container = workshop.create(("sleep", "1000"), "--pidfd-socket", path)
        delete_after(container)
        text, pidfd = receive(server)
    assert text == "standard"
    assert f"\nPid:\t{container.pid}\n" in Path(f"/proc/self/fdinfo/{pidfd}").read_text()
    os.close(pidfd)


# -- what the container sees of it

WATCH = r"""
seen=" "
while :; do
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    exe=$(readlink $dir/exe 2>/dev/null) || continue
    case "$seen" in *" $pid:$exe "*) continue;; esac
    seen="$seen$pid:$exe "
    echo "exe $exe"
    for fd in $dir/fd/*; do echo "fd $(readlink $fd 2>/dev/null)"; done
    echo "cwd $(readlink $dir/cwd 2>/dev/null)"
    echo "root $(readlink $dir/root 2>/dev/null)"
  done
done
"""


def test_nobody_inside_sees_more_than_the_stub(workshop, delete_after):
    """Of fifty joins, even with CAP_SYS_PTRACE: no interpreter, no handle of the host.

    What is seen is the stub's sealed copy and what is in the container (CVE-2016-9962,
    CVE-2019-5736).
    """
    config = workshop.config("sh", "-c", f"({WATCH}) >/tmp/seen 2>/dev/null")
    config["root"]["readonly"] = False
    capabilities = config["process"]["capabilities"]
    for kind in ("bounding", "effective", "permitted"):
        capabilities[kind] = [*capabilities[kind], "CAP_SYS_PTRACE"]
    container = running(workshop, delete_after, config)
    for _ in range(50):
        assert exec_(container, "true").status == 0
    lines = (container.bundle.rootfs / "tmp/seen").read_text().splitlines()
    found = {}
    for line in lines:
        kind, _, target = line.partition(" ")
        found.setdefault(kind, set()).add(target)
    strange = {
        exe for exe in found["exe"] if not exe.startswith(("/bin/", "/memfd:pyoci", "memfd:pyoci"))
    }
    assert strange == set()
    folder = str(workshop.folder)
    allowed = re.compile(
        rf"(pipe:\[|/dev/null|/memfd:pyoci|{folder}/(out|err)-|/proc|/tmp/seen|/bin/|$)"
    )
    assert {target for target in found["fd"] if not allowed.match(target)} == set()
    assert found["cwd"] <= {"/", ""}
    assert found["root"] <= {"/", ""}


@pytest.mark.parametrize(
    ("script", "said"),
    [("#!/proc/self/exe\n", ""), ("#!/proc/1/exe\n", "exe: applet not found\n")],
    ids=["the-stub", "the-payload"],
)
def test_the_stub_cannot_be_started_by_a_program(container, script, said):
    """A program that leads back to the runtime's own finds nothing to do: it ends with 127."""
    path = container.bundle.rootfs / "bin/back"
    path.write_text(script)
    path.chmod(0o755)
    result = exec_(container, "/bin/back")
    assert result.status == 127
    assert result.stderr == said


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 8, 9])
def test_no_way_out_by_a_directory_of_the_process(container, number):
    """A working directory behind /proc/self/fd leads nowhere (CVE-2024-21626)."""
    link = container.bundle.rootfs / "way"
    link.symlink_to(f"/proc/self/fd/{number}")
    for path in (f"/proc/self/fd/{number}", "/way", f"/proc/1/fd/{number}", "/proc/1/root"):
        result = exec_(container, "pwd", options=("--cwd", path))
        assert result.status == 255, (path, result)
        assert result.stdout == ""
