"""Hooks: when they run, where, with what on stdin, and what their failure means."""

import json
import os
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

CREATE_KINDS = ("prestart", "createRuntime", "createContainer")
KINDS = (*CREATE_KINDS, "poststart", "poststop")
STANDARD_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def hook(script, **more):
    return {"path": "/bin/sh", "args": ["hook", "-c", script], **more}


def with_hooks(workshop, command="exit 0", **hooks):
    config = workshop.config("sh", "-c", command)
    config["hooks"] = hooks
    return config


def noting(workshop, kind, more=""):
    """A hook that files its state document and adds its name to the list of those that ran."""
    folder = workshop.folder
    return hook(f"cat >{folder}/{kind}.json; echo {kind} >>{folder}/order; {more}")


def order(workshop):
    path = workshop.folder / "order"
    return path.read_text().split() if path.exists() else []


def whole_life(container):
    assert container.start().status == 0
    container.wait()
    return container.delete()


def test_hooks_run_in_the_order_of_the_life(workshop):
    """The three create hooks by create, poststart by start, poststop by delete."""
    hooks = {kind: [noting(workshop, kind)] for kind in KINDS}
    container = workshop.create(with_hooks(workshop, **hooks))
    assert order(workshop) == list(CREATE_KINDS)
    container.start()
    assert order(workshop) == [*CREATE_KINDS, "poststart"]
    container.wait()
    container.delete()
    assert order(workshop) == list(KINDS)


def test_several_hooks_of_a_kind_run_in_their_order(workshop):
    """One after the other."""
    hooks = [noting(workshop, f"{n}") for n in range(4)]
    container = workshop.create(with_hooks(workshop, prestart=hooks))
    assert order(workshop) == ["0", "1", "2", "3"]
    assert container.delete().status == 0


def test_each_hook_reads_the_state_document(workshop):
    """With the status of that point of the life and the pid as the hook sees it."""
    hooks = {kind: [noting(workshop, kind)] for kind in KINDS}
    config = with_hooks(workshop, "sleep 1000", **hooks)
    config["annotations"] = {"a": "b"}
    container = workshop.create(config)
    pid = container.pid
    container.start()
    container.pyoci("kill", "KILL")
    container.wait()
    container.delete()
    common = {
        "ociVersion": "1.3.0",
        "id": container.id,
        "bundle": str(container.bundle.path),
        "annotations": {"a": "b"},
    }
    found = {k: json.loads((workshop.folder / f"{k}.json").read_text()) for k in KINDS}
    assert found == {
        "prestart": {**common, "status": "creating", "pid": pid},
        "createRuntime": {**common, "status": "creating", "pid": pid},
        "createContainer": {**common, "status": "creating", "pid": 1},
        "poststart": {**common, "status": "running", "pid": pid},
        "poststop": {**common, "status": "stopped"},
    }


def test_hooks_run_in_the_right_namespaces(workshop):
    """createContainer in the container's, all others in the runtime's; createContainer sees the
    host's files, since the root is not changed yet."""
    names = "mnt net pid uts ipc"
    look = f"for n in {names}; do readlink /proc/self/ns/$n; done >"
    hooks = {kind: [hook(f"{look} {workshop.folder}/{kind}.ns")] for kind in KINDS}
    container = workshop.create(with_hooks(workshop, "sleep 1000", **hooks))
    inside = [os.readlink(f"/proc/{container.pid}/ns/{n}") for n in names.split()]
    container.start()
    container.pyoci("kill", "KILL")
    container.wait()
    container.delete()
    own = [os.readlink(f"/proc/self/ns/{n}") for n in names.split()]
    for kind in KINDS:
        found = (workshop.folder / f"{kind}.ns").read_text().split()
        # /proc is still the host's: it shows a child of init under its pid out there.
        assert found == (inside if kind == "createContainer" else own)


