"""The command line against containers in every state: texts, exit statuses, formats."""

import fcntl
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

ROOT = Path(__file__).resolve().parents[2]
LOOP = "while :; do sleep 0.1; done"
SILENT = (0, "", "")
NOBODY = "container does not exist\n"
NOT_RUNNING = "container not running\n"
NOT_PAUSED = "container not paused\n"
REFUSED = "cannot start a container in the {} state\n"
ALREADY = "cannot start an already running container\n"
GONE = "cannot start a container that has stopped\n"
NOT_STOPPED = "cannot delete container ID that is not stopped: {}\n"
NO_EVENTS = "container with id ID is not running\n"

# Command, state, exit status, stderr with ID for the id.
ODD_STATES = [
    ("state", "creating", 0, ""),
    ("state", "created", 0, ""),
    ("state", "running", 0, ""),
    ("state", "paused", 0, ""),
    ("state", "stopped", 0, ""),
    ("state", "unknown", 1, NOBODY),
    ("start", "creating", 1, REFUSED.format("creating")),
    ("start", "created", 0, ""),
    ("start", "running", 1, ALREADY),
    ("start", "paused", 1, REFUSED.format("paused")),
    ("start", "stopped", 1, GONE),
    ("start", "unknown", 1, NOBODY),
    ("kill ID KILL", "creating", 1, NOT_RUNNING),
    ("kill ID KILL", "created", 0, ""),
    ("kill ID KILL", "running", 0, ""),
    ("kill ID KILL", "paused", 0, ""),
    ("kill ID KILL", "stopped", 1, NOT_RUNNING),
    ("kill ID KILL", "unknown", 1, NOBODY),
    ("kill ID 0", "running", 0, ""),
    ("kill ID 0", "stopped", 1, NOT_RUNNING),
    ("kill --all ID KILL", "created", 0, ""),
    ("kill --all ID KILL", "running", 0, ""),
    ("kill --all ID KILL", "paused", 0, ""),
    ("kill --all ID KILL", "stopped", 0, ""),
    ("kill --all ID KILL", "unknown", 1, NOBODY),
    ("delete", "creating", 1, NOT_STOPPED.format("creating")),
    ("delete", "created", 0, ""),
    ("delete", "running", 1, NOT_STOPPED.format("running")),
    ("delete", "paused", 1, NOT_STOPPED.format("paused")),
    ("delete", "stopped", 0, ""),
    ("delete", "unknown", 1, NOBODY),
    ("delete --force", "created", 0, ""),
    ("delete --force", "running", 0, ""),
    ("delete --force", "paused", 0, ""),
    ("delete --force", "stopped", 0, ""),
    ("delete --force", "unknown", 0, ""),
    ("pause", "creating", 1, NOT_RUNNING),
    ("pause", "created", 0, ""),
    ("pause", "running", 0, ""),
    ("pause", "paused", 1, NOT_RUNNING),
    ("pause", "stopped", 1, NOT_RUNNING),
    ("pause", "unknown", 1, NOBODY),
    ("resume", "creating", 1, NOT_PAUSED),
    ("resume", "created", 1, NOT_PAUSED),
    ("resume", "running", 1, NOT_PAUSED),
    ("resume", "paused", 0, ""),
    ("resume", "stopped", 1, NOT_PAUSED),
    ("resume", "unknown", 1, NOBODY),
    ("ps --format json", "creating", 0, ""),
    ("ps --format json", "created", 0, ""),
    ("ps --format json", "running", 0, ""),
    ("ps --format json", "paused", 0, ""),
    ("ps --format json", "stopped", 0, ""),
    ("ps --format json", "unknown", 1, NOBODY),
    ("update --pids-limit 100", "creating", 1, NOT_RUNNING),
    ("update --pids-limit 100", "created", 0, ""),
    ("update --pids-limit 100", "running", 0, ""),
    ("update --pids-limit 100", "paused", 0, ""),
    ("update --pids-limit 100", "stopped", 1, NOT_RUNNING),
    ("update --pids-limit 100", "unknown", 1, NOBODY),
    ("events --stats", "creating", 1, NO_EVENTS),
    ("events --stats", "created", 0, ""),
    ("events --stats", "running", 0, ""),
    ("events --stats", "paused", 0, ""),
    ("events --stats", "stopped", 1, NO_EVENTS),
    ("events --stats", "unknown", 1, NOBODY),
]
ROW_IDS = [f"{command}, {state}" for command, state, _, _ in ODD_STATES]


def told(result):
    return result.status, result.stdout, result.stderr


def words(command, id):
    found = command.split()
    return [id if word == "ID" else word for word in found] + ([] if "ID" in found else [id])


class Held:
    """A directory as a create that is still at it leaves it: claimed, and locked."""

    def __init__(self, workshop, id):
        other = workshop.create(LOOP)
        saved = json.loads((workshop.root / other.id / "state.json").read_text())
        other.delete("--force")
        self.path = workshop.root / id
        self.path.mkdir()
        saved |= {"id": id, "status": "creating", "pid": 0, "startTime": 0}
        (self.path / "state.json").write_text(json.dumps(saved))
        self.fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self.fd, fcntl.LOCK_EX)

    def delete(self, *_):
        os.close(self.fd)
        shutil.rmtree(self.path)


def put_in_state(workshop, state, delete_after=None):
    """Return the id of a container in that state."""
    id = workshop.id()
    if state == "unknown":
        return id
    if state == "creating":
        delete_after(Held(workshop, id))
        return id
    container = workshop.create(LOOP, id=id)
    if delete_after is not None:
        delete_after(container)
    if state != "created":
        assert container.start().status == 0
    if state == "paused":
        assert container.pyoci("pause").status == 0
    if state == "stopped":
        assert container.pyoci("kill", "KILL").status == 0
        container.wait()
    return id


class Last:
    """Deletes what a row has left, in whatever state."""

    def __init__(self):
        self.made = []

    def __call__(self, container):
        self.made.append(container)


@pytest.fixture
def cleared(workshop):
    """Delete by force what a test leaves."""
    last = Last()
    yield last
    for container in last.made:
        container.delete("--force")


@pytest.mark.parametrize(("command", "state", "status", "stderr"), ODD_STATES, ids=ROW_IDS)
def test_odd_states(workshop, cleared, command, state, status, stderr):
    """Every command has its word, and its exit status, for a container in every state."""
    id = put_in_state(workshop, state, cleared)

    result = workshop.pyoci(*words(command, id))

    assert (result.status, result.stderr) == (status, stderr.replace("ID", id))


# -- the same rows with others


def refused_here(workshop):
    """Return what the runtime says of this host's cgroups, "" if it can make a container."""
    container = workshop.try_create(workshop.config("sleep", "1000"))
    said = container.created.stderr.strip()
    workshop.pyoci("delete", "--force", container.id)
    return said if "cgroup" in said else ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["runc", "crun"])
