"""What a start of the runtime may import.

An engine starts the runtime three or four times per container, and what a start imports is most
of what it costs: `os` 0.9 ms, `enum` and `re` 9, `json` 11, `typing` 17, `click` 40, `attrs` 45 on
top of a bare start.  So each command has a list of modules; everything else is imported by the
function that needs it, on the path that needs it.
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pyoci.setup import package_folders

ROOT = Path(__file__).resolve().parent.parent
# The state root is the test's own, the cgroup's path is made of the id alone.
ID = f"budget-{os.getpid()}"
COMMANDS = ROOT / "pyoci" / "src" / "pyoci" / "commands"
OURS = ("pyoci", "libcontainer", "libcgroups", "libseccomp", "liboci_cli")

# Cheap in every version: built in, or one small shared object with nothing behind it.
HOT = {
    *("sys", "posix", "time", "errno", "stat", "select", "fcntl", "resource", "struct", "marshal"),
    *("__future__", "_signal", "_socket", "_json", "_blake2", "_posixsubprocess"),
    *("_cffi_backend", "gc"),  # gc: a cloned child turns it off
    *("_stat", "_struct", "math"),  # behind stat, struct and (from 3.12) _socket
}
# What a command may import beside that, with the reason.
MORE = {}


def commands():
    return sorted(path.stem for path in COMMANDS.glob("*.py") if path.stem[0] != "_")


def imported(program, *options):
    """The modules that `program` imports in a fresh interpreter, started as the launcher does."""
    lines = ["import sys", f"sys.path += {package_folders()!r}", "before = set(sys.modules)"]
    lines += [program, "print(*sorted(set(sys.modules) - before))"]
    done = subprocess.run(
        [sys.executable, "-ISBXutf8", *options, "-c", "\n".join(lines)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def strangers(modules, command):
    """Those of the modules that are neither ours nor in the command's list."""
    allowed = HOT | MORE.get(command, set())
    return sorted(m for m in modules if m.partition(".")[0] not in OURS and m not in allowed)


@pytest.mark.parametrize("command", commands())
def test_command_is_imported_within_its_list(command):
    """
    Main and a command's module are there without any module that is not in the command's list.
    """
    modules = imported(f"import pyoci.main, pyoci.commands.{command}")

    assert strangers(modules, command) == []


@pytest.mark.parametrize("command", commands())
def test_command_does_not_import_another(command):
    """
    A start pays for one command, and not for the libraries' text for people.
    """
    modules = imported(f"import pyoci.main, pyoci.commands.{command}")

    others = {f"pyoci.commands.{other}" for other in commands()} - {f"pyoci.commands.{command}"}
    if command == "run":
        others -= {"pyoci.commands.create", "pyoci.commands.start", "pyoci.commands.delete"}
    assert sorted(modules & others) == []
    assert "liboci_cli.people" not in modules


IMPORT_LINE = re.compile(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def bare():
    """What the interpreter itself imports at a start without site."""
    done = subprocess.run(
        [sys.executable, "-ISBXutf8", "-X", "importtime", "-c", "pass"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(IMPORT_LINE.findall(done.stderr))


@pytest.fixture
def traced(tmp_path, bare):
    """Run a command of the runtime; return its status, its output and what it imported."""
    launcher = tmp_path / "pyoci"
    folders = package_folders()
    launcher.write_text(
        f"import sys\nsys.path += {folders!r}\nfrom pyoci.main import main\nmain()\n"
    )

    def run(*arguments):
        python = [sys.executable, "-ISBXutf8", "-X", "importtime", launcher]
        with open(tmp_path / "err", "w+") as err, open(tmp_path / "out", "w+") as out:
            # Files, not pipes: the container keeps what create was given.
            done = subprocess.run(
                [*python, "--root", tmp_path / "state", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=60,
            )
            err.seek(0)
            text = err.read()
            out.seek(0)
            assert done.returncode == 0, IMPORT_LINE.sub("", text).replace("\n\n", "")
            return out.read(), set(IMPORT_LINE.findall(text)) - bare

    yield run
    if (tmp_path / "state" / ID).exists():
        run("delete", "--force", ID)


@pytest.fixture
def bundle(tmp_path, traced):
    """A bundle of `spec`'s own document that sleeps, on the host's static busybox."""
    busybox = Path("/usr/bin/busybox")
    if os.geteuid() != 0:
        pytest.skip("starting a container without a user namespace needs root")
    if not busybox.exists():
        pytest.skip("no /usr/bin/busybox")
    bundle = tmp_path / "bundle"
    (bundle / "rootfs" / "bin").mkdir(parents=True)
    (bundle / "rootfs" / "bin" / "sh").write_bytes(busybox.read_bytes())
    (bundle / "rootfs" / "bin" / "sh").chmod(0o755)
    traced("spec", "--bundle", bundle)
    text = (bundle / "config.json").read_text().replace('"terminal": true', '"terminal": false')
    text = re.sub(r'"args": \[\s*"sh"\s*\]', '"args": ["sh", "-c", "while :; do :; done"]', text)
    (bundle / "config.json").write_text(text)
    return bundle


def wait_until_stopped(traced):
    for _ in range(200):
        if '"stopped"' in traced("state", ID)[0]:
            return
        time.sleep(0.05)
    pytest.fail("a killed container does not stop")


@pytest.mark.root
@pytest.mark.e2e
def test_life_of_a_container_stays_within_the_lists(traced, bundle):
    """
    What engines do with a real container, from create to delete, imports nothing dear on the way.
    """
    used = {}
    _, used["create"] = traced("create", "--bundle", bundle, ID)
    _, used["state"] = traced("state", ID)
    _, used["start"] = traced("start", ID)
    _, used["exec"] = traced("exec", ID, "sh", "-c", ":")
    _, used["pause"] = traced("pause", ID)
    _, used["resume"] = traced("resume", ID)
    _, used["ps"] = traced("ps", "--format", "json", ID)
    _, used["update"] = traced("update", "--pids-limit", "50", ID)
    _, used["events"] = traced("events", "--stats", ID)
    _, used["features"] = traced("features")
    _, used["kill"] = traced("kill", ID, "KILL")
    wait_until_stopped(traced)
    _, used["list"] = traced("list")
    _, used["delete"] = traced("delete", ID)

    found = {command: strangers(modules, command) for command, modules in used.items()}

    assert {command: names for command, names in found.items() if names} == {}


@pytest.mark.root
@pytest.mark.e2e
def test_run_stays_within_its_list(traced, bundle):
    """
    So does a container in the foreground.
    """
    config = bundle / "config.json"
    config.write_text(config.read_text().replace("while :; do :; done", "exit 0"))

    _, used = traced("run", "--bundle", bundle, ID)

    assert strangers(used, "run") == []
