"""A container from bundle to deletion, each command shown with its output and its time.

Run by `just demo`.  As root it makes what an engine would; as an ordinary user, a container in a
user namespace of one id.  DEMO_RUNTIME names another runtime than .venv/bin/pyoci.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = shutil.which(os.environ.get("DEMO_RUNTIME") or str(ROOT / ".venv" / "bin" / "pyoci"))
NAME = Path(RUNTIME or "pyoci").name
USER = os.geteuid() != 0
TIMEOUT = 30  # seconds for one command; the slowest takes a tenth of one

SCRIPT = """\
echo "Hello from $(hostname): pid $$ of $(ls -d /proc/[0-9]* | wc -l) processes, uid $(id -u)."
touch /new 2>/dev/null && root=writable || root=read-only
echo "I see $(wc -l < /proc/mounts) mounts, and my / is $root."
grep -E '^(NoNewPrivs|CapEff)' /proc/self/status
"""
APPLETS = ("sh", "cat", "echo", "grep", "hostname", "id", "ls", "sleep", "touch", "true", "wc")

PLAIN = not sys.stdout.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
ENDS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "cyan": "36"}


class Failed(Exception):
    """A command of the demo did not do what it should."""


def styled(text: str, style: str) -> str:
    return text if PLAIN else f"\033[{CODES[style]}m{text}\033[0m"


def say(text: str = "") -> None:
    print(text, flush=True)


def heading(text: str) -> None:
    say()
    say(styled(text, "bold"))


def shown(text: str) -> None:
    """Print what a command wrote, set off from what the demo says."""
    for line in text.rstrip("\n").splitlines():
        say(f"{styled('|', 'dim')} {line}")


class Runtime:
    """The commands of the demo, run one after the other."""

    def __init__(self, program: str, environment: dict[str, str]) -> None:
        self.program, self.environment = program, environment

    def run(self, *arguments: str, stdout: int = subprocess.PIPE, expect: int = 0) -> str:
        """Run one command, show it with its output and time, and return the output.

        With a descriptor for `stdout` the output goes there: `create` hands it on to the container.
        """
        command = [self.program, *arguments]
        say(f"{styled('$', 'dim')} {styled(shlex.join([NAME, *arguments]), 'cyan')}")
        began = time.perf_counter()
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
            env=self.environment,
            text=True,
            timeout=TIMEOUT,
        )
        took = (time.perf_counter() - began) * 1000
        shown(done.stdout or "")
        status = f", exit status {done.returncode}" if done.returncode or expect else ""
        say(styled(f"  {took:.0f} ms{status}", "dim"))
        if done.returncode != expect:
            raise Failed(f"{NAME} {arguments[0]}: exit status {done.returncode}")
        return done.stdout or ""

    def quietly(self, *arguments: str) -> str:
        """Run a command that is no part of the story, and return what it printed."""
        done = subprocess.run(
            [self.program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            text=True,
            timeout=TIMEOUT,
        )
        return done.stdout

    def wait_until_stopped(self, identifier: str) -> None:
        """Wait for the end of a process that has closed its output already."""
        for _ in range(100):
            if json.loads(self.quietly("state", identifier) or "{}").get("status") == "stopped":
                return
            time.sleep(0.05)
        raise Failed(f"{identifier} does not stop")


def is_static(program: str) -> bool:
    """Tell whether an ELF program needs no interpreter: no PT_INTERP among its headers."""
    data = Path(program).read_bytes()
    table, entry = int.from_bytes(data[32:40], "little"), int.from_bytes(data[54:56], "little")
    count = int.from_bytes(data[56:58], "little")
    kinds = [int.from_bytes(data[table + i * entry :][:4], "little") for i in range(count)]
    return data[:5] == b"\x7fELF\x02" and 3 not in kinds


def make_rootfs(rootfs: Path) -> list[dict[str, object]]:
    """Make a root file system; return the mounts that it needs beside.

    Of busybox if there is a static one, else of the host's own /usr, read-only.
    """
    for name in ("proc", "sys", "dev", "tmp"):
        (rootfs / name).mkdir(parents=True)
    busybox = shutil.which("busybox")
    if busybox and is_static(busybox):
        (rootfs / "bin").mkdir()
        shutil.copy(busybox, rootfs / "bin" / "busybox")
        for applet in APPLETS:
            (rootfs / "bin" / applet).symlink_to("busybox")
        say(f"The root file system is one static file, {busybox}.")
        return []
    (rootfs / "usr").mkdir()
    for name in ("bin", "sbin", "lib", "lib64"):
        if (Path("/usr") / name).is_dir():
            (rootfs / name).symlink_to(f"usr/{name}")
    say("There is no static busybox, so the root file system is this host's /usr, read-only.")
    options = ["rbind", "ro", "nosuid", "nodev"]
    return [{"destination": "/usr", "type": "none", "source": "/usr", "options": options}]


def edit(config: Path, mounts: list[dict[str, object]]) -> None:
    """Change what `spec` wrote into what the demo runs: no terminal, a script, the mounts."""
    document = json.loads(config.read_text())
    document["process"]["terminal"] = False
    document["process"]["args"] = ["sh", "-c", SCRIPT]
    document["hostname"] = "demo"
    document["mounts"] += mounts
    config.write_text(json.dumps(document, indent="\t") + "\n")


def read_to_end(fd: int) -> str:
    """Return what the container writes until its last process has gone."""
    parts = []
    while select.select([fd], [], [], TIMEOUT)[0] and (part := os.read(fd, 65536)):
        parts.append(part)
    os.close(fd)
    return b"".join(parts).decode(errors="replace")


def show(runtime: Runtime, folder: Path, identifier: str) -> None:
    """Tell the story."""
    bundle = folder / "bundle"
    bundle.mkdir()

    heading("A bundle: a folder with a root file system and config.json")
    mounts = make_rootfs(bundle / "rootfs")
    runtime.run("spec", "--bundle", str(bundle), *(["--rootless"] if USER else []))
    edit(bundle / "config.json", mounts)
    say("In config.json the command is now a small script, without a terminal.")

    heading("Create: everything is built and checked, and a process waits to become the command")
    output, container_end = os.pipe()
    try:
        runtime.run("create", "--bundle", str(bundle), identifier, stdout=container_end)
    except Failed:
        os.close(container_end)
        shown(read_to_end(output))
        raise
    os.close(container_end)
    runtime.run("state", identifier)

    heading("Start: it becomes the command")
    runtime.run("start", identifier)
    say("and the container says:")
    shown(read_to_end(output))
    runtime.wait_until_stopped(identifier)

    heading("Delete: nothing remains")
    runtime.run("delete", identifier)

    heading("All of that in one command, and its exit status is the container's")
    document = json.loads((bundle / "config.json").read_text())
    document["process"]["args"] = ["sh", "-c", "echo once more; exit 7"]
    (bundle / "config.json").write_text(json.dumps(document, indent="\t") + "\n")
    runtime.run("run", "--bundle", str(bundle), identifier, expect=7)


def tell_engines(program: str) -> None:
    """Print what a user types to have Podman or Docker use the runtime."""
    entry = json.dumps({"runtimes": {"pyoci": {"path": program}}})
    heading("With Podman")
    say(f"  podman --runtime {shlex.quote(program)} run --rm alpine echo hello")
    heading("With Docker, after a restart of its daemon with this in /etc/docker/daemon.json")
    say(f"  {entry}")
    say("  docker run --rm --runtime pyoci alpine echo hello")


def interrupt(*_: object) -> None:
    """End as by Ctrl-C, so that the container goes too; further signals must not stop that."""
    for number in ENDS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def main() -> int:
    if RUNTIME is None:
        print("demo: there is no runtime: run ./just setup", file=sys.stderr)
        return 1
    for number in ENDS:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, interrupt)
    identifier = f"demo-{os.getpid()}"
    with tempfile.TemporaryDirectory(prefix="pyoci-demo-") as name:
        # The state of an ordinary user is below this folder, which a login sets; `su` leaves it
        # out or leaves another user's.
        environment = dict(os.environ)
        if USER and not os.access(environment.get("XDG_RUNTIME_DIR") or "/", os.W_OK):
            environment["XDG_RUNTIME_DIR"] = name
        runtime = Runtime(RUNTIME, environment)
        who = "an ordinary user, in a user namespace" if USER else "root"
        say(styled("An OCI container, step by step", "bold") + f", as {who}, with {RUNTIME}")
        try:
            show(runtime, Path(name), identifier)
        except (Failed, subprocess.TimeoutExpired) as e:
            say(styled(f"demo: {e}", "red"))
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            # Nothing to do after a story that was told to its end.
            runtime.quietly("delete", "--force", identifier)
    tell_engines(RUNTIME)
    return 0


try:
    sys.exit(main())
except BrokenPipeError:
    # Who read has gone.  What is still buffered must not be tried again at exit.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(1)