def test_same_rows_with_another_runtime(workshop, name, capsys):
    """Where runc or crun answer otherwise, docs/differences.md says so, and why."""
    runtime = shutil.which(name)
    if runtime is None:
        pytest.skip(f"needs {name}")
    # Ours, made before the runtime is another, in a version that older ones take, too.
    workshop.default_document = workshop.default_document.replace('"1.3.0"', '"1.0.2"')
    documented = (ROOT / "docs" / "differences.md").read_text()
    workshop.runtime = runtime
    if name == "crun" and (hint := refused_here(workshop)):
        pytest.skip(f"needs a host that crun takes: {hint}")
    surprises = []
    for command, state, status, stderr in ODD_STATES:
        if state == "creating":
            continue
        id = put_in_state(workshop, state)
        said = workshop.pyoci(*words(command, id))
        workshop.pyoci("delete", "--force", id)
        text = message(said.stderr, id)
        if (said.status, text) != (status, stderr.strip()):
            row = f"{name} `{command}`, {state}"
            with capsys.disabled():
                print(f"\n{row}: {said.status} {text!r}; ours: {status} {stderr.strip()!r}", end="")
            own_words = name == "crun" and said.status == status and status != 0
            if f"| {row} |" not in documented and not own_words:
                surprises.append(row)
    for path in workshop.root.iterdir():
        shutil.rmtree(path)

    assert surprises == []


def message(stderr, id):
    """The text of the last error, whatever the runtime writes around it."""
    line = (stderr.strip().splitlines() or [""])[-1]
    if found := re.search(r'msg="(.*)"$', line):
        line = found[1].replace('\\"', '"')
    return line.replace(id, "ID")


# -- containers without a cgroup, and without a state


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        ("pause", 1, "cannot pause the container without a cgroup"),
        ("resume", 1, "container not paused"),
        ("ps", 1, "the container is not using cgroups"),
        ("events --stats", 1, "the container is not using cgroups"),
        ("update --pids-limit 5", 1, "cannot set limits without cgroups"),
        ("kill ID KILL", 0, ""),
        ("state", 0, ""),
    ],
)
def test_without_a_cgroup(workshop, cleared, command, status, text):
    """`--cgroup-manager disabled` makes none; what needs one says so."""
    container = workshop.try_create(LOOP, globals=("--cgroup-manager", "disabled"))
    assert told(container.created) == SILENT
    cleared(container)
    container.start()

    result = workshop.pyoci(*words(command, container.id))

    assert (result.status, result.stderr.strip()) == (status, text)


@pytest.mark.parametrize(
    ("options", "expected"), [((), (1, "", NOBODY)), (("--force",), SILENT)], ids=["plain", "force"]
)
def test_delete_removes_a_directory_without_state(workshop, options, expected):
    """What a killed create has left goes; without force it never was a container."""
    (workshop.root / "left").mkdir(parents=True)

    assert told(workshop.pyoci("delete", *options, "left")) == expected

    assert not (workshop.root / "left").exists()


@pytest.mark.parametrize("id", ["..", ".", ".seccomp", "a/b", "", "x" * 256, "a b"])
def test_ids_that_are_none(workshop, id):
    """An id is a file name of few characters; nothing else is looked for."""
    text = "invalid container ID format\n" if id else "container id cannot be empty\n"

    for command in ("state", "start", "pause", "ps", "update", "events", "delete"):
        assert told(workshop.pyoci(command, id)) == (1, "", text)


def test_an_id_may_begin_with_a_dot(workshop, cleared):
    """As with runc; the directory of compiled filters beside the containers is none."""
    config = workshop.config("sh", "-c", LOOP)
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    container = workshop.create(config, id=f".{workshop.id()}")
    cleared(container)

    assert (workshop.root / ".seccomp").is_dir()
    assert workshop.pyoci("list", "-q").stdout == f"{container.id}\n"
    said = (1, "", "invalid container ID format\n")
    assert told(workshop.pyoci("delete", "--force", ".seccomp")) == said


# -- ps


def test_ps_lists_the_processes_of_the_container(workshop, cleared):
    """The table has ps's columns and a line for each process, by its pid on the host."""
    container = workshop.create("sleep 100 & sleep 200 & wait")
    cleared(container)
    container.start()
    workshop.until(
        lambda: (
            len(
                json.loads(container.pyoci("ps", *()).stdout or "[]")
                if 0
                else workshop.pyoci("ps", "-f", "json", container.id).stdout.split(",")
            )
            == 3
        )
    )

    table = container.pyoci("ps").stdout.splitlines()
    pids = json.loads(workshop.pyoci("ps", "--format", "json", container.id).stdout)

    assert table[0].split() == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert [line.split(None, 7)[7] for line in table[1:]] == [
        "sh -c sleep 100 & sleep 200 & wait",
        "sleep 100",
        "sleep 200",
    ]
    assert [int(line.split()[1]) for line in table[1:]] == pids
    assert pids[0] == container.pid
    assert {line.split()[0] for line in table[1:]} == {"root"}


def test_ps_hands_options_to_ps(workshop, cleared):
    """What follows the id is ps(1)'s own; its other lines are left out."""
    if shutil.which("ps") is None:
        pytest.skip("needs ps (procps)")
    container = workshop.create(LOOP)
    cleared(container)

    found = container.pyoci("ps", "-o", "pid,args").stdout.splitlines()

    assert [line.split()[0] for line in found] == ["PID", str(container.pid)]
    wrong = container.pyoci("ps", "-o", "args")
    assert told(wrong) == (1, "", "couldn't find PID field in ps output\n")
    assert container.pyoci("ps", "--bogus").stderr.startswith("ps: exit status 1: error: ")


def test_ps_of_a_stopped_container_is_empty(workshop, cleared):
    """No process is no error."""
    id = put_in_state(workshop, "stopped", cleared)

    assert told(workshop.pyoci("ps", "--format", "json", id)) == (0, "[]\n", "")
    assert len(workshop.pyoci("ps", id).stdout.splitlines()) == 1


# -- update


def control(pid, controller, file):
    """A control file of the process's cgroup, on v1."""
    for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return Path(f"/sys/fs/cgroup/{controller}{path}/{file}")
    pytest.skip(f"needs the cgroup v1 controller {controller}")


LIMITS = {
    "memory": ("memory", "memory.limit_in_bytes"),
    "swap": ("memory", "memory.memsw.limit_in_bytes"),
    "soft": ("memory", "memory.soft_limit_in_bytes"),
    "pids": ("pids", "pids.max"),
    "shares": ("cpu", "cpu.shares"),
    "quota": ("cpu", "cpu.cfs_quota_us"),
    "period": ("cpu", "cpu.cfs_period_us"),
    "cpus": ("cpuset", "cpuset.cpus"),
    "idle": ("cpu", "cpu.idle"),
}
M = 1 << 20


class Limited:
    """A running container whose limits are looked at."""

    def __init__(self, workshop, cleared, resources=None):
        config = workshop.config("sh", "-c", LOOP)
        config["linux"]["resources"] |= resources or {}
        self.container = workshop.create(config)
        cleared(self.container)
        self.container.start()
        self.pid = self.container.pid

    def update(self, line):
        return told(self.container.workshop.pyoci("update", *line.split(), self.container.id))

    def from_json(self, document):
        path = self.container.workshop.folder / "resources.json"
        path.write_text(json.dumps(document))
        return self.update(f"--resources {path}")

    def __getitem__(self, name):
        text = control(self.pid, *LIMITS[name]).read_text().strip()
        return int(text) if text.lstrip("-").isdigit() else text


@pytest.fixture
def limited(workshop, cleared):
    return Limited(workshop, cleared)


