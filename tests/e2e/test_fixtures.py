"""The documents that engines really wrote: each loads, plans and runs.

What belongs to the machine they were written on is replaced: paths, ids, processes, and a command
that tells what it sees.  The two of a rootless Podman run where Podman runs its runtime: as root
of a user namespace.
"""

import json
import os
import resource
import stat
import sys
from pathlib import Path

import pytest

from libcontainer.plan.host import probe
from libcontainer.plan.make import Options, make_plan
from libcontainer.spec.load import load_spec
from libcontainer.spec.validate import validate

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOLDER = Path(__file__).resolve().parents[2] / "libcontainer" / "tests" / "data" / "configs"
NAMES = sorted([path.stem for path in FOLDER.glob("*.json")])
FIRST_ID = 100000  # of the user namespace that stands for a rootless user's
SCRIPT = """\
echo begin
grep -E '^(Uid|Gid|Seccomp|NoNewPrivs):' /proc/self/status
cut -d ' ' -f 5 /proc/self/mountinfo
umask
hostname
touch /new 2>/dev/null && echo writable || echo read-only
echo end
exit 7
"""
# Becomes root of a new user namespace, whose maps a child writes that stays outside.
IN_USER_NAMESPACE = f"""\
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
ready, done = os.pipe(), os.pipe()
me = os.getpid()
child = os.fork()
if not child:
    os.read(ready[0], 1)
    for kind in ("uid", "gid"):
        with open(f"/proc/{{me}}/{{kind}}_map", "w") as map:
            map.write("0 {FIRST_ID} 65537")
    os.write(done[1], b"x")
    os._exit(0)
if libc.unshare(0x10000000 | 0x00020000):
    sys.exit("no user namespaces")
os.write(ready[1], b"x")
os.read(done[0], 1)
os.waitpid(child, 0)
for fd in (*ready, *done):
    os.close(fd)
os.setgroups([])
os.setresgid(0, 0, 0)
os.setresuid(0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


def disk():
    """Return the numbers of a disk of this host."""
    for line in Path("/proc/partitions").read_text().splitlines()[2:]:
        major, minor, _, name = line.split()
        if Path("/sys/block", name).exists() and not name.startswith(("ram", "zram")):
            return int(major), int(minor)
    pytest.skip("needs a disk in /proc/partitions")


def adapt(config, workshop, neighbour):
    """Replace what belongs to another machine."""
    process, linux = config["process"], config["linux"]
    process["args"] = ["/bin/sh", "-c", SCRIPT]
    adapt_limits(process, linux.get("resources") or {})
    if linux.get("uidMappings"):
        # Nobody makes devices in a user namespace; they are bound from where the host has them.
        for device in linux.get("devices", ()):
            device["path"] = host_path(device)
    config["root"]["path"] = "rootfs"
    if "cgroupsPath" in linux:
        linux["cgroupsPath"] = f"/{workshop.id()}"
    for namespace in linux["namespaces"]:
        if "path" in namespace:
            namespace["path"] = f"/proc/{neighbour.pid}/ns/{Path(namespace['path']).name}"
    for mount in config["mounts"]:
        if {"bind", "rbind"} & set(mount.get("options", ())):
            mount["source"] = source(mount["source"], mount["destination"], workshop)
    for hooks in (config.get("hooks") or {}).values():
        for number, hook in enumerate(hooks):
            hook["path"] = recorder(workshop, number)
    return config


def host_path(device):
    """Return where this host has a device."""
    numbers = os.makedev(device["major"], device["minor"])
    for path in Path("/dev").iterdir():
        found = path.stat() if not path.is_symlink() else None
        if found and stat.S_ISCHR(found.st_mode) and found.st_rdev == numbers:
            return str(path)
    pytest.skip(f"needs the device {device['path']} on the host")


def adapt_limits(process, resources):
    for limit in process.get("rlimits", ()):
        hard = resource.getrlimit(getattr(resource, limit["type"]))[1]
        if hard != resource.RLIM_INFINITY:
            limit["hard"] = min(limit["hard"], hard)
            limit["soft"] = min(limit["soft"], limit["hard"])
    if "oomScoreAdj" in process:
        own = int(Path("/proc/self/oom_score_adj").read_text())
        process["oomScoreAdj"] = max(process["oomScoreAdj"], own)  # lowering needs SYS_RESOURCE
    for key, devices in resources.get("blockIO", {}).items():
        if key.startswith("throttle"):
            for device in devices:
                device["major"], device["minor"] = disk()


def source(path, destination, workshop):
    """Return a file or folder of this host in place of one that is not here."""
    if Path(path).exists():
        return path
    name = Path(destination).name
    here = workshop.folder / "sources" / name
    here.parent.mkdir(exist_ok=True)
    if name in ("hosts", "hostname", "resolv.conf", ".containerenv"):
        here.touch()
    else:
        here.mkdir(exist_ok=True)
    return str(here)


def recorder(workshop, number):
    """Return a hook that keeps its arguments and the state document."""
    path = workshop.folder / f"hook-{number}"
    path.write_text(f'#!/bin/sh\necho "$@" >{path}.args\ncat >{path}.state\n')
    path.chmod(0o755)
    return str(path)


def give_away(folder, first):
    """Let a user namespace own a root file system."""
    for parent, names, files in os.walk(folder):
        for name in [".", *names, *files]:
            path = os.path.join(parent, name)
            os.chown(path, first, first, follow_symlinks=False)


@pytest.fixture
def neighbour(workshop):
    """The container whose namespaces members of a pod join."""
    container = workshop.create(("sleep", "1000"))
    container.start()
    yield container
    assert container.delete("--force").status == 0


@pytest.mark.parametrize("name", NAMES)
def test_a_document_plans(workshop, neighbour, name):
    """It loads, is valid, and gives a plan."""
    config = adapt(json.loads((FOLDER / f"{name}.json").read_text()), workshop, neighbour)
    spec = load_spec(json.dumps(config))
    validate(spec)
    host = probe(spec, cgroups={}, unified=False)
    options = Options(id="x", bundle="/bundle", rootfs="/bundle/rootfs")
    plan = make_plan(spec, host, options)
    assert plan == make_plan(spec, host, options)
    assert len(plan.build) > len(config["mounts"])


@pytest.mark.parametrize("name", NAMES)
def test_a_document_runs(workshop, neighbour, console, monkeypatch, name):
    """create, state, start, the payload's own view, exit status, delete."""
    config = adapt(json.loads((FOLDER / f"{name}.json").read_text()), workshop, neighbour)
    bundle = workshop.bundle(config)
    for destination in ("host", "mnt", "vol"):
        (bundle.rootfs / destination).mkdir()
    rootless = "rootless" in name
    maps = config["linux"].get("uidMappings")
    if rootless or maps:
        give_away(bundle.rootfs, FIRST_ID)
    options = ["--console-socket", console.path] if config["process"].get("terminal") else []
    if rootless:
        container = create_rootless(workshop, bundle, monkeypatch)
    else:
        container = workshop.create(bundle, *options)
    if options:
        console.master()
    state = container.state()
    assert (state["status"], state["bundle"]) == ("created", str(bundle.path))
    result = container.start()
    assert (result.status, result.stdout, result.stderr) == (0, "", "")
    said = console.read_to_end() if options else None
    assert container.wait() == 7, (container.stdout, container.stderr)
    check_view((said or container.stdout).split(), config)
    check_hooks(workshop, config, state["pid"])
    assert container.status == "stopped"
    assert container.delete().status == 0