def test_create_hooks_see_the_mounts_and_may_still_change_the_root(workshop):
    """prestart and createContainer come after the mounts and before the pivot."""
    script = "touch dev/made; touch made; pwd"
    hooks = {"createContainer": [hook(f"{script} >{workshop.folder}/cwd")]}
    config = with_hooks(workshop, "ls /made /dev/made", **hooks)
    bundle = workshop.bundle(config)
    assert workshop.inside(bundle).split() == ["/dev/made", "/made"]
    assert (workshop.folder / "cwd").read_text().strip() == str(bundle.rootfs)


def test_prestart_reaches_the_containers_network(workshop):
    """By the pid of the state document: what Docker's network hook does."""
    script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); readlink /proc/$pid/ns/net"
    hooks = {"prestart": [hook(f"{script} >{workshop.folder}/net")]}
    container = workshop.create(with_hooks(workshop, **hooks))
    expected = os.readlink(f"/proc/{container.pid}/ns/net")
    assert (workshop.folder / "net").read_text().strip() == expected
    assert container.delete().status == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param(None, [STANDARD_PATH], id="none"),
        pytest.param([], [], id="empty"),
        pytest.param(["A=b", "C=d=e"], ["A=b", "C=d=e"], id="given"),
    ],
)
def test_the_environment_of_a_hook(workshop, kind, env, expected):
    """Exactly what the document lists; without a list only the standard PATH."""
    workshop.host = {**workshop.host, "SECRET": "x"}
    more = {} if env is None else {"env": env}
    path = workshop.folder / "environ"
    program = {"path": "/bin/sh", "args": ["hook", "-c", f"exec /bin/cat /proc/$$/environ >{path}"]}
    if kind == "createContainer":
        # /proc is the host's, where its pid is another.
        program["args"][2] = f"exec /bin/cat /proc/self/environ >{path}"
    container = workshop.create(with_hooks(workshop, **{kind: [{**program, **more}]}))
    whole_life(container)
    found = [entry for entry in path.read_text().split("\0") if entry]
    # The shell adds some, and has an order of its own.
    found = [e for e in found if not e.startswith(("PWD=", "_=", "OLDPWD="))]
    assert sorted(found) == sorted(expected)


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "createContainer"])
def test_a_host_side_hook_runs_in_the_bundle(workshop, kind):
    """Its working directory, whatever the caller's is."""
    path = workshop.folder / "cwd"
    container = workshop.create(with_hooks(workshop, **{kind: [hook(f"pwd >{path}")]}))
    whole_life(container)
    assert path.read_text().strip() == str(container.bundle.path)


def test_without_arguments_a_hook_gets_its_path(workshop):
    """argv is [path]."""
    program = workshop.folder / "program"
    program.write_text(f'#!/bin/sh\necho "$0 $#" >{workshop.folder}/said\n')
    program.chmod(0o755)
    container = workshop.create(with_hooks(workshop, prestart=[{"path": str(program)}]))
    assert (workshop.folder / "said").read_text() == f"{program} 0\n"
    assert container.delete().status == 0


@pytest.mark.parametrize("kind", CREATE_KINDS)
def test_a_failing_create_hook_fails_create(workshop, kind):
    """With what the hook said; all is undone, later hooks do not run, poststop does."""
    failing = hook("echo said; echo wrong >&2; exit 3")
    hooks = {kind: [failing, noting(workshop, "late")], "poststop": [noting(workshop, "poststop")]}
    container = workshop.try_create(with_hooks(workshop, **hooks))
    text = f"create failed: error running {kind} hook #0: exit status 3, output: said\\nwrong\n"
    assert container.created.status == 1
    assert container.created.stderr == text
    assert workshop.remains() == {}
    assert order(workshop) == ["poststop"]


def test_the_index_of_the_failing_hook_is_told(workshop):
    """Counted from 0."""
    hooks = [hook("exit 0"), hook("kill -9 $$")]
    container = workshop.try_create(with_hooks(workshop, createRuntime=hooks))
    text = "create failed: error running createRuntime hook #1: signal 9, output: \n"
    assert container.created.stderr == text


@pytest.mark.parametrize("kind", CREATE_KINDS)
def test_a_missing_hook_fails_create(workshop, kind):
    """In Go's words, which say what was executed."""
    container = workshop.try_create(with_hooks(workshop, **{kind: [{"path": "/no/such"}]}))
    text = f"error running {kind} hook #0: fork/exec /no/such: no such file or directory"
    assert container.created.stderr == f"create failed: {text}\n"
    assert workshop.remains() == {}