@pytest.mark.parametrize(
    ("line", "limits"),
    [
        ("--memory 64m", {"memory": 64 * M}),
        ("--memory 67108864", {"memory": 64 * M}),
        ("--memory 64M --memory-swap 0.125g", {"memory": 64 * M, "swap": 128 * M}),
        ("--memory-reservation 32mb", {"soft": 32 * M}),
        ("--pids-limit 50", {"pids": 50}),
        ("--memory= --memory-swap= --cpu-quota= --pids-limit 50", {"pids": 50}),
        ("--pids-limit=-1", {"pids": "max"}),
        ("--cpu-share 512", {"shares": 512}),
        ("--cpu-quota 50000", {"quota": 50000, "period": 100000}),
        ("--cpu-quota 50000 --cpu-period 200000", {"quota": 50000, "period": 200000}),
        ("--cpuset-cpus 0", {"cpus": 0}),
        ("--cpu-idle 1", {"idle": 1}),
    ],
)
def test_update_sets_limits(limited, line, limits):
    """Each option of update changes what the kernel enforces, without a word."""
    assert limited.update(line) == SILENT

    assert {name: limited[name] for name in limits} == limits


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("--memory abc", "invalid value for memory: invalid size: 'abc'"),
        ("--memory 1x", "invalid value for memory: invalid size: '1x'"),
        ("--cpu-quota abc", "invalid value for cpu-quota: abc"),
        ("--cpu-share=-1", "invalid value for cpu-share: -1"),
        ("--cpu-idle 2", "invalid value for cpu-idle: 2"),
        ("--cpuset-cpus foo", 'invalid value for cpuset-cpus: not a list, got "foo"'),
        ("--cpuset-mems 0-", 'invalid value for cpuset-mems: not a list, got "0-"'),
        (
            "--blkio-weight 5 --cpuset-cpus x",
            'invalid value for cpuset-cpus: not a list, got "x"; '
            "invalid value for blkio-weight: must be between 10 and 1000, got 5",
        ),
        ("--blkio-weight 5", "invalid value for blkio-weight: must be between 10 and 1000, got 5"),
        ("--l3-cache-schema L3:0=f", "Intel RDT/CAT: l3 cache schema is not enabled"),
        ("--mem-bw-schema MB:0=9", "Intel RDT/MBA: memory bandwidth schema is not enabled"),
        ("--resources /nowhere", "open /nowhere: no such file or directory"),
    ],
)
def test_update_refuses(limited, line, text):
    """A value that is none is refused before anything is changed."""
    assert limited.update(line) == (1, "", text + "\n")


def test_update_builds_on_the_update_before(limited):
    """What an update does not name stays as the last one left it, also in the pair of quota."""
    limited.update("--memory 64m --memory-swap 128m --cpu-quota 50000 --cpu-period 50000")

    assert limited.update("--cpu-quota 20000") == SILENT
    assert limited.update("--memory 32m") == SILENT

    assert [limited[name] for name in ("memory", "swap", "quota", "period")] == [
        32 * M,
        128 * M,
        20000,
        50000,
    ]


def test_update_raises_memory_and_swap_together(limited):
    """Memory and swap go up and down together, in whichever order the kernel wants."""
    limited.update("--memory 64m --memory-swap 64m")

    assert limited.update("--memory 256m --memory-swap 512m") == SILENT
    assert (limited["memory"], limited["swap"]) == (256 * M, 512 * M)
    assert limited.update("--memory 32m --memory-swap 32m") == SILENT
    assert (limited["memory"], limited["swap"]) == (32 * M, 32 * M)


def test_update_of_memory_above_swap_says_what_to_do(limited):
    """The kernel's bare EINVAL is explained."""
    limited.update("--memory 64m --memory-swap 64m")

    status, _, text = limited.update("--memory 128m")

    assert status == 1
    assert "exceeds memory+swap limit 67108864" in text


def test_update_of_no_memory_limit_lifts_swap_too(limited):
    """-1 for memory is no limit for memory and swap."""
    limited.update("--memory 64m --memory-swap 64m")

    assert limited.update("--memory=-1") == SILENT

    assert limited["memory"] == limited["swap"] > 1 << 60


def test_zero_in_update_means_as_it_is(limited):
    """Engines send zeros for what nobody has asked for, and device rules with everything."""
    limited.update("--memory 64m --memory-swap 128m --cpu-share 512 --pids-limit 50")

    document = {
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": 32 * M, "swap": 0, "reservation": 0, "kernel": 0},
        "cpu": {"shares": 0, "quota": 0, "period": 0, "cpus": ""},
        "blockIO": {"weight": 0},
    }
    assert limited.from_json(document) == SILENT
    assert limited.update("--pids-limit 0") == SILENT

    assert (limited["memory"], limited["swap"]) == (32 * M, 128 * M)
    assert (limited["shares"], limited["pids"]) == (512, 50)
    allowed = control(limited.pid, "devices", "devices.list").read_text()
    assert "c 1:3 rwm\n" in allowed


def test_update_from_stdin(workshop, limited):
    """`--resources -` reads stdin, as containerd calls it."""
    source = workshop.folder / "stdin"
    source.write_text('{"pids":{"limit":44}}')
    with open(source) as file:
        result = workshop.pyoci("update", "--resources", "-", limited.container.id, stdin=file)

    assert told(result) == SILENT
    assert limited["pids"] == 44


def test_update_tells_every_fault_of_the_document(limited):
    """A document that does not fit is refused whole."""
    status, _, text = limited.from_json({"pids": {"limit": "x"}, "memory": {"limit": 1.5}})

    assert status == 1
    assert "$.pids.limit: expected i64" in text
    assert "$.memory.limit: expected i64" in text


def test_refused_update_leaves_the_old_limits(workshop, cleared):
    """If one limit is refused, those set before it get their old values back."""
    limited = Limited(workshop, cleared, {"pids": {"limit": 60}, "cpu": {"shares": 700}})

    status, _, text = limited.update("--pids-limit 7 --cpu-share 99 --cpuset-cpus 4000")

    assert status == 1
    assert "cpuset.cpus" in text
    assert (limited["pids"], limited["shares"]) == (60, 700)
    limited.update("--memory 64m")
    assert limited["pids"] == 60


# -- events


def lines(text):
    return [json.loads(line) for line in text.splitlines()]


def test_events_measures_once(workshop, cleared):
    """`events --stats` prints one line in runc's envelope, with runc's keys."""
    id = put_in_state(workshop, "running", cleared)

    result = workshop.pyoci("events", "--stats", id)

    (event,) = lines(result.stdout)
    assert (event["type"], event["id"]) == ("stats", id)
    assert list(event["data"]) == [
        *("cpu", "cpuset", "memory", "pids", "blkio", "hugetlb", "intel_rdt"),
        "network_interfaces",
    ]
    assert event["data"]["cpu"]["usage"]["total"] > 0
    assert event["data"]["memory"]["usage"]["usage"] > 0
    assert event["data"]["pids"]["current"] in (1, 2)


