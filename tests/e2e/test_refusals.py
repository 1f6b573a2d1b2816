"""Bad input: one line in the words that engines look for, exit status 1, nothing left behind."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

# -- what is wrong: each of these changes a good bundle and returns the error's text


def no_document(bundle):
    (bundle.path / "config.json").unlink()
    return "JSON specification file config.json not found"


def truncated(bundle):
    text = (bundle.path / "config.json").read_text()
    (bundle.path / "config.json").write_text(text[: text.index('"args"') + 8])
    return re.compile(r".*line 1, column \d+.*")


def not_json(bundle):
    (bundle.path / "config.json").write_text("{]")
    return re.compile(r".*line 1, column 2.*")


def empty(bundle):
    (bundle.path / "config.json").write_text("")
    return re.compile(r".*line 1, column 1.*")


def not_utf8(bundle):
    (bundle.path / "config.json").write_bytes(b'{"ociVersion": "\xff"}')
    return "config.json is not UTF-8: byte 16"


def wrong_types(bundle):
    bundle.config["process"]["cwd"] = 3
    bundle.config["process"]["rlimits"][0]["soft"] = "x"
    bundle.config["linux"]["maskedPaths"] = "/proc"
    bundle.write()
    return (
        "$.process.cwd: expected str, got 3; "
        '$.process.rlimits[0].soft: expected u64, got "x"; '
        '$.linux.maskedPaths: expected list, got "/proc"'
    )


def no_rootfs(bundle):
    shutil.rmtree(bundle.rootfs)
    return f"invalid rootfs: stat {bundle.rootfs}: no such file or directory"


def rootfs_is_a_file(bundle):
    shutil.rmtree(bundle.rootfs)
    bundle.rootfs.write_text("")
    return f"invalid rootfs: stat {bundle.rootfs}: not a directory"


def no_root(bundle):
    del bundle.config["root"]
    bundle.write()
    return re.compile(r".*root.*")


def no_process(bundle):
    del bundle.config["process"]
    bundle.write()
    return "process property must not be empty"


def no_args(bundle):
    bundle.config["process"]["args"] = []
    bundle.write()
    return re.compile(r".*args.*")


def relative_cwd(bundle):
    bundle.config["process"]["cwd"] = "tmp"
    bundle.write()
    return "Cwd must be an absolute path"


def command_missing_in_path(bundle):
    bundle.config["process"]["args"] = ["nosuch"]
    bundle.write()
    return 'exec: "nosuch": executable file not found in $PATH'


def command_missing(bundle):
    bundle.config["process"]["args"] = ["/nosuch"]
    bundle.write()
    return 'exec: "/nosuch": stat /nosuch: no such file or directory'


def command_not_executable(bundle):
    bundle.config["process"]["args"] = ["/etc/passwd"]
    bundle.write()
    return 'exec: "/etc/passwd": permission denied'


def command_not_executable_for_the_user(bundle):
    (bundle.rootfs / "bin" / "mine").write_text("#!/bin/sh\n")
    (bundle.rootfs / "bin" / "mine").chmod(0o700)
    bundle.config["process"]["args"] = ["/bin/mine"]
    bundle.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    bundle.write()
    return 'exec: "/bin/mine": permission denied'


def command_is_a_directory(bundle):
    bundle.config["process"]["args"] = ["/etc"]
    bundle.write()
    return 'exec: "/etc": is a directory: permission denied'


def command_is_too_long(bundle):
    bundle.config["process"]["args"] = ["true", "x" * 140000]
    bundle.write()
    return 'exec: "true": argument list too long'


def cwd_not_a_directory(bundle):
    bundle.config["process"]["cwd"] = "/etc/passwd"
    bundle.write()
    return 'chdir to cwd ("/etc/passwd") set in config.json failed: not a directory'


def cwd_that_cannot_be_made(bundle):
    bundle.config["process"]["cwd"] = "/proc/self/fd/7"
    bundle.write()
    text = "too many levels of symbolic links"  # a magic link is not followed
    return f'chdir to cwd ("/proc/self/fd/7") set in config.json failed: {text}'


def mapping_missing(bundle):
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    bundle.write()
    return re.compile(r".*mapping.*")


def mapping_without_namespace(bundle):
    line = {"containerID": 0, "hostID": 100000, "size": 10}
    bundle.config["linux"].update(uidMappings=[line], gidMappings=[line])
    bundle.write()
    return re.compile(r".*[Mm]appings.*")


def user_not_mapped(bundle):
    line = {"containerID": 0, "hostID": 100000, "size": 10}
    bundle.config["linux"]["namespaces"].append({"type": "user"})
    bundle.config["linux"].update(uidMappings=[line], gidMappings=[line])
    bundle.config["process"]["user"] = {"uid": 77, "gid": 0}
    bundle.write()
    return re.compile(r".*77.*")


def source_missing(bundle):
    mount = {"destination": "/data", "source": "/no/such", "options": ["rbind"]}
    bundle.config["mounts"].append(mount)
    bundle.write()
    return re.compile(r".*/no/such.*no such file or directory.*")


def unknown_filesystem(bundle):
    bundle.config["mounts"].append({"destination": "/data", "source": "x", "type": "nosuchfs"})
    bundle.write()
    return re.compile(r".*nosuchfs.*no such device.*")


def bad_mount_data(bundle):
    mount = {"destination": "/tmp", "source": "x", "type": "tmpfs", "options": ["size=nonsense"]}
    bundle.config["mounts"].append(mount)
    bundle.write()
    return re.compile(r".*/tmp.*invalid argument.*")


def proc_is_a_link(bundle):
    (bundle.rootfs / "proc").rmdir()
    (bundle.rootfs / "proc").symlink_to("tmp")
    return re.compile(r'.*filesystem "proc" must be mounted on ordinary directory.*')


def namespace_path_missing(bundle):
    set_namespace_path(bundle.config, "network", "/proc/self/ns/nosuch")
    bundle.write()
    return "join the network namespace /proc/self/ns/nosuch: no such file or directory"


def namespace_of_another_kind(bundle):
    # The test's own process lives on while the runtime looks, so use its uts as a "network".
    set_namespace_path(bundle.config, "network", f"/proc/{os.getpid()}/ns/uts")
    bundle.write()
    return f"join the network namespace /proc/{os.getpid()}/ns/uts: invalid argument"


def set_namespace_path(config, kind, path):
    for namespace in config["linux"]["namespaces"]:
        if namespace["type"] == kind:
            namespace["path"] = path


def terminal_without_socket(bundle):
    bundle.config["process"]["terminal"] = True
    bundle.write()
    return re.compile(r"cannot allocate tty if \w+ will detach without setting console socket")


def unknown_rlimit(bundle):
    bundle.config["process"]["rlimits"] = [{"type": "RLIMIT_NOSUCH", "soft": 1, "hard": 1}]
    bundle.write()
    return re.compile(r".*RLIMIT_NOSUCH.*")


def rlimit_above_the_hosts(bundle):
    limit = {"type": "RLIMIT_NOFILE", "soft": 10**9, "hard": 10**9}
    bundle.config["process"]["rlimits"] = [limit]
    bundle.write()
    return re.compile(r".*setting rlimit.*operation not permitted.*")


def not_on_this_host(bundle):
    if Path("/sys/fs/resctrl/schemata").exists():
        pytest.skip("needs a host without resctrl")
    bundle.config["linux"]["intelRdt"] = {"closID": "x"}
    bundle.write()
    return re.compile(r".*(intelRdt|Intel RDT|resctrl).*")


def sysctl_of_the_host(bundle):
    linux = bundle.config["linux"]
    linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] != "network"]
    linux["sysctl"] = {"net.ipv4.ip_forward": "1"}
    bundle.write()
    return 'sysctl "net.ipv4.ip_forward" not allowed in host network namespace'


def unknown_sysctl(bundle):
    bundle.config["linux"]["sysctl"] = {"net.ipv4.nosuch": "1"}
    bundle.write()
    return "write sysctl net.ipv4.nosuch = 1: no such file or directory"


def hostname_of_the_host(bundle):
    linux = bundle.config["linux"]
    linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] != "uts"]
    bundle.write()
    return "unable to set hostname without a private UTS namespace"


def unknown_seccomp_action(bundle):
    bundle.config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_NOSUCH"}
    bundle.write()
    return re.compile(r".*SCMP_ACT_NOSUCH.*")


def memory_too_small(bundle):
    bundle.config["linux"]["resources"]["memory"] = {"limit": 4096}
    bundle.write()
    return re.compile(r".*memory.*")


def failing_hook(bundle):
    bundle.config["hooks"] = {"prestart": [{"path": "/bin/false"}]}
    bundle.write()
    return "error running prestart hook #0: exit status 1, output: "


INPUTS = [value for value in list(globals().values()) if getattr(value, "__code__", None)]
INPUTS = [f for f in INPUTS if f.__code__.co_varnames[:1] == ("bundle",)]


def matches(text, expected):
    return expected.fullmatch(text) if isinstance(expected, re.Pattern) else text == expected


@pytest.mark.parametrize("spoil", INPUTS, ids=lambda f: f.__name__.replace("_", " "))
def test_create_refuses_and_leaves_nothing(workshop, spoil):
    """One line on stderr, nothing on stdout, status 1, no pid file, no remains.

    With --log in JSON the file has exactly one object, level error, with the same message.
    """
    bundle = workshop.bundle(["sh", "-c", "exit 0"])
    expected = spoil(bundle)
    log = workshop.folder / "log.json"
    container = workshop.try_create(bundle, globals=("--log", log, "--log-format", "json"))
    result = container.created
    assert (result.status, result.stdout) == (1, "")
    assert result.stderr.startswith("create failed: ") and result.stderr.endswith("\n")
    assert result.stderr.count("\n") == 1
    text = result.stderr.removesuffix("\n").removeprefix("create failed: ")
    assert matches(text, expected), text
    assert not (bundle.path / f"{container.id}.pid").exists()
    lines = log.read_text().splitlines()
    assert len(lines) == 1
    record = json.loads(lines[0])
    assert record.pop("time")
    assert record == {"level": "error", "msg": f"create failed: {text}"}
    assert workshop.remains() == {}


# Among the inputs above, those that engines map to their own exit status by these words.
ENGINES = {
    command_missing_in_path: "executable file not found in",
    command_missing: "no such file or directory",
    command_not_executable: "permission denied",
    no_rootfs: "no such file or directory",
}


@pytest.mark.parametrize(
    ("spoil", "words"), ENGINES.items(), ids=lambda x: getattr(x, "__name__", "")
)
def test_run_says_the_same(workshop, spoil, words):
    """`run`, detached or not, refuses the same input with its own prefix."""
    bundle = workshop.bundle(["true"])
    text = spoil(bundle)
    for options in ((), ("-d",)):
        result = workshop.run(bundle, *options)
        assert (result.status, result.stdout) == (1, "")
        assert result.stderr == f"run failed: {text}\n"
        assert words in result.stderr
        assert workshop.remains() == {}


# -- ids


@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("../x", "invalid container ID format"),
        ("..", "invalid container ID format"),
        (".", "invalid container ID format"),
        (".seccomp", "invalid container ID format"),
        ("a/b", "invalid container ID format"),
        ("a b", "invalid container ID format"),
        ("ü", "invalid container ID format"),
        ("x" * 256, "invalid container ID format"),
        ("", "container id cannot be empty"),
    ],
)
@pytest.mark.parametrize("command", ["create", "run", "state", "start", "kill", "delete"])
def test_a_bad_id_is_refused_by_every_command(workshop, command, id, text):
    """Nothing is made, nothing outside the state root is looked at."""
    bundle = workshop.bundle(["true"])
    result = workshop.pyoci(command, id, cwd=bundle.path)
    prefix = f"{command} failed: " if command in ("create", "run") else ""
    assert (result.status, result.stdout, result.stderr) == (1, "", f"{prefix}{text}\n")


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete"])
def test_an_unknown_container_does_not_exist(workshop, command):
    """The text that containerd, Podman and CRI-O look for."""
    result = workshop.pyoci(command, "nosuch")
    assert (result.status, result.stdout) == (1, "")
    assert result.stderr == "container does not exist\n"


def test_an_id_is_taken_once(workshop):
    """A second create of an id is refused and does no harm to the first."""
    container = workshop.create(("sleep", "1000"))
    second = workshop.try_create(("true",), id=container.id)
    text = "create failed: container with given ID already exists\n"
    assert (second.created.status, second.created.stderr) == (1, text)
    assert container.status == "created"
    assert container.delete().status == 0


# -- not the document but its place


def test_a_missing_bundle_is_refused(workshop):
    """The folder is named."""
    result = workshop.pyoci("create", "-b", "/no/such/bundle", workshop.id())
    text = "create failed: chdir /no/such/bundle: no such file or directory\n"
    assert (result.status, result.stderr) == (1, text)


def test_a_pid_file_that_cannot_be_written_fails_create(workshop):
    """And nothing of the container is left."""
    bundle = workshop.bundle(["true"])
    path = "/no/such/folder/pid"
    result = workshop.pyoci("create", "-b", bundle.path, "--pid-file", path, workshop.id())
    assert result.status == 1
    assert re.fullmatch(
        r"create failed: .*/no/such/folder/.*: no such file or directory\n", result.stderr
    )
    assert workshop.remains() == {}


def test_a_console_socket_without_a_terminal_is_refused(workshop):
    """As is one that nobody listens at."""
    bundle = workshop.bundle(["true"])
    argv = ("create", "-b", bundle.path, "--console-socket", "/no/such.sock", workshop.id())
    result = workshop.pyoci(*argv)
    assert result.status == 1
    pattern = r"create failed: cannot use console socket if \w+ will not detach or allocate tty\n"
    assert re.fullmatch(pattern, result.stderr)
    bundle.config["process"]["terminal"] = True
    bundle.write()
    result = workshop.pyoci(*argv)
    assert result.status == 1
    assert re.fullmatch(
        r"create failed: .*/no/such.sock.*: no such file or directory\n", result.stderr
    )
    assert workshop.remains() == {}


def test_an_ordinary_user_is_refused_by_what_he_may_not_do(workshop):
    """Without a user namespace the rootless container is refused by name."""
    bundle = workshop.bundle(["true"])
    argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    root = workshop.folder / "nobody"
    root.mkdir()
    os.chown(root, 65534, 65534)
    argv += [workshop.runtime, "--root", root, "create", "-b", bundle.path, workshop.id()]
    result, _ = workshop.command(argv)
    assert result.status == 1
    assert result.stderr == "create failed: rootless container requires user namespaces\n"
    assert list(root.iterdir()) == []


def test_a_state_root_that_may_not_be_made_is_named(workshop):
    """No permission is told with the path."""
    bundle = workshop.bundle(["true"])
    argv = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    closed = workshop.folder / "closed"
    closed.mkdir(mode=0o700)
    argv += [
        workshop.runtime,
        "--root",
        closed / "state",
        "create",
        "-b",
        bundle.path,
        workshop.id(),
    ]
    result, _ = workshop.command(argv)
    assert result.status == 1
    assert re.fullmatch(rf"create failed: .*{closed}/state.*: permission denied\n", result.stderr)


def test_a_resolved_link_in_the_root_stays_inside(workshop):
    """A bind mount's destination behind a link is made in the container's root, never outside."""
    bundle = workshop.bundle("cat /link/passwd")
    outside = workshop.folder / "outside"
    outside.mkdir()
    (bundle.rootfs / "link").symlink_to(outside)
    mount = {"destination": "/link", "source": str(bundle.rootfs / "etc"), "options": ["rbind"]}
    bundle.config["mounts"].append(mount)
    bundle.write()
    assert "root:x:0:0" in workshop.inside(bundle)
    assert list(outside.iterdir()) == []
    assert Path(f"{bundle.rootfs}{outside}").is_dir()


# -- what a failure leaves open


@pytest.mark.parametrize(
    "spoil", [command_missing, failing_hook, source_missing, no_document, rlimit_above_the_hosts]
)
def test_a_failure_lets_go_of_the_callers_pipes(workshop, spoil):
    """conmon and Buildah read them to their end: nothing may keep them open."""
    bundle = workshop.bundle(["true"])
    spoil(bundle)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with workshop.spawn("create", "-b", bundle.path, workshop.id(), **pipes) as runtime:
        out, err = runtime.communicate(timeout=5)
    assert (out, runtime.returncode) == (b"", 1)
    assert err.startswith(b"create failed: ")


def test_a_terminal_without_one_is_refused(workshop):
    """Where nobody could type anything, run does not begin what nobody could end."""
    config = workshop.config("sh")
    config["process"]["terminal"] = True
    result = workshop.run(config, start_new_session=True)
    text = "run failed: open /dev/tty: no such device or address\n"
    assert (result.status, result.stdout, result.stderr) == (1, "", text)