@pytest.mark.parametrize("kind", CREATE_KINDS)
def test_a_hook_may_take_too_long(workshop, kind):
    """It is killed after its time-out, and create fails."""
    slow = hook("sleep 1000; true", timeout=1)
    before = time.monotonic()
    container = workshop.try_create(with_hooks(workshop, **{kind: [slow]}))
    took = time.monotonic() - before
    text = f"error running {kind} hook #0: hook ran past specified timeout of 1.0s"
    assert container.created.stderr == f"create failed: {text}\n"
    assert 1 <= took < 10
    assert workshop.remains() == {}


def test_a_poststart_hook_may_take_too_long(workshop):
    """It is the container's end, as any failure of it."""
    hooks = {
        "poststart": [hook("sleep 1000; true", timeout=1)],
        "poststop": [noting(workshop, "poststop")],
    }
    container = workshop.create(with_hooks(workshop, "sleep 1000", **hooks))
    result = container.start()
    text = "error running poststart hook #0: hook ran past specified timeout of 1.0s\n"
    assert (result.status, result.stdout, result.stderr) == (1, "", text)
    assert container.wait() == -9
    assert order(workshop) == ["poststop"]
    assert workshop.remains() == {}


def test_a_poststop_hook_may_take_too_long(workshop):
    """It is told, the next one runs, and delete succeeds."""
    hooks = [hook("sleep 1000; true", timeout=1), noting(workshop, "second")]
    container = workshop.create(with_hooks(workshop, poststop=hooks))
    result = whole_life(container)
    text = "error running poststop hook #0: hook ran past specified timeout of 1.0s"
    assert (result.status, result.stdout) == (0, "")
    assert text in result.stderr
    assert order(workshop) == ["second"]
    assert workshop.remains() == {}


def test_a_hook_that_ignores_its_input_is_fine(workshop):
    """Nobody has to read the document, however long it is."""
    config = with_hooks(workshop, prestart=[hook("exec <&-; exit 0")])
    config["annotations"] = {"long": "x" * 300000}
    container = workshop.create(config)
    assert container.delete().status == 0


def test_a_hook_reads_a_long_document_whole(workshop):
    """Also one that is larger than a pipe."""
    config = with_hooks(workshop, prestart=[hook(f"wc -c >{workshop.folder}/size")])
    config["annotations"] = {"long": "x" * 300000}
    container = workshop.create(config)
    assert int((workshop.folder / "size").read_text()) > 300000
    assert container.delete().status == 0


def test_a_hook_that_says_much_does_not_block(workshop):
    """More than a pipe holds."""
    config = with_hooks(workshop, prestart=[hook("head -c 300000 /dev/zero")])
    assert workshop.create(config).delete().status == 0


def test_a_hook_may_leave_a_process_behind(workshop):
    """One that holds its output does not hold create."""
    started = workshop.folder / "background"
    script = f"sleep 1000 & echo $! >{started}"
    container = workshop.create(with_hooks(workshop, prestart=[hook(script)]))
    pid = int(started.read_text())
    assert Path(f"/proc/{pid}").exists()
    os.kill(pid, 9)
    workshop.reap(pid)
    assert container.delete().status == 0


@pytest.mark.parametrize("kind", CREATE_KINDS)
def test_a_hook_has_no_descriptors_of_the_caller(workshop, kind):
    """Only stdin, stdout and stderr, whatever the engine leaks."""
    path = workshop.folder / "fds"
    script = f"ls /proc/self/fd >{path}"
    reader, writer = os.pipe()
    bundle = workshop.bundle(with_hooks(workshop, **{kind: [hook(script)]}))
    container = workshop.create(bundle, pass_fds=(reader, writer))
    os.close(reader)
    os.close(writer)
    # ls itself has the folder open as 3.
    assert path.read_text().split() == ["0", "1", "2", "3"]
    assert container.delete().status == 0


