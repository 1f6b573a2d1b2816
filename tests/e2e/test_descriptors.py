"""Descriptors: those that are asked for reach the container, and no others."""

import json
import os
import re
import sys

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")
SILENT = (0, "", "")
# Opens descriptors under chosen numbers, which the test process itself may be using.
LEAK = """\
import fcntl, os, sys
zero = fcntl.fcntl(os.open("/dev/zero", os.O_RDONLY), fcntl.F_DUPFD_CLOEXEC, 300)
for number in sys.argv[1].split(","):
    os.dup2(zero, int(number))
os.execv(sys.argv[2], sys.argv[2:])
"""


def told(result):
    return result.status, result.stdout, result.stderr


def descriptors(pid):
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}


def leaking(workshop, numbers, bundle, id, *options):
    argv = workshop.argv("run", "-d", "-b", bundle.path, *options, id)
    command = [sys.executable, "-c", LEAK, ",".join([str(n) for n in numbers]), *argv]
    return workshop.command(command, env=workshop.host)[0]


@pytest.mark.parametrize(
    ("options", "inside"),
    [
        pytest.param((), {0, 1, 2}, id="none preserved"),
        pytest.param(("--preserve-fds", "1"), {0, 1, 2, 3}, id="one preserved"),
        pytest.param(("--preserve-fds=2",), {0, 1, 2, 3, 4}, id="two preserved"),
    ],
)
def test_only_preserved_descriptors_reach_the_container(workshop, options, inside):
    """Descriptors 3 to 2+N reach the container; others that the caller leaked do not."""
    bundle, id = workshop.bundle(FOREVER), workshop.id()
    result = leaking(workshop, (3, 4, 5, 200), bundle, id, *options)
    assert told(result) == SILENT
    pid = json.loads(workshop.pyoci("state", id).stdout)["pid"]
    assert descriptors(pid) == inside
    assert told(workshop.pyoci("delete", "-f", id)) == SILENT


def test_preserving_what_is_not_open_is_refused(workshop):
    """A missing descriptor is named, and nothing is made."""
    bundle = workshop.bundle(FOREVER)
    result = leaking(workshop, (3,), bundle, workshop.id(), "--preserve-fds", "40")
    assert result.status == 1
    pattern = r"run failed: unable to stat preserved-fd 4 \(of 40\): bad file descriptor\n"
    assert re.fullmatch(pattern, result.stderr)


@pytest.mark.parametrize(
    ("pid", "said"),
    [("$$", "2 1\n3\n4\n"), ("1", "\n"), ("", "\n")],
    ids=["ours", "another's", "nobody's"],
)
def test_socket_activation_is_passed_on(workshop, pid, said):
    """
    LISTEN_FDS of the caller adds as many descriptors, and both variables inside; as everywhere only
    if LISTEN_PID says that they are for us.
    """
    script = "echo $LISTEN_FDS $LISTEN_PID; for f in 3 4; do [ -e /proc/$$/fd/$f ] && echo $f; done"
    bundle = workshop.bundle(script + "; true")
    argv = workshop.argv("run", "-b", bundle.path, workshop.id())
    announce = ["sh", "-c", f'LISTEN_PID={pid} exec "$@"', "sh"]
    command = [*announce, sys.executable, "-c", LEAK, "3,4,5", *argv]
    result, _ = workshop.command(command, env={**workshop.host, "LISTEN_FDS": "2"})
    assert told(result) == (0, said, "")