def create_rootless(workshop, bundle, monkeypatch):
    """Create a container as Podman does for a user: as root of the user's namespace.

    What follows is done from there, too: its state belongs to that root.
    """
    workshop.root.mkdir(exist_ok=True)
    for path in (workshop.root, bundle.path):
        os.chown(path, FIRST_ID, FIRST_ID)
    give_away(workshop.folder / "sources", FIRST_ID)
    script = workshop.folder / "runtime"
    # The real runtime, with its arguments, inside of the namespace.
    (workshop.folder / "enter.py").write_text(IN_USER_NAMESPACE)
    script.write_text(
        f'#!/bin/sh\nexec {sys.executable} {workshop.folder}/enter.py {workshop.runtime} "$@"\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(workshop, "runtime", script)
    return workshop.create(bundle)


def check_view(words, config):
    """Compare what the payload saw of itself with the document."""
    process = config["process"]
    text = " ".join(words)
    assert words[0] == "begin" and words[-1] == "end"
    user = process["user"]
    assert f"Uid: {user['uid']} {user['uid']}" in text
    assert f"Gid: {user['gid']} {user['gid']}" in text
    assert f"Seccomp: {2 if config['linux'].get('seccomp') else 0}" in text
    assert f"NoNewPrivs: {int(process.get('noNewPrivileges', False))}" in text
    assert f"{user.get('umask', 0o22):04o}" in words
    if config.get("hostname"):
        assert config["hostname"] in words
    for mount in config["mounts"]:
        assert mount["destination"] in words, mount
    assert ("read-only" if config["root"].get("readonly") else "writable") in words


def check_hooks(workshop, config, pid):
    for hook in (config.get("hooks") or {}).get("prestart", ()):
        arguments = Path(f"{hook['path']}.args").read_text().split()
        assert arguments == hook["args"][1:]
        state = json.loads(Path(f"{hook['path']}.state").read_text())
        assert state["pid"] == pid
