"""A program that runs containers in its foreground by the library: what is its own stays so."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

# Runs with a child of its own, that ends meanwhile, and says what became of itself and of that.
PROGRAM = """\
import json, os, signal, subprocess, sys
from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel, address
from libcontainer.ops.create import CreateOptions
from libcontainer.ops.exec import ExecOptions, exec
from libcontainer.ops.run import run
from libcontainer.plan.tenant import Changes

def subreaper():
    found = bytearray(4)
    LinuxKernel().prctl(c.PR_GET_CHILD_SUBREAPER, address(found))
    return found[0]

command, root, id, bundle, before, notify = sys.argv[1:]
LinuxKernel().prctl(c.PR_SET_CHILD_SUBREAPER, int(before))
handlers = [signal.getsignal(n) for n in sorted(signal.valid_signals())]
mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
own = subprocess.Popen(["sh", "-c", "exit 9"])
os.waitid(os.P_PID, own.pid, os.WEXITED | os.WNOWAIT)
if command == "run":
    status = run(id, CreateOptions(root=root, bundle=bundle), subreaper=True, notify_socket=notify)
else:
    options = ExecOptions(root=root, forward_signals=True)
    status = exec(id, Changes(args=("sh", "-c", "exit 3")), options)
print(json.dumps({
    "status": status,
    "own": own.wait(),
    "children": open(f"/proc/self/task/{os.getpid()}/children").read(),
    "subreaper": subreaper(),
    "handlers": handlers == [signal.getsignal(n) for n in sorted(signal.valid_signals())],
    "mask": mask == signal.pthread_sigmask(signal.SIG_BLOCK, ()),
}))
"""


@pytest.mark.parametrize("before", [0, 1])
@pytest.mark.parametrize("command", ["run", "run, notifying", "exec"])
def test_the_callers_children_and_attributes_are_its_own(workshop, delete_after, command, before):
    """Its child's status is there for it; it is a subreaper only if it was one."""
    command, _, notifying = command.partition(", ")
    notify = workshop.folder / "notify" if notifying else ""
    if command == "run":
        id, bundle = workshop.id(), workshop.bundle("exit 3").path
    else:
        container = workshop.create(["sleep", "1000"])
        delete_after(container)
        assert container.start().status == 0
        id, bundle = container.id, container.bundle.path
    argv = [sys.executable, "-c", PROGRAM, command, workshop.root, id, bundle, before, notify]

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(notify))
        result, _ = workshop.command(argv)

    assert (result.status, result.stderr) == (0, "")
    assert json.loads(result.stdout) == {
        "status": 3,
        "own": 9,
        "children": "",
        "subreaper": before,
        "handlers": True,
        "mask": True,
    }


def test_the_command_line_reaps_everything(workshop):
    """It has no children of its own: without a pid namespace those of the container are its."""
    config = workshop.config("sh", "-c", "(sleep 0.01 & echo $!); read x")
    namespaces = config["linux"]["namespaces"]
    config["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "pid"]
    argv = ("run", "-b", workshop.bundle(config).path, workshop.id())
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with workshop.spawn(*argv, **pipes, text=True) as runtime:
        orphan = Path("/proc", runtime.stdout.readline().strip())
        workshop.until(lambda: not orphan.exists(), "the orphan's end")
        runtime.communicate("\n")

    assert runtime.returncode == 0