def test_events_goes_on_until_the_container_ends(workshop, cleared):
    """A line for each interval, then exit status 0."""
    id = put_in_state(workshop, "running", cleared)
    out = workshop.folder / "events"
    with open(out, "w") as file:
        watcher = workshop.spawn("events", "--interval", "50ms", id, stdout=file)
        workshop.until(lambda: out.read_text().count("\n") >= 3, "three measurements")
        workshop.pyoci("kill", id, "KILL")

        assert watcher.wait(timeout=10) == 0

    assert {event["type"] for event in lines(out.read_text())} == {"stats"}


def test_events_tells_of_processes_killed_for_memory(workshop, cleared):
    """A process that the kernel kills for memory is an event of its own, without data."""
    config = workshop.config("sh", "-c", "read x; tail /dev/zero; exit 3")
    config["linux"]["resources"]["memory"] = {"limit": 16 * M, "swap": 16 * M}
    source, end = os.pipe()
    container = workshop.create(config, stdin=source)
    os.close(source)
    cleared(container)
    out = workshop.folder / "events"
    with open(out, "w") as file:
        watcher = workshop.spawn("events", "--interval", "10s", container.id, stdout=file)
        time.sleep(0.3)  # until it watches
        container.start()
        os.write(end, b"go\n")
        os.close(end)

        assert watcher.wait(timeout=15) == 0

    assert lines(out.read_text()) == [{"type": "oom", "id": container.id}]


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        ("0", "duration interval must be greater than 0"),
        ("-1s", "duration interval must be greater than 0"),
        ("soon", 'invalid value "soon" for flag -interval: time: invalid duration "soon"'),
        ("5x", 'invalid value "5x" for flag -interval: time: invalid duration "5x"'),
    ],
)
def test_events_refuses_what_is_no_interval(workshop, interval, text):
    """An interval is a duration above zero."""
    assert told(workshop.pyoci("events", f"--interval={interval}", "x")) == (1, "", text + "\n")


# -- kill, delete, list


def test_regular_expressions_choose_containers(workshop, cleared):
    """`--regex` acts on all ids that match, by POSIX's rules; what fails for one is passed over."""
    made = [workshop.create(LOOP, id=f"{workshop.token}-{name}") for name in ("web1", "web2", "db")]
    for container in made:
        cleared(container)

    result = workshop.pyoci("kill", "--regex", f"^{workshop.token}-web[[:digit:]]$", "KILL")

    assert told(result) == SILENT
    assert [made[0].wait(), made[1].wait(), made[2].status] == [-9, -9, "created"]
    assert told(workshop.pyoci("delete", "-r", "-f", "web")) == SILENT
    assert workshop.states() == [made[2].id]
    assert told(workshop.pyoci("delete", "-r", "(")) == (
        1,
        "",
        "invalid regular expression '(': missing ), unterminated subpattern at position 0\n",
    )


def test_list_has_the_columns_of_runc(workshop, cleared):
    """The table is cut by scripts: columns of at least 12, a gap of 3, stopped with pid 0."""
    id = put_in_state(workshop, "stopped", cleared)

    header, row = workshop.pyoci("list").stdout.splitlines()

    created = workshop.pyoci("state", id).stdout
    state = json.loads(created)
    assert header.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert row.split() == [id, "0", "stopped", state["bundle"], state["created"], "root"]
    assert header.index("STATUS") - header.index("PID") == 12
    assert header.index("BUNDLE") - header.index("STATUS") == 12


def test_list_in_other_forms(workshop, cleared):
    """JSON is one line with the owner's name; `-q` is ids only and goes before the form."""
    id = put_in_state(workshop, "created", cleared)
    state = json.loads(workshop.pyoci("state", id).stdout)

    assert json.loads(workshop.pyoci("list", "-f", "json").stdout) == [state | {"owner": "root"}]
    assert workshop.pyoci("list", "-q").stdout == f"{id}\n"
    assert workshop.pyoci("list", "-q", "-f", "json").stdout == f"{id}\n"


def test_list_passes_over_a_damaged_container(workshop, cleared):
    """One state that does not read is told on stderr, and the others are listed."""
    id = put_in_state(workshop, "created", cleared)
    (workshop.root / "broken").mkdir()
    (workshop.root / "broken" / "state.json").write_text("{")

    result = workshop.pyoci("list", "--format", "json")

    assert [c["id"] for c in json.loads(result.stdout)] == [id]
    assert result.status == 0
    assert result.stderr.startswith("load container broken: read ")
    assert told(workshop.pyoci("delete", "--force", "broken")) == SILENT


@pytest.mark.parametrize(("globals", "status"), [(("--root", "/nonexistent"), 1), ((), 0)])
def test_list_where_nothing_was_created(workshop, globals, status):
    """A root that was asked for must exist; the default one appears with the first container."""
    host = workshop.host | {"XDG_RUNTIME_DIR": "/nonexistent", "USER": "x"}
    argv = ["unshare", "-U", *workshop.argv("list")[:1], *globals, "list", "-f", "json"]
    result, _ = workshop.command(argv, env=host)

    said = "open /nonexistent: no such file or directory\n" if status else ""
    assert told(result) == (status, "" if status else "[]\n", said)


# -- mounts


@pytest.fixture
def mounting(workshop, cleared):
    """Run a container with a writable root; return what changes its mounts."""
    source = workshop.folder / "volume"
    source.mkdir()
    (source / "file").write_text("from the host\n")

    def run(*command, edit=lambda config: None):
        config = workshop.config(*(command or ("sh", "-c", LOOP)))
        config["root"]["readonly"] = False
        edit(config)
        bundle = workshop.bundle(config)
        if "uidMappings" in config["linux"]:
            owner = config["linux"]["uidMappings"][0]["hostID"]
            os.chown(bundle.rootfs, owner, owner)
            os.chown(bundle.rootfs / "tmp", owner, owner)
        container = workshop.create(bundle)
        cleared(container)
        container.start()

        def change(action, *mounts):
            path = workshop.folder / "mounts.json"
            path.write_text(json.dumps(mounts))
            return told(workshop.pyoci("mounts", action, container.id, path))

        change.container, change.source = container, str(source)
        return change

    return run


@pytest.fixture
def mounted(mounting):
    """A container whose users are the host's, and what changes its mounts."""
    return mounting()


def with_users(config):
    """Give a container users of its own, whose root may mount."""
    maps = [{"containerID": 0, "hostID": 100000, "size": 65536}]
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"].update(uidMappings=maps, gidMappings=maps)
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")


@pytest.fixture(params=[False, True], ids=["host-users", "own-users"])
def anywhere(request, mounting):
    """A container with and without a user namespace, and what changes its mounts."""
    return mounting(edit=with_users) if request.param else mounting()


def mount_points(container):
    lines = Path(f"/proc/{container.pid}/mountinfo").read_text().splitlines()
    return {line.split()[4]: line.split()[5].split(",") for line in lines}


def test_mounts_are_added_and_removed(anywhere):
    """Mount points are made, options hold, a later mount may lie in an earlier one."""
    bind = {
        "destination": "/new/volume",
        "source": anywhere.source,
        "options": ["rbind", "ro", "nosuid"],
    }
    tmpfs = {"destination": "/scratch", "type": "tmpfs", "options": ["size=64k", "noexec"]}
    below = {"destination": "/scratch/deep", "source": anywhere.source, "options": ["bind"]}
    file = {
        "destination": "/scratch/file",
        "source": f"{anywhere.source}/file",
        "options": ["bind", "unbindable"],
    }

    assert anywhere("add", bind, tmpfs, below, file) == SILENT

    found = mount_points(anywhere.container)
    assert {"ro", "nosuid"} <= set(found["/new/volume"])
    assert "noexec" in found["/scratch"]
    root = Path(f"/proc/{anywhere.container.pid}/root")
    for path in ("new/volume/file", "scratch/deep/file", "scratch/file"):
        assert (root / path).read_text() == "from the host\n"
    assert anywhere("remove", file, below, tmpfs, bind) == SILENT
    assert not {"/new/volume", "/scratch", "/scratch/deep"} & set(mount_points(anywhere.container))


