"""The calls of a create and a start: nothing in the container's root is reached by name."""

import os
import re
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

# name(dirfd, "path"...: which argument is a path, and which one before it what it is relative to.
AT = {"openat", "openat2", "mkdirat", "mknodat", "symlinkat", "unlinkat", "newfstatat", "fchownat",
      "readlinkat", "faccessat", "faccessat2", "fchmodat", "fchmodat2", "open_tree", "statx",
      "utimensat", "linkat", "renameat", "renameat2", "move_mount"}  # fmt: skip
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


def calls(text):
    """Yield (pid, name, arguments) of every whole call."""
    open_calls = {}
    for line in text.splitlines():
        pid, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            open_calls[pid] = rest.removesuffix("<unfinished ...>")
            continue
        if rest.startswith("<... "):
            rest = open_calls.pop(pid, "") + rest.partition("resumed>")[2]
        name, paren, arguments = rest.partition("(")
        if paren and name.isidentifier():
            yield int(pid), name, arguments


def named(arguments):
    """Return the paths of a call, those behind a handle's own name (-y) aside."""
    return STRING.findall(re.sub(r"<[^<>]*>", "", arguments))


@pytest.fixture
def trace(workshop):
    """Return what strace says of a container that is made and ends."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")

    def run(bundle):
        id = workshop.id()
        log = workshop.folder / "trace"
        argv = ["strace", "-f", "-s", "4096", "-o", log, *workshop.argv("run", "-b")]
        result, _ = workshop.command([*argv, bundle.path, id])
        if "ptrace" in result.stderr.lower():
            pytest.skip(f"needs ptrace: {result.stderr}")
        assert result.status == 0, result
        return log.read_text()

    return run


def test_no_path_of_the_root_is_used_by_name(workshop, trace):
    """
    The root's own path is opened by main and entered once; below it there are only handles, and
    names of one component.
    """
    config = workshop.config("true")
    shared = workshop.folder / "shared"
    shared.mkdir()
    config["mounts"] += [
        {"destination": "/a/b/c", "type": "tmpfs", "source": "t", "options": ["tmpcopyup"]},
        {"destination": "/a/b/c/d", "type": "bind", "source": str(shared), "options": ["rbind"]},
    ]
    config["linux"]["devices"] = [{"path": "/x/y/z", "type": "c", "major": 1, "minor": 3}]
    bundle = workshop.bundle(config)
    rootfs = str(bundle.rootfs)

    log = trace(bundle)

    below = [
        (name, path)
        for _, name, arguments in calls(log)
        for path in named(arguments)
        if path.startswith(rootfs + "/") and name not in ("write", "read", "readlink", "readlinkat")
    ]
    assert below == []


def test_paths_inside_are_resolved_by_the_kernel(workshop, trace):
    """
    A relative path of more than one name is only given to openat2, which keeps it in the root.
    """
    bundle = workshop.bundle(["true"])
    log = trace(bundle)
    assert "move_mount" in log

    # Init is the process that mounts; from its first mount on it works in the root.
    inits = {pid for pid, name, _ in calls(log) if name == "move_mount"}
    working, loose = set(), []
    for pid, name, arguments in calls(log):
        if pid not in inits:
            continue
        if name == "move_mount":
            working.add(pid)
        relative = [p for p in named(arguments) if p and not p.startswith("/") and "/" in p]
        if pid in working and name in AT - {"openat2"} and relative:
            loose.append((name, relative))
    allowed = [("symlinkat", ["pts/ptmx"])]  # the text of a link
    assert [call for call in loose if (call[0], call[1][:1]) not in allowed] == []


def test_every_look_into_the_root_is_confined(workshop, trace):
    """
    openat2 is asked to stay in the root, or below a handle, and to follow no magic link.
    """
    log = trace(workshop.bundle(["true"]))

    loose = [
        arguments
        for _, name, arguments in calls(log)
        if name == "openat2" and not re.search(r"RESOLVE_(IN_ROOT|BENEATH)", arguments)
    ]
    assert "openat2" in log
    assert loose == []


def test_nothing_is_loaded_from_the_root(workshop):
    """
    A module or a file in the root that the runtime would look for is never read (CVE-2019-14271).
    """
    bundle = workshop.bundle(["true"])
    prefix = subprocess.run(
        ["sed", "-n", "1s/^#!\\([^ ]*\\).*/\\1/p", str(workshop.runtime)],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    library = subprocess.run(
        [prefix, "-c", "import os; print(os.path.dirname(os.__file__))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    marker = workshop.folder / "loaded"
    trap = f"open({str(marker)!r}, 'w').close()\n"
    for name in ("os.py", "_strptime.py", "encodings/punycode.py", "encodings/__init__.py",
                 "json/__init__.py", "pwd.py"):  # fmt: skip
        path = bundle.rootfs / library.lstrip("/") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(trap)
    os.mkfifo(bundle.rootfs / "etc/localtime")
    os.mkfifo(bundle.rootfs / "etc/nsswitch.conf")

    assert workshop.run(bundle).status == 0
    bundle.config["process"]["cwd"] = "/etc/passwd/none"
    assert workshop.run(bundle.write()).status == 1
    bundle.config["process"].update(cwd="/", args=["missing"])
    assert workshop.run(bundle.write()).status != 0

    assert not marker.exists()
