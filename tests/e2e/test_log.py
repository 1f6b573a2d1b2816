"""The log that engines read: one object for one error, nothing for what works."""

import json
import re
import shutil

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]


def lines_of(log):
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("command", ["state", "start", "kill", "delete"])
def test_every_command_logs_its_error_once(workshop, command):
    """The file is appended to, never truncated: engines use one for all calls."""
    log = workshop.folder / "log.json"
    for count in (1, 2):
        options = ("--log", log, "--log-format", "json")
        result = workshop.pyoci(command, "nosuch", globals=options)
        assert (result.status, result.stderr) == (1, "container does not exist\n")
        found = [(line["level"], line["msg"]) for line in lines_of(log)]
        assert found == [("error", "container does not exist")] * count
    assert log.stat().st_mode & 0o777 == 0o644


def test_nothing_is_logged_of_what_works(workshop):
    """At the default level, so that Podman, which reads one object, finds none."""
    log = workshop.folder / "log.json"
    options = ("--log", log, "--log-format", "json")
    bundle, id = workshop.bundle("exit 0"), workshop.id()
    for arguments in (("create", "-b", bundle.path, id), ("start", id), ("delete", "-f", id)):
        assert workshop.pyoci(*arguments, globals=options).status == 0
    assert not log.exists() or log.read_text() == ""


def test_debug_logs_lines_with_the_error_last(workshop):
    """Every line is an object with level, msg and time: containerd takes the last error."""
    log = workshop.folder / "log.json"
    bundle = workshop.bundle(["nosuch"])
    options = ("--debug", "--log", log, "--log-format", "json")
    result = workshop.pyoci("create", "-b", bundle.path, workshop.id(), globals=options)
    assert result.status == 1
    found = lines_of(log)
    assert all({"level", "msg", "time"} <= set(line) for line in found)
    assert [line["level"] for line in found].count("error") == 1
    text = 'create failed: exec: "nosuch": executable file not found in $PATH'
    assert (found[-1]["level"], found[-1]["msg"]) == ("error", text)


def test_debug_tells_what_is_decided_and_done(workshop):
    """From the cgroup to its end: one record for each, on a line of its own, in one write."""
    log = workshop.folder / "log.json"
    config = workshop.config("sleep", "1000")
    config["hooks"] = {"poststart": [{"path": "/bin/true"}], "poststop": [{"path": "/bin/true"}]}
    config["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW"}
    bundle, id = workshop.bundle(config), workshop.id()
    options = ("--debug", "--log", log, "--log-format", "json")
    for line in (
        ("create", "-b", bundle.path, id),
        ("start", id),
        ("exec", id, "true"),
        ("kill", id, "KILL"),
        ("delete", "--force", id),
    ):
        result = workshop.pyoci(*line, globals=options)
        assert (result.status, result.stdout, result.stderr) == (0, "", "")
    found = [(line["level"], line["msg"]) for line in lines_of(log)]
    assert {level for level, _ in found} == {"debug"}
    said = "\n".join([text for _, text in found])
    for pattern in (
        rf"cgroup manager \w+, .*{id}",
        "seccomp filter compiled",
        "command sleep, working directory /",
        "hooks: poststart, poststop",
        "way into the cgroup: ",
        rf"container {id} created, pid \d+",
        rf"container {id} started",
        f"run the poststart hooks of container {id}",
        "seccomp filter taken from the cache",
        f"signal 9 to init of container {id}",
        f"container {id} deleted",
        f"run the poststop hooks of container {id}",
    ):
        assert re.search(pattern, said), (pattern, said)
    assert said.count("way into the cgroup: ") == 2  # of create, and of exec


def test_a_text_log_has_runcs_form(workshop):
    """time, level and msg, the message quoted as Go does."""
    log = workshop.folder / "log"
    bundle = workshop.bundle(["nosuch"])
    workshop.pyoci("create", "-b", bundle.path, workshop.id(), globals=("--log", log))
    pattern = (
        r'time="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^"]*" level=error '
        r'msg="create failed: exec: \\"nosuch\\": executable file not found in \$PATH"\n'
    )
    assert re.fullmatch(pattern, log.read_text())


@pytest.mark.parametrize("name", ["/dev/stderr", "/dev/fd/2", "/proc/self/fd/2"])
def test_a_log_may_be_a_descriptor(workshop, name):
    """By its usual names, which are links, it is what the caller has opened."""
    result = workshop.pyoci("state", "nosuch", globals=("--log", name))
    record, message = result.stderr.splitlines()
    assert record.endswith(' level=error msg="container does not exist"')
    assert message == "container does not exist"


def test_a_log_may_be_any_descriptor_of_the_caller(workshop):
    """One that nobody has handed in is an error, also where we have opened that number."""
    log = workshop.folder / "log"
    with open(log, "w") as file:
        fd = file.fileno()
        argv = workshop.argv("state", "nosuch", globals=("--log", f"/dev/fd/{fd}"))
        workshop.command(argv, pass_fds=(fd,))
    assert log.read_text().endswith(' level=error msg="container does not exist"\n')
    for number in (3, 12345):
        result = workshop.pyoci("state", "nosuch", globals=("--log", f"/dev/fd/{number}"))
        assert result.stderr == f"open /dev/fd/{number}: bad file descriptor\n"


def test_a_log_is_no_link(workshop):
    """Who can write in its folder would choose the file that root writes to."""
    canary, link = workshop.folder / "canary", workshop.folder / "log"
    canary.write_text("mine")
    link.symlink_to(canary)
    result = workshop.pyoci("state", "nosuch", globals=("--log", link))
    assert (result.status, result.stderr) == (1, f"open {link}: it is a symbolic link\n")
    assert canary.read_text() == "mine"


def test_the_error_is_written_at_once(workshop):
    """One write on stderr, as conmon reads it once."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    bundle = workshop.bundle(["nosuch"])
    trace = workshop.folder / "trace"
    argv = workshop.argv("create", "-b", bundle.path, workshop.id())
    strace = ["strace", "-qq", "-o", trace, "-e", "trace=write", *argv]
    result, _ = workshop.command(strace)
    if "ptrace" in result.stderr.lower():
        pytest.skip("needs ptrace")
    assert len(re.findall(r"^write\(2, ", trace.read_text(), re.MULTILINE)) == 1