@pytest.fixture
def on_the_host(workshop):
    """Mount a tmpfs on the host, with another in it that is read-only; gone at the end."""
    place = workshop.folder / "host"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", place], check=True)
    (place / "link").symlink_to("/etc")
    (place / "inner").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", place / "inner"], check=True)
    yield place
    subprocess.run(["umount", "-R", "-l", place], check=True)


@pytest.mark.parametrize(
    ("mount", "attempt"),
    [
        pytest.param({"source": ".", "options": ["bind", "ro", "nosuid", "nodev"]},
                     "mount -o remount,bind,rw /new", id="asked-for"),
        pytest.param({"source": "inner", "options": ["bind"]},
                     "mount -o remount,bind,rw /new", id="the-host's"),
        pytest.param({"source": ".", "options": ["rbind"]},
                     "mount -o remount,bind,rw /new/inner", id="below"),
        pytest.param({"source": ".", "options": ["rbind"]}, "umount /new/inner", id="uncover"),
        pytest.param({"type": "tmpfs", "options": ["ro"]},
                     "mount -o remount,bind,rw /new", id="tmpfs"),
    ],
)  # fmt: skip
def test_added_mounts_are_locked(workshop, mounting, on_the_host, mount, attempt):
    """The root of a user namespace takes back nothing of what the host has set or covered."""
    change = mounting(edit=with_users)
    if "source" in mount:
        mount = mount | {"source": str(on_the_host / mount["source"])}
    assert change("add", mount | {"destination": "/new"}) == SILENT
    before = mount_points(change.container)

    result = workshop.pyoci("exec", change.container.id, "busybox", "sh", "-c", attempt)

    assert result.status != 0
    assert mount_points(change.container) == before
    assert change("remove", {"destination": "/new"}) == SILENT
    assert "/new" not in mount_points(change.container)


@pytest.mark.parametrize(
    "mount", [{"type": "tmpfs"}, {"options": ["bind"]}, {"options": ["bind", "copy-symlink"]}]
)
def test_nothing_is_made_where_the_container_could_make_nothing(mounting, on_the_host, mount):
    """A link of the container's may lead to a folder of the host's: it is followed as its root."""

    def bound(config):
        with_users(config)
        entry = {"destination": "/mnt", "source": str(on_the_host), "options": ["rbind"]}
        config["mounts"].append(entry)

    (on_the_host / "closed").mkdir()
    change = mounting(edit=bound)
    root = Path(f"/proc/{change.container.pid}/root")
    (root / "led").symlink_to("/mnt/closed")
    mount = {"source": str(on_the_host / "link")} | mount | {"destination": "/led/a/b"}

    status, _, text = change("add", mount)

    assert (status, "permission denied" in text) == (1, True), text
    assert list((on_the_host / "closed").iterdir()) == []


def test_mount_points_are_the_containers(mounting):
    """Its root has made them, as at the beginning."""
    change = mounting(edit=with_users)
    bind = {"destination": "/a/b", "source": f"{change.source}/file", "options": ["bind"]}
    assert change("add", bind) == SILENT
    assert change("remove", bind) == SILENT

    for place in ("a", "a/b"):
        found = (change.container.bundle.rootfs / place).stat()
        assert (found.st_uid, found.st_gid) == (100000, 100000)


@pytest.mark.parametrize("options", [[], ["rslave"], ["rshared"]], ids=str)
def test_what_is_mounted_in_an_added_mount_stays_inside(workshop, mounting, on_the_host, options):
    """As in a bind of the document, mounts of the host arrive, and those made inside stay there."""

    def may_mount(config):
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind].append("CAP_SYS_ADMIN")

    for name in ("in", "out"):
        (on_the_host / name).mkdir()
    subprocess.run(["mount", "--make-shared", on_the_host], check=True)
    change = mounting(edit=may_mount)
    bind = {"destination": "/new", "source": str(on_the_host), "options": ["bind", *options]}
    assert change("add", bind) == SILENT
    before = workshop.mounts()

    made = ["busybox", "mount", "-t", "tmpfs", "none", "/new/in"]
    assert workshop.pyoci("exec", change.container.id, *made).status == 0
    assert workshop.mounts() == before

    subprocess.run(["mount", "-t", "tmpfs", "none", on_the_host / "out"], check=True)
    assert {"/new/in", "/new/out"} <= set(mount_points(change.container))


def test_a_link_is_added(anywhere, on_the_host):
    """`src-nofollow` binds a link itself, `dest-nofollow` covers one."""
    root = Path(f"/proc/{anywhere.container.pid}/root")
    (root / "tmp/link").symlink_to("/proc")
    options = ["bind", "src-nofollow", "dest-nofollow"]

    link = {"destination": "/tmp/link", "source": str(on_the_host / "link"), "options": options}
    assert anywhere("add", link) == SILENT

    assert os.readlink(root / "tmp/link") == "/etc"


def test_a_relative_source_is_in_the_bundle(anywhere):
    """As in the document that the container was created from."""
    (anywhere.container.bundle.path / "beside").write_text("in the bundle\n")

    bind = {"destination": "/new", "source": "beside", "options": ["bind"]}
    assert anywhere("add", bind) == SILENT

    root = Path(f"/proc/{anywhere.container.pid}/root")
    assert (root / "new").read_text() == "in the bundle\n"


def test_failed_mount_takes_those_before_it_away(anywhere):
    """If one cannot be added, none is."""
    before = mount_points(anywhere.container)
    good = {"destination": "/new", "source": anywhere.source, "options": ["bind"]}
    tmpfs = {"destination": "/new", "type": "tmpfs"}
    bad = {"destination": "/bad", "type": "tmpfs", "options": ["bogus=1"]}

    status, _, text = anywhere("add", good, tmpfs, good, bad)

    assert status == 1
    assert text.startswith("mount tmpfs on /bad: fsconfig: invalid argument")
    assert mount_points(anywhere.container) == before


def test_only_what_was_added_is_taken_away(workshop, anywhere):
    """A copied link is no mount: what it leads to was there before, and stays."""
    before = mount_points(anywhere.container)
    (workshop.folder / "link").symlink_to("/dev/shm")
    link = {
        "destination": "/new",
        "source": str(workshop.folder / "link"),
        "options": ["bind", "copy-symlink"],
    }
    bad = {"destination": "/bad", "type": "tmpfs", "options": ["bogus=1"]}

    assert anywhere("add", link, bad)[0] == 1

    assert mount_points(anywhere.container) == before


