"""What a caller is, and what its containers and hooks must not be.

The same life of a container is led twice: by a caller as after boot, and by one that has changed
about itself whatever a child and a new program inherit.  What a process of the container or a hook
finds about itself must be the same both times.
"""

import itertools
import json
import os
import platform
import sys
from pathlib import Path

import pytest

from .test_terminal import Terminal

pytestmark = [pytest.mark.e2e, pytest.mark.root]

HOST_SIDE = ("prestart", "createRuntime", "createContainer", "poststart", "poststop")
STANDARD_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
STATUS = (
    "Uid Gid Groups Umask SigPnd ShdPnd SigBlk SigIgn CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs"
    " Seccomp THP_enabled Cpus_allowed_list Mems_allowed_list"
).split()
# What every process has of its parent if nobody asks for something else, with runc and crun too.
# The specification forbids to change the score if the document has none.
INHERITED = {
    "limit Max open files",
    "limit Max core file size",
    "nice",
    "policy",
    "ioprio",
    "personality",
    "oom_score_adj",
    "coredump_filter",
    "timerslack_ns",
    "securebits",
    "THP_enabled",
    "thp",
    "mce",
}
# Hooks on the host's side are programs of the caller, on its behalf.
CALLERS = INHERITED | {"Umask", "Groups", "Cpus_allowed_list", "affinity", "session keyring"}
SYSTEM_CALLS = {
    "x86_64": {"KEYCTL": 250, "IOPRIO_SET": 251, "IOPRIO_GET": 252},
    "aarch64": {"KEYCTL": 219, "IOPRIO_SET": 30, "IOPRIO_GET": 31},
}

# For a shell, which changes nothing that its children get: Python ignores two signals.  Not below
# /proc/$$, since the procfs may be that of another pid namespace.
PROBE = """\
for name in status environ limits personality oom_score_adj coredump_filter timerslack_ns; do
    echo "== $name"
    cat /proc/self/$name | tr '\\0' '\\n'
done
echo "== fd"
for fd in /proc/self/fd/*; do [ -e $fd ] && echo ${fd##*/}; done
echo "== asked"
exec PYTHON -IS /probes.py
"""
ASK = """\
import ctypes, json, os, signal
libc = ctypes.CDLL(None)
asked = {}
for name, number in {"parent-death signal": 2, "subreaper": 37}.items():
    found = ctypes.c_int()
    libc.prctl(number, ctypes.byref(found), 0, 0, 0)
    asked[name] = found.value
for name, number in {"keepcaps": 7, "securebits": 27, "thp": 42, "mce": 34}.items():
    asked[name] = libc.prctl(number, 0, 0, 0, 0)
asked["timers"] = [signal.getitimer(which) for which in (0, 1, 2)]
asked["nice"] = os.getpriority(os.PRIO_PROCESS, 0)
asked["policy"] = os.sched_getscheduler(0)
asked["affinity"] = len(os.sched_getaffinity(0))
asked["ioprio"] = libc.syscall(IOPRIO_GET, 1, 0)
name = ctypes.create_string_buffer(256)
libc.syscall(KEYCTL, 6, -3, name, 256)
asked["session keyring"] = name.value.decode()
print(json.dumps(asked))
"""
HOSTILE = """\
import ctypes, fcntl, os, resource, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), "refused")
zero = fcntl.fcntl(os.open("/dev/zero", os.O_RDONLY), fcntl.F_DUPFD_CLOEXEC, 300)
for number in (3, 9, 200):
    os.dup2(zero, number)
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
os.umask(0)
os.setgroups([4242, 4343])
os.environ["HOSTILE"] = "1"
resource.setrlimit(resource.RLIMIT_NOFILE, (555, 666))
resource.setrlimit(resource.RLIMIT_CORE, (0, 1 << 20))
for line in "oom_score_adj 77", "coredump_filter 1", "timerslack_ns 9000000":
    name, text = line.split()
    with open(f"/proc/self/{name}", "w") as file:
        file.write(text)
call(libc.personality(0x40000))  # no randomised addresses
call(libc.prctl(28, 1 << 2, 0, 0, 0))  # securebits: capabilities stay when ids change
call(libc.prctl(41, 1, 0, 0, 0))  # no huge pages
call(libc.prctl(33, 1, 1, 0, 0))  # told early of broken memory
call(libc.prctl(36, 1, 0, 0, 0))  # subreaper
call(libc.prctl(1, signal.SIGCONT, 0, 0, 0))  # when the parent ends
signal.setitimer(signal.ITIMER_REAL, 5000)
signal.setitimer(signal.ITIMER_PROF, 5000)
call(libc.syscall(KEYCTL, 1, b"hostile"))  # a session keyring
call(libc.syscall(IOPRIO_SET, 1, 0, 3 << 13))  # idle
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
os.nice(5)
signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
os.execv(sys.argv[1], sys.argv[1:])
"""


def with_numbers(program):
    """Fill in the system calls that Python has no function for."""
    numbers = SYSTEM_CALLS.get(platform.machine())
    if numbers is None:
        pytest.skip(f"needs the numbers of {platform.machine()}'s system calls")
    for name, number in numbers.items():
        program = program.replace(name, str(number))
    return program