def test_a_failing_poststart_hook_ends_the_container(workshop):
    """start fails, the container is stopped and destroyed, poststop runs (runtime-spec 1.3)."""
    hooks = {"poststart": [hook("echo no; exit 4")], "poststop": [noting(workshop, "poststop")]}
    container = workshop.create(with_hooks(workshop, "sleep 1000", **hooks))
    result = container.start()
    text = "error running poststart hook #0: exit status 4, output: no\n"
    assert (result.status, result.stdout, result.stderr) == (1, "", text)
    assert container.wait() == -9
    assert container.pyoci("state").stderr == "container does not exist\n"
    assert order(workshop) == ["poststop"]


def test_run_with_a_failing_poststart_hook(workshop):
    """run fails in the same words and leaves nothing."""
    hooks = {"poststart": [hook("exit 4")], "poststop": [noting(workshop, "poststop")]}
    result = workshop.run(with_hooks(workshop, "sleep 1000", **hooks))
    text = "run failed: error running poststart hook #0: exit status 4, output: \n"
    assert (result.status, result.stderr) == (1, text)
    assert workshop.remains() == {}
    assert order(workshop) == ["poststop"]


def test_a_failing_poststop_hook_only_warns(workshop):
    """The remaining ones run, delete succeeds, and the state has gone before the hooks."""
    gone = f"test ! -e {workshop.root}/*/state.json && echo gone >>{workshop.folder}/order; exit 5"
    hooks = {"poststop": [hook(gone), noting(workshop, "second")]}
    container = workshop.create(with_hooks(workshop, **hooks))
    result = whole_life(container)
    assert (result.status, result.stdout) == (0, "")
    assert order(workshop) == ["gone", "second"]


def test_hooks_of_run(workshop):
    """A foreground run goes through all of them."""
    hooks = {kind: [noting(workshop, kind)] for kind in KINDS}
    result = workshop.run(with_hooks(workshop, "exit 6", **hooks))
    assert (result.status, result.stderr) == (6, "")
    assert order(workshop) == list(KINDS)


def test_the_document_at_create_counts(workshop):
    """A config.json that changes later does not: the hooks are those of create."""
    hooks = {"poststop": [noting(workshop, "poststop")]}
    container = workshop.create(with_hooks(workshop, **hooks))
    (container.bundle.path / "config.json").write_text("{}")
    whole_life(container)
    assert order(workshop) == ["poststop"]


# -- startContainer: inside, as the program will be


def inside(script, **more):
    """A hook of the image's own shell."""
    return {"path": "/bin/sh", "args": ["sh", "-c", script], **more}


def writable(workshop, command="exit 0", **hooks):
    config = with_hooks(workshop, command, **hooks)
    config["root"]["readonly"] = False
    return config


def test_start_hooks_run_inside_before_the_program(workshop):
    """In start, in their order, in the container's root and namespaces."""
    scripts = ["echo 1 >>/order; readlink /proc/self/ns/net >/net; pwd >/cwd", "echo 2 >>/order"]
    hooks = {
        "startContainer": [inside(script) for script in scripts],
        "poststart": [noting(workshop, "poststart")],
    }
    container = workshop.create(writable(workshop, "cat /order; sleep 1000", **hooks))
    root = container.bundle.rootfs
    assert not (root / "order").exists()
    net = os.readlink(f"/proc/{container.pid}/ns/net")
    assert container.start().status == 0
    workshop.until(lambda: container.stdout == "1\n2\n", "the program")
    assert (root / "net").read_text().strip() == net
    assert (root / "cwd").read_text() == "/\n"
    assert order(workshop) == ["poststart"]
    assert container.delete("--force").status == 0


def test_a_start_hook_reads_the_state_document(workshop):
    """With status created, and the pid as the container sees it."""
    container = workshop.create(writable(workshop, startContainer=[inside("cat >/state")]))
    assert container.start().status == 0
    container.wait()
    assert json.loads((container.bundle.rootfs / "state").read_text()) == {
        "ociVersion": "1.3.0",
        "id": container.id,
        "status": "created",
        "pid": 1,
        "bundle": str(container.bundle.path),
    }
    assert container.delete().status == 0