@pytest.mark.parametrize(
    ("destination", "why"),
    [
        ("/proc", '"/proc" cannot be mounted because it is not of type proc'),
        ("/proc/1", '"/proc/1" cannot be mounted because it is inside /proc'),
        ("/link", '"/link" cannot be mounted because it is inside /proc'),
        ("/up", 'mountpoint "/up" is on the top of rootfs "'),
    ],
)
def test_mounts_stay_inside_the_root(anywhere, destination, why):
    """Links of the image lead nowhere else, not to /proc, not to the root itself."""
    root = Path(f"/proc/{anywhere.container.pid}/root")
    (root / "link").symlink_to("/proc/sys")
    (root / "up").symlink_to("../../..")

    status, _, text = anywhere(
        "add", {"destination": destination, "source": anywhere.source, "options": ["bind"]}
    )

    assert status == 1
    assert why in text


@pytest.mark.parametrize("destination", ["/proc", "/link"])
def test_nothing_covers_the_proc_of_a_running_container(anywhere, destination):
    """Not even a procfs: it would have none of the masks."""
    (Path(f"/proc/{anywhere.container.pid}/root") / "link").symlink_to("proc")
    before = mount_points(anywhere.container)

    status, _, text = anywhere(
        "add", {"destination": destination, "source": "/proc", "options": ["bind"]}
    )

    assert (status, "cannot be mounted because it is not of type proc" in text) == (1, True), text
    assert mount_points(anywhere.container) == before


@pytest.mark.parametrize(
    ("destination", "why"),
    [
        ("", "$[0].destination: empty"),
        ("/", 'mountpoint "/" is on the top of rootfs "rootfs"'),
        ("/.", 'mountpoint "/." is on the top of rootfs "rootfs"'),
        ("/x/..", 'mountpoint "/x/.." is on the top of rootfs "rootfs"'),
        ("/up", "unmount /up: the root stays mounted"),
        ("/proc", '"/proc" cannot be mounted because it is not of type proc'),
        ("/proc/keys", '"/proc/keys" cannot be mounted because it is inside /proc'),
        ("/link", "unmount /link: what is mounted in /proc stays mounted"),
        ("/link/sys", "unmount /link/sys: what is mounted in /proc stays mounted"),
        ("/sys/firmware", "unmount /sys/firmware: it would uncover /sys/firmware"),
        ("/sys", "unmount /sys: it would uncover /sys/firmware"),
    ],
)
def test_what_confines_the_container_is_not_removed(anywhere, destination, why):
    """The root, /proc, masks and what holds them stay, wherever links lead."""
    root = Path(f"/proc/{anywhere.container.pid}/root")
    (root / "link").symlink_to("/proc")
    (root / "up").symlink_to("../../..")
    before = mount_points(anywhere.container)

    assert anywhere("remove", {"destination": destination}) == (1, "", f"{why}\n")

    assert mount_points(anywhere.container) == before


def test_a_place_where_nothing_is_mounted_is_not_removed(anywhere):
    """The kernel's word is told."""
    status, _, text = anywhere("remove", {"destination": "/etc"})

    assert (status, text) == (1, "unmount /etc: umount: invalid argument\n")


def test_mounts_are_not_led_elsewhere_by_init(workshop, mounting):
    """The root is that of the container, whatever its process has made its own."""
    script = "mkdir -p /jail/bin; cp /bin/busybox /jail/bin; exec busybox chroot /jail "

    def free(config):
        for kind in ("bounding", "effective", "permitted"):
            config["process"]["capabilities"][kind].append("CAP_SYS_CHROOT")

    change = mounting("sh", "-c", script + "/bin/busybox sleep 1000", edit=free)
    root = f"/proc/{change.container.pid}/root"
    workshop.until(lambda: os.readlink(root) == "/jail")

    assert change("add", {"destination": "/new", "type": "tmpfs"}) == SILENT

    assert (change.container.bundle.rootfs / "new").is_dir()
    assert change("remove", {"destination": "/new"}) == SILENT


@pytest.mark.parametrize("action", ["add", "remove"])
def test_mounts_of_the_host_are_not_changed(workshop, mounting, action):
    """A container that shares the host's mount namespace has no mounts of its own."""

    def share(config):
        linux = config["linux"]
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "mount"]
        linux.update(maskedPaths=[], readonlyPaths=[])
        config["mounts"] = []

    change = mounting(edit=share)
    before = workshop.mounts()

    result = change(action, {"destination": "/new", "source": change.source, "options": ["bind"]})

    assert result == (1, "", "unable to mount without a private MNT namespace\n")
    assert workshop.mounts() == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "mounts must be an array"),
        ("[1]", "$[0]: expected object, got 1"),
        ('[{"destination": "/"}]', 'mountpoint "/" is on the top of rootfs "rootfs"'),
        ('[{"destination": ""}]', "$[0].destination: empty"),
        ('[{"destination": "/x", "options": ["bind"]}]', "$[0].source: a bind mount needs one"),
        ('[{"destination": "/x", "type": "bind"}]', "$[0].source: a bind mount needs one"),
        ('[{"destination": "/x", "type": "proc"}]', "mount /x: type proc only when a container"),
        ("[", "invalid JSON at line 1"),
    ],
)
def test_mounts_refuses_other_documents(workshop, cleared, text, said):
    """The file holds an array of mounts, and the rules are those of create."""
    id = put_in_state(workshop, "running", cleared)
    path = workshop.folder / "mounts.json"
    path.write_text(text)

    result = workshop.pyoci("mounts", "add", id, path)

    assert result.status == 1
    assert result.stderr.startswith(said)


@pytest.mark.parametrize("state", ["created", "paused", "stopped"])
def test_mounts_needs_a_running_container(workshop, cleared, state):
    """Nothing is mounted where nobody runs."""
    id = put_in_state(workshop, state, cleared)
    path = workshop.folder / "mounts.json"
    path.write_text("[]")

    assert told(workshop.pyoci("mounts", "add", id, path)) == (1, "", NOT_RUNNING)
    assert told(workshop.pyoci("mounts", "x", id, path)) == (1, "", "unknown command x\n")


# -- spec


def test_spec_writes_a_document_that_runs(workshop):
    """Once, in a file and folder of choice; one that is there is never overwritten."""
    folder = workshop.folder / "new"
    folder.mkdir()
    (folder / "config.json").write_text("mine")

    assert told(workshop.pyoci("spec", "-b", folder, "-f", "other.json", "--rootless")) == SILENT

    document = json.loads((folder / "other.json").read_text())
    kinds = {namespace["type"] for namespace in document["linux"]["namespaces"]}
    assert "user" in kinds and "network" not in kinds
    assert (folder / "other.json").read_text().startswith('{\n\t"ociVersion": "1.3.0",\n')
    for options, said in (
        (("-b", "nodir"), "chdir nodir: no such file or directory\n"),
        (("-f", "nodir/x"), "open nodir/x: no such file or directory\n"),
        (("-f", "/dev/full/x"), "open /dev/full/x: not a directory\n"),
    ):
        assert told(workshop.pyoci("spec", *options, cwd=folder)) == (1, "", said)
    again = "File config.json exists. Remove it first\n"
    assert told(workshop.pyoci("spec", "--bundle", folder)) == (1, "", again)
    assert (folder / "config.json").read_text() == "mine"


# -- the host, the program