class Life:
    """A container's life, each command begun by one caller; every process writes what it is."""

    def __init__(self, workshop, id, caller):
        self.workshop, self.id = workshop, id
        self.folder = workshop.folder / caller
        self.folder.mkdir(mode=0o777)
        hostile = [sys.executable, "-c", with_numbers(HOSTILE)]
        self.prefix = hostile if caller == "hostile" else []
        python = os.path.realpath(sys.executable)
        script = self.folder / "probes.py"
        script.write_text(with_numbers(ASK))
        self.probe = self.folder / "probe"
        text = PROBE.replace("PYTHON", python).replace("/probes.py", str(script))
        self.probe.write_text(text)

    def command(self, name):
        """Return what a shell is to do; the folder is at the same path inside.

        Not as the last thing: without a fork, some shells hand on that they ignore SIGQUIT.
        """
        return f"sh {self.probe} >{self.folder}/{name}; true"

    def bundle(self):
        config = self.workshop.config("sh", "-c", self.command("run") + "; exec sleep 1000")
        config["process"].pop("rlimits", None)
        config["root"]["readonly"] = False  # for the mount points
        # Python and its libraries.
        needed = [p for p in ("/usr", "/lib", "/lib64", sys.base_prefix) if Path(p).exists()]
        for path in [*needed, self.folder]:
            mount = {"destination": str(path), "source": str(path), "options": ["rbind", "rw"]}
            config["mounts"].append(mount)
        config["hooks"] = {
            kind: [{"path": "/bin/sh", "args": ["sh", "-c", self.command(kind)]}]
            for kind in (*HOST_SIDE, "startContainer")
        }
        return self.workshop.bundle(config)

    def pyoci(self, *words):
        argv = [*self.prefix, *self.workshop.argv(*words)]
        result, _ = self.workshop.command(argv, env=self.workshop.host)
        assert (result.status, result.stdout, result.stderr) == (0, "", "")

    def lead(self):
        """Return what each process is, by its name."""
        pid_file = self.folder / "pid"
        self.pyoci("run", "-d", "-b", self.bundle().path, "--pid-file", pid_file, self.id)
        said = self.folder / "run"
        self.workshop.until(lambda: said.exists() and said.read_text().endswith("}\n"), "the probe")
        self.pyoci("exec", self.id, "sh", "-c", self.command("exec"))
        self.exec_with_terminal()
        self.pyoci("kill", self.id, "KILL")
        self.workshop.reap(int(pid_file.read_text()))
        self.pyoci("delete", self.id)
        names = ("run", "exec", "exec -t", "startContainer", *HOST_SIDE)
        return {name: facts((self.folder / name).read_text()) for name in names}

    def exec_with_terminal(self):
        terminal = Terminal()
        try:
            script = self.command("'exec -t'")
            argv = self.workshop.argv("exec", "-t", self.id, "sh", "-c", script)
            terminal.spawn([*self.prefix, *argv], env=self.workshop.host)
            assert (terminal.wait(), terminal.said) == (0, "")
        finally:
            terminal.close()


def facts(text):
    """Return what a probe said, by name."""
    sections = {}
    for section in text.removeprefix("== ").split("\n== "):
        name, _, content = section.partition("\n")
        sections[name] = content.strip().splitlines()
    found = json.loads(sections.pop("asked")[0])
    status = dict([line.split(":", 1) for line in sections.pop("status")])
    found |= {name: status[name].strip() for name in STATUS if name in status}
    found |= {
        f"limit {line[:26].strip()}": line[26:].split() for line in sections.pop("limits")[1:]
    }
    # What a shell adds.
    own = ("PWD=", "OLDPWD=", "SHLVL=", "_=")
    found["environ"] = sorted([e for e in sections.pop("environ") if not e.startswith(own)])
    found["fd"] = sorted([int(fd) for fd in sections.pop("fd")])
    return found | {name: lines[0] for name, lines in sections.items()}


def differences(one, other):
    return {name for name in one if one[name] != other[name]}


def test_nothing_of_the_runtimes_own_leaks(workshop):
    """Neither what the caller has made of it, nor what it has made of itself."""
    # The same id: the keyring and the cgroup are called by it.
    id = workshop.id()
    calm = Life(workshop, id, "calm").lead()
    hostile = Life(workshop, id, "hostile").lead()

    leaks = {name: differences(calm[name], hostile[name]) for name in calm}

    for name in ("run", "exec", "exec -t", "startContainer"):
        assert leaks[name] <= INHERITED, name
        assert hostile[name]["session keyring"].endswith(f";_ses.{id}"), name
        assert hostile[name]["environ"] == ["HOME=/root", STANDARD_PATH, "TERM=xterm"], name
    for name in HOST_SIDE:
        assert leaks[name] <= CALLERS, name
        assert hostile[name]["environ"] == [STANDARD_PATH], name
    # What may be wrong both times.
    for name, found in itertools.chain(calm.items(), hostile.items()):
        assert {int(found[key], 16) for key in ("SigIgn", "SigBlk", "SigPnd", "ShdPnd")} == {0}, (
            name
        )
        assert [t for timer in found["timers"] for t in timer] == [0] * 6, name
        own = ("parent-death signal", "subreaper", "keepcaps")
        assert {key: found[key] for key in own} == dict.fromkeys(own, 0), name
        # The shell reads its script by another one.
        assert [fd for fd in found["fd"] if fd < 10] == [0, 1, 2] and len(found["fd"]) < 5, name


def test_what_is_inherited_can_be_seen(workshop):
    """The caller of the test above has changed all that it means to."""
    argv = [sys.executable, "-c", with_numbers(HOSTILE), sys.executable, "-c", with_numbers(ASK)]
    calm, _ = workshop.command(argv[3:])
    hostile, _ = workshop.command(argv)

    changed = differences(json.loads(calm.stdout), json.loads(hostile.stdout))

    assert changed >= {
        "parent-death signal",
        "subreaper",
        "securebits",
        "timers",
        "nice",
        "policy",
        "ioprio",
        "session keyring",
    }
