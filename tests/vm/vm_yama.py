"""Taking a seccomp listener under Yama.  The last file: scope 3 stays until the next boot."""

import os
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

AGENT = """
import os, socket, sys
server = socket.socket(socket.AF_UNIX); server.bind(sys.argv[1]); server.listen()
print("ready", flush=True)
connection, _ = server.accept()
message, fds, _, _ = socket.recv_fds(connection, 65536, 1)
print(os.readlink(f"/proc/self/fd/{fds[0]}"), flush=True)
"""


@pytest.mark.parametrize("scope", [0, 1, 2, 3])
def test_listener_under_yama(pyoci, bundle, tmp_path, scope):
    """
    Root takes the listener whatever Yama forbids to others; only 3 forbids it to root.
    """
    setting = Path("/proc/sys/kernel/yama/ptrace_scope")
    if not setting.exists():
        pytest.skip("needs Yama")
    setting.write_text(str(scope))  # 3 stays until the next boot: the last of the list
    socket = tmp_path / "agent.sock"
    agent = subprocess.Popen(
        ["python3", "-c", AGENT, str(socket)], stdout=subprocess.PIPE, text=True
    )
    agent.stdout.readline()

    def change(document):
        document["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": str(socket),
            "syscalls": [{"names": ["mkdirat"], "action": "SCMP_ACT_NOTIFY"}],
        }

    done = pyoci("run", "--bundle", str(bundle("true", change=change)), "notify", check=False)

    if scope == 3:
        agent.kill()
        assert done.returncode == 1
        assert "kernel.yama.ptrace_scope is 3" in done.stderr
    else:
        assert (done.returncode, done.stderr) == (0, "")
        assert agent.stdout.readline() == "anon_inode:seccomp notify\n"
    agent.wait(timeout=30)