def test_features_is_quiet_quick_and_computed(workshop):
    """Engines read `features` at their start, stderr included, before any container."""
    begin = time.monotonic()
    result = workshop.pyoci("features")
    took = time.monotonic() - begin

    document = json.loads(result.stdout)
    assert (result.status, result.stderr) == (0, "")
    assert took < 0.5
    assert not workshop.root.exists()
    assert document["ociVersionMin"] == "1.0.0"
    assert document["linux"]["cgroup"] == {
        "v1": True,
        "v2": True,
        "systemd": True,
        "systemdUser": True,
        "rdma": True,
    }
    assert "SCMP_ARCH_X86_64" in document["linux"]["seccomp"]["archs"]
    assert "SECCOMP_FILTER_FLAG_LOG" in document["linux"]["seccomp"]["supportedFlags"]


def test_info_is_about_this_host(workshop):
    """`info` has a line for each thing that can be read, and the same as JSON."""
    text = workshop.pyoci("info")
    document = json.loads(workshop.pyoci("info", "--format", "json").stdout)

    assert (text.status, text.stderr) == (0, "")
    assert f"Kernel-Release    {os.uname().release}\n" in text.stdout
    assert document["Architecture"] == os.uname().machine
    assert document["Namespaces"]["pid"] == "enabled"
    assert document["Cgroup setup"] in ("unified", "hybrid", "legacy")


def test_version_has_the_lines_that_engines_read(workshop):
    """The word `version` stands in the first line only: Docker looks for it."""
    first, *others = workshop.pyoci("--version").stdout.splitlines()

    assert first.startswith("pyoci version ")
    assert [line.partition(":")[0] for line in others][:3] == ["commit", "spec", "python"]
    assert not [line for line in others if "version" in line]
    assert workshop.pyoci("version") == workshop.pyoci("--version")


@pytest.mark.parametrize("command", ["checkpoint", "restore", "setup"])
def test_what_is_not_built_yet_says_so(workshop, command):
    """A command without its work refuses, but has its help: Podman asks for it."""
    argument = "podman" if command == "setup" else "x"

    assert told(workshop.pyoci(command, argument)) == (1, "", f"not built yet: {command}\n")
    help = workshop.pyoci(command, "--help")
    assert (help.status, help.stderr) == (0, "")


def test_podmans_probe_of_restore(workshop):
    """An option without its value is refused in the words that Podman looks for."""
    result = workshop.pyoci("restore", "--lsm-mount-context")

    assert told(result) == (1, "", "flag needs an argument: --lsm-mount-context\n")


# -- globals


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ("--log kafka:x", 1, "unknown log type: kafka"),
        ("--log /nowhere/log", 1, "open /nowhere/log: no such file or directory"),
        ("--log-format xml", 1, "invalid log-format: xml"),
        ("--log-level loud", 1, "invalid log-level: loud"),
        ("--root /", 1, "Option --root argument should not be set to /"),
        ("--cgroup-manager x", 1, "unknown cgroup manager specified: x"),
        ("--bogus", 1, "flag provided but not defined: -bogus"),
    ],
)
def test_global_options_are_refused(workshop, options, status, text):
    """A global option that cannot be is one line on stderr."""
    argv = [workshop.runtime, *options.split(), "list"]

    assert told(workshop.command(argv)[0]) == (status, "", text + "\n")


def test_systemd_is_refused_where_there_is_none(workshop):
    """Without systemd its cgroup manager is refused, in runc's words."""
    if os.path.isdir("/run/systemd/system"):
        pytest.skip("needs a host without systemd")
    created = workshop.try_create(LOOP, globals=("--systemd-cgroup",)).created

    said = "systemd not running on this host, cannot use systemd cgroups manager"
    assert told(created) == (1, "", f"create failed: {said}\n")


@pytest.mark.parametrize("format", ["text", "json"])
def test_log_file_gets_exactly_the_error(workshop, format):
    """At the default level a log file has one record of the error, and stderr its text."""
    log = workshop.folder / "log"
    globals = ("--log", f"file:{log}", "--log-format", format)

    result = workshop.pyoci("state", "nobody", globals=globals)

    assert told(result) == (1, "", NOBODY)
    (line,) = log.read_text().splitlines()
    if format == "json":
        record = json.loads(line)
        assert (record["level"], record["msg"]) == ("error", NOBODY.strip())
        assert sorted(record) == ["level", "msg", "time"]
    else:
        assert re.fullmatch(r'time="\S+Z" level=error msg="container does not exist"', line)


def test_log_to_syslog(workshop):
    """`syslog:ID` sends the error to the daemon behind /dev/log under that name."""
    if os.path.lexists("/dev/log"):
        pytest.skip("needs a host without a syslog daemon")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
        daemon.bind("/dev/log")
        try:
            workshop.pyoci("state", "nobody", globals=("--log", "syslog:web"))
            said = daemon.recv(4096).decode()
        finally:
            os.unlink("/dev/log")

    assert re.fullmatch(r"<11>web\[\d+\]: container does not exist", said)


@pytest.mark.parametrize("options", [("--debug",), ("--log-level", "debug")])
def test_trace_of_an_error_goes_to_the_log(workshop, options):
    """With `--debug` the log has where an error comes from; stderr has one line."""
    log = workshop.folder / "log"

    result = workshop.pyoci("state", "nobody", globals=("--log", log, *options))

    assert told(result) == (1, "", NOBODY)
    assert "Traceback" in log.read_text()
    assert log.read_text().splitlines()[-1].endswith('msg="container does not exist"')


def test_usage_errors_reach_the_log(workshop):
    """A log that stands before the mistake gets the error, too."""
    log = workshop.folder / "log"

    result = workshop.pyoci("state", globals=("--log", log, "--log-format", "json"))

    text = 'pyoci: "state" requires exactly 1 argument(s)'
    assert told(result) == (1, "", text + "\n")
    assert json.loads(log.read_text())["msg"] == text


# -- for people


# What a shell's line editor writes beside text; colours stay.
MOVES = re.compile(r"\x1b\[[?\d;]*[A-Zhl]")


class Screen:
    """A terminal of a program, read as text."""

    def __init__(self, argv, env):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(argv[0], argv, env)
        self.text = self.raw = ""

    def until(self, pattern, seconds=15):
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.text)):
            left = end - time.monotonic()
            assert left > 0, f"{pattern} does not appear: {self.text!r}"
            if select.select([self.fd], [], [], left)[0]:
                self.text += self._read()
        return found

    def _read(self):
        try:
            text = os.read(self.fd, 65536).decode(errors="replace")
        except OSError:
            return ""
        self.raw += text
        return MOVES.sub("", text)

    def type(self, text):
        os.write(self.fd, text.encode())

    def rest(self):
        while part := self._read():
            self.text += part
        os.waitpid(self.pid, 0)
        return self.text

    def close(self):
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass
        os.close(self.fd)


@pytest.fixture
def screen(workshop):
    opened = []

    def open_screen(*argv, **env):
        found = Screen([str(a) for a in argv], {**workshop.host, "TERM": "xterm", **env})
        opened.append(found)
        return found

    yield open_screen
    for found in opened:
        found.close()