def test_a_start_hook_is_what_the_program_will_be(workshop):
    """Its ids, capabilities, no_new_privs, filter, limits and cgroup."""
    look = "cat /proc/self/status /proc/self/limits /proc/self/cgroup"
    config = writable(
        workshop, f"{look} >/tmp/program", startContainer=[inside(f"{look} >/tmp/hook")]
    )
    config["process"]["user"] = {"uid": 1000, "gid": 1000, "additionalGids": [7]}
    config["process"]["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 77, "hard": 99}]
    config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}],
    }
    container = workshop.create(config)
    (container.bundle.rootfs / "tmp").chmod(0o1777)
    assert container.start().status == 0
    container.wait()
    kept = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp", "Umask", "SigIgn", "SigBlk")

    def read(name):
        lines = (container.bundle.rootfs / "tmp" / name).read_text().splitlines()
        return [line for line in lines if line.startswith(kept) or ":/" in line or "Max" in line]

    assert read("hook") == read("program")
    assert container.delete().status == 0


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        pytest.param(None, ["A=b", "HOME=/root", "PATH=/bin"], id="none"),
        pytest.param([], [], id="empty"),
        pytest.param(["C=d"], ["C=d"], id="given"),
    ],
)
def test_the_environment_of_a_start_hook(workshop, env, expected):
    """The process's where it has none of its own; else exactly that."""
    more = {} if env is None else {"env": env}
    # Not by a shell, which adds variables of its own.
    program = {"path": "/bin/dd", "args": ["dd", "if=/proc/self/environ", "of=/environ"]}
    config = writable(workshop, startContainer=[program | more])
    config["process"]["env"] = ["PATH=/bin", "A=b"]
    container = workshop.create(config)
    assert container.start().status == 0
    container.wait()
    found = [e for e in (container.bundle.rootfs / "environ").read_text().split("\0") if e]
    assert sorted(found) == expected
    assert container.delete().status == 0


@pytest.mark.parametrize(
    ("program", "text"),
    [
        (inside("echo no; exit 4"), "exit status 4, output: no"),
        (inside("kill -9 $$"), "signal 9, output: "),
        ({"path": "/no/such"}, "fork/exec /no/such: no such file or directory"),
        ({"path": "/etc/passwd"}, "fork/exec /etc/passwd: permission denied"),
        (inside("sleep 1000; true", timeout=1), "hook ran past specified timeout of 1.0s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_failing_start_hook_is_the_containers_end(workshop, program, text):
    """start fails, the program never runs, the container is deleted, poststop hooks run."""
    hooks = {
        "startContainer": [inside("exit 0"), program],
        "poststop": [noting(workshop, "poststop")],
    }
    container = workshop.create(writable(workshop, "echo ran; sleep 1000", **hooks))
    result = container.start()
    expected = f"error running startContainer hook #1: {text}\n"
    assert (result.status, result.stdout, result.stderr) == (1, "", expected)
    assert container.wait() == -9
    assert container.stdout == ""
    assert order(workshop) == ["poststop"]
    assert workshop.remains() == {}


def test_run_with_a_failing_start_hook(workshop):
    """In the same words."""
    result = workshop.run(with_hooks(workshop, startContainer=[inside("exit 3")]))
    text = "run failed: error running startContainer hook #0: exit status 3, output: \n"
    assert (result.status, result.stderr) == (1, text)
    assert workshop.remains() == {}


def test_a_start_hook_has_no_descriptors_of_the_caller(workshop):
    """Only stdin, stdout and stderr."""
    config = writable(workshop, startContainer=[inside("ls /proc/self/fd >/fds")])
    container = workshop.create(config)
    reader, writer = os.pipe()
    result = container.pyoci("start", pass_fds=(reader, writer))
    os.close(reader)
    os.close(writer)
    assert result.status == 0
    container.wait()
    # ls itself has the folder open as 3.
    assert (container.bundle.rootfs / "fds").read_text().split() == ["0", "1", "2", "3"]
    assert container.delete().status == 0