def test_list_on_a_terminal_is_for_people(workshop, cleared, screen):
    """A terminal gets colours and relative times; NO_COLOR takes the colours away."""
    id = put_in_state(workshop, "created", cleared)

    coloured = screen(*workshop.argv("list")).rest()
    plain = screen(*workshop.argv("list"), NO_COLOR="1").rest()

    assert "\x1b[33mcreated\x1b[0m" in coloured
    assert re.search(rf"{id} +created +\d+ +\d+ seconds? ago +root +/", plain)
    assert "\x1b" not in plain
    assert json.loads(screen(*workshop.argv("list", "-f", "json")).rest())[0]["id"] == id


def test_events_on_a_terminal_is_a_table(workshop, cleared, screen):
    """One line is kept up to date until the container ends."""
    id = put_in_state(workshop, "running", cleared)
    watched = screen(*workshop.argv("events", "--interval", "50ms", id))
    slow = screen(*workshop.argv("events", "--interval", "1h", id), TERM="dumb")

    slow.until(rf"{id[:20]} +- .*/ none")  # before the first interval is over
    os.kill(slow.pid, signal.SIGTERM)
    assert slow.rest().endswith("\r\n")
    assert "\x1b" not in slow.raw
    watched.until(r"CPU % .*MEMORY / LIMIT")
    watched.until(rf"{id[:20]} +\d+\.\d%.*/ none.*\r{id[:20]}")
    workshop.pyoci("kill", id, "KILL")

    assert "{" not in watched.rest()


def test_usage_error_on_a_terminal_has_a_hint(workshop, screen):
    """A person is told what was meant, or where to read."""
    said = screen(workshop.runtime, "creat", "x").rest()

    assert said == "No help topic for 'creat'\r\nhint: did you mean create?\r\n"
    assert screen(workshop.runtime, "state").rest().endswith("hint: see pyoci state --help\r\n")


# -- completion, in real shells


@pytest.fixture
def bash(workshop, screen):
    """A shell that has read our script."""
    found = screen(
        "bash",
        "--norc",
        "--noprofile",
        "-i",
        PS1="$ ",
        INPUTRC="/dev/null",
        PATH=f"{workshop.runtime.parent}:{os.environ['PATH']}",
    )
    found.type('source <(pyoci completion bash); echo "re"ady\n')
    found.until(r"[\r\n]ready")
    return found


@pytest.fixture
def zsh(workshop, screen):
    """A shell that has read our script."""
    if shutil.which("zsh") is None:
        pytest.skip("needs zsh")
    found = screen(
        "zsh",
        "-f",
        "-i",
        PS1="> ",
        ZDOTDIR=str(workshop.folder),
        PATH=f"{workshop.runtime.parent}:{os.environ['PATH']}",
    )
    found.type("autoload -Uz compinit; compinit -u -D; unset zle_bracketed_paste\n")
    found.type('eval "$(pyoci completion zsh)"; echo "re"ady\n')
    found.until(r"[\r\n]ready")
    return found


def typed(shell, line):
    """Return the line that the shell has made of what was typed: it echoes it."""
    shell.text = ""
    shell.type(line)
    shell.type("\x01echo '<' \x05 '>'\n")  # at the line's begin and end
    return shell.until(r"[\r\n]< (.*?) >\r?\n")[1]


# What is typed, and the line that it becomes; ID is a created container, ROOT its state root.
TYPED = [
    ("pyoci feat\t", "pyoci features"),
    ("pyoci --log-format=js\t", "pyoci --log-format=json"),
    ("pyoci list --format=j\t", "pyoci list --format=json"),
    ("pyoci list --format=j\t\t", "pyoci list --format=json"),
    ("pyoci list --format j\t", "pyoci list --format json"),
    ("pyoci --root=ROO\t", "pyoci --root=ROOT"),
    ("pyoci --root=ROOT start \t", "pyoci --root=ROOT start ID"),
    ("pyoci -root ROOT start \t", "pyoci -root ROOT start ID"),
    ("pyoci --debug=false --root ROOT start \t", "pyoci --debug=false --root ROOT start ID"),
    ("pyoci --root ROOT --log journald:x state \t", "pyoci --root ROOT --log journald:x state ID"),
    ("pyoci --root ROOT exec -e A=1 \t", "pyoci --root ROOT exec -e A=1 ID"),
    ("pyoci --root ROOT exec --env=A=1 \t", "pyoci --root ROOT exec --env=A=1 ID"),
    ("pyoci --root ROOT exec -u 1:2 \t", "pyoci --root ROOT exec -u 1:2 ID"),
]


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_shell_completes(workshop, cleared, request, shell):
    """Commands, words, files, and the ids that a command can act on; what is typed stays."""
    id = put_in_state(workshop, "created", cleared)
    names = {"ROOT": str(workshop.root), "ROO": str(workshop.root)[:-1], "ID": id}

    def named(line):
        return re.sub("ROOT|ROO|ID", lambda found: names[found[0]], line)

    shell = request.getfixturevalue(shell)
    found = [typed(shell, named(line)) for line, _ in TYPED]

    assert [line.rstrip(" /") for line in found] == [named(expected) for _, expected in TYPED]


def test_bash_completes_where_words_are_not_broken(bash):
    """Other programs' scripts take `=` out of the characters that break words."""
    bash.type("COMP_WORDBREAKS=${COMP_WORDBREAKS/=/}\n")

    assert typed(bash, "pyoci list --format=j\t").rstrip() == "pyoci list --format=json"


def test_bash_lists_what_is_meant(workshop, cleared, bash):
    """Of several ids all are shown."""
    created, running = [put_in_state(workshop, s, cleared) for s in ("created", "running")]

    bash.type(f"pyoci --root {workshop.root} ps \t\t\t")

    bash.until(rf"{created} +{running}")


def test_fish_completes(workshop, cleared):
    """So does fish, with what each word means."""
    if shutil.which("fish") is None:
        pytest.skip("needs fish")
    created, _ = [put_in_state(workshop, s, cleared) for s in ("created", "running")]
    lines = [
        f"pyoci --root {workshop.root} start ",
        "pyoci list --format=",
        "pyoci list --qu",
        f"pyoci --root={str(workshop.root)[:-1]}",
    ]
    script = "\n".join(
        ["pyoci completion fish | source", *[f"complete -C '{line}'" for line in lines]]
    )
    env = workshop.host | {
        "PATH": f"{workshop.runtime.parent}:{os.environ['PATH']}",
        "HOME": str(workshop.folder),
    }

    done = subprocess.run(
        ["fish", "-c", script], capture_output=True, text=True, env=env, timeout=30
    )

    assert done.stdout.splitlines() == [
        created,
        "--format=json",
        "--format=table",
        "--quiet\tids only, one a line",
        f"--root={workshop.root}/",
    ]


def test_completion_makes_no_state_root(workshop):
    """To ask what could be meant changes nothing."""
    env = workshop.host | {
        "_PYOCI_COMPLETE": "bash_complete",
        "COMP_LINE": f"pyoci --root {workshop.root} start ",
    }

    workshop.command([workshop.runtime], env=env)

    assert not workshop.root.exists()


def test_completion_of_no_shell(workshop):
    """The shell is named, and one of three."""
    assert told(workshop.pyoci("completion", "tcsh")) == (1, "", "unsupported shell: tcsh\n")
    assert told(workshop.pyoci("completion")) == (1, "", "which shell: bash, zsh or fish\n")
    assert (
        workshop.pyoci("completion", "-s", "bash").stdout
        == workshop.pyoci("completion", "bash").stdout
    )
