"""init's steps, in their order, on a kernel that only records.

Run in a forked process: it changes umask, signals and descriptors.  What would become the stub is
stopped at the last call before.
"""

import errno
import os
import signal

import pytest

from libcontainer.errors import InitFailed, StepFailed
from libcontainer.kernel import constants as c
from libcontainer.plan.host import Host
from libcontainer.plan.make import Options, make_plan
from libcontainer.process import channel as ch
from libcontainer.process.init import Belongings, _run, run_init
from libcontainer.rootfs.steps import LookAgain
from libcontainer.spec.document import Spec
from libcontainer.testing import make_tree

DOCUMENT = {
    "ociVersion": "1.3.0",
    "process": {
        "cwd": "/srv",
        "user": {"uid": 1000, "gid": 1000, "umask": 0o27},
        "args": ["tool"],
        "env": ["PATH=/bin"],
    },
    "root": {"path": "rootfs", "readonly": True},
    "hostname": "box",
    "mounts": [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {"destination": "/data", "source": "/etc", "options": ["rbind", "ro"]},
    ],
    "linux": {
        "namespaces": [{"type": k} for k in ("mount", "pid", "uts", "network", "user", "cgroup")],
        "uidMappings": [{"containerID": 1000, "hostID": 1000, "size": 1}],
        "gidMappings": [{"containerID": 1000, "hostID": 1000, "size": 1}],
        "maskedPaths": ["/secret"],
        "readonlyPaths": ["/data"],
    },
}


class Stopped(Exception):
    """The stub would have been executed now."""


@pytest.fixture
def init(tmp_path, kernel, apart):
    """Run init for the document with changes, then look, in the same process."""
    folder = make_tree(tmp_path / "rootfs", {"bin": {"tool": "#!/x"}, "secret": "x", "dev": {}})

    def run(check, *, said=ch.GO + ch.DONE, fail=None, **changes):
        def body():
            spec = Spec.from_json(DOCUMENT | changes)
            options = Options(id="box", bundle=str(tmp_path), rootfs=str(folder))
            plan = make_plan(spec, Host(), options)
            # The recording kernel attaches nothing, which the last look would see.
            kept = [step for step in plan.finish if not isinstance(step, LookAgain)]
            plan = plan.replace(finish=tuple(kept))
            talk = ch.Channel()
            os.write(talk.go_writer, said)
            heard = os.dup(talk.reader)
            os.chdir(folder)
            own = Belongings()
            own.gate = os.dup(0)
            signal.alarm(20)  # an init that waits for ever ends the test
            kernel.fail |= fail or {}

            def stop():
                raise Stopped

            # The last call before the stub: this init is not root in its user namespace.
            kernel.returns["raise_ambient"] = stop
            try:
                check(lambda: _run(plan, kernel, talk, own), heard)
            finally:
                signal.alarm(0)

        apart(body)

    return run


def order(kernel, *wanted):
    """Return where calls stand: a name, or a name with arguments that it must begin with."""
    found = []
    for name, *args in wanted:
        places = [
            i
            for i, (called, given) in enumerate(kernel.calls)
            if called == name and list(given[: len(args)]) == args
        ]
        assert places, (name, args, kernel.calls)
        found.append(places[0])
    return found


def test_the_order_of_init(init, kernel):
    """
    Root of its namespaces first, names, propagation, sources, mounts, devices, and what closes the
    root; the rights for the stub last of all.
    """

    def check(run, heard):
        with pytest.raises(Stopped):
            run()
        places = order(
            kernel,
            ("become", 1000, 1000),
            ("unshare", c.CLONE_NEWNET),
            ("prctl", c.PR_SET_DUMPABLE, 0),
            ("setsid",),
            ("unshare", c.CLONE_NEWCGROUP),
            ("join_session_keyring", "_ses.box"),
            ("link_up", "lo"),
            ("sethostname", "box"),
            ("mount", "", "/", "", c.MS_SLAVE | c.MS_REC),
            ("open_tree", "cwd", "/etc"),
            ("open_tree", "cwd", "/dev/null"),
            ("open_tree", "cwd", "."),
            ("fsopen", "proc"),
            ("move_mount", "tree /etc"),
            ("raise_ambient",),
        )
        assert places == sorted(places)
        assert kernel.names[-1] == "raise_ambient"

    init(check)


def test_what_closes_the_root_comes_after_all_that_is_made(init, kernel):
    """
    The root read-only, then read-only paths, then masks.
    """

    def check(run, heard):
        with pytest.raises(Stopped):
            run()
        attached = [args[1] for args in kernel.named("move_mount")]
        assert attached[-2:] == ["open /data", "open /secret"]
        (last_made,) = order(kernel, ("open_tree", "cwd", "/dev/tty"))
        closed = [
            i
            for i, (name, args) in enumerate(kernel.calls)
            if name == "mount_setattr" and args[:2] == ("tree .", c.MOUNT_ATTR_RDONLY)
        ]
        assert closed and closed[0] > last_made

    init(check)


def test_nothing_is_told_without_hooks(init):
    """
    Without hooks main hears nothing before the stub.
    """

    def check(run, heard):
        os.set_blocking(heard, False)
        with pytest.raises(Stopped):
            run()
        with pytest.raises(BlockingIOError):
            os.read(heard, 1)

    init(check)


def test_hooks_are_asked_for_when_all_is_built(init, kernel, tmp_path):
    """
    Init waits for main's hooks, then runs those of the container in its root.
    """
    hooks = {
        "prestart": [{"path": "/bin/false"}],  # main's business
        "createContainer": [{"path": "/bin/sh", "args": ["sh", "-c", "pwd > log"]}],
    }

    def check(run, heard):
        with pytest.raises(Stopped):
            run()
        assert os.read(heard, 10) == ch.HOOKS
        assert (tmp_path / "rootfs/log").read_text() == f"{tmp_path}/rootfs\n"

    init(check, hooks=hooks)


@pytest.mark.parametrize(
    ("said", "hooks"),
    [(b"", None), (ch.GO, {"prestart": [{"path": "/bin/true"}]})],
    ids=["before-go", "before-done"],
)
def test_the_end_of_main_is_the_end_of_init(init, kernel, said, hooks):
    """
    Without main nobody would ever hear of this process.
    """

    def check(run, heard):
        run()  # the end of the process
        raise AssertionError("init went on")

    with pytest.raises(pytest.fail.Exception, match="^the process ended with 1$"):
        init(check, said=said, **({"hooks": hooks} if hooks else {}))


def test_umask_and_signals_are_the_payloads(init):
    """
    Set last, because they survive the exec: the document's umask, and nothing ignored.
    """

    def check(run, heard):
        with pytest.raises(Stopped):
            run()
        assert os.umask(0) == 0o27
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_DFL

    init(check)


@pytest.mark.parametrize(
    ("fail", "changes", "kind", "text"),
    [
        pytest.param(
            {"sethostname": errno.EPERM}, {}, StepFailed,
            "set hostname box: operation not permitted", id="setup",
        ),
        pytest.param(
            {"fsmount": errno.EBUSY}, {}, StepFailed,
            "mount proc on /proc: fsmount: device or resource busy", id="mount",
        ),
        pytest.param(
            {}, {"process": DOCUMENT["process"] | {"args": ["none"]}}, InitFailed,
            'exec: "none": executable file not found in $PATH', id="command",
        ),
        pytest.param(
            {}, {"process": DOCUMENT["process"] | {"env": ["A"]}}, InitFailed,
            "invalid environment variable: missing '=': \"A\"", id="environment",
        ),
    ],
)  # fmt: skip
def test_what_fails_is_raised(init, fail, changes, kind, text):
    """
    Whatever cannot be done stops init where it stands.
    """

    def check(run, heard):
        with pytest.raises(kind) as e:
            run()
        assert str(e.value) == text

    init(check, fail=fail, **changes)


def test_a_failure_is_told_to_main(kernel, apart):
    """
    As an error on the channel; the process ends with 1.
    """

    def body():
        talk = ch.Channel()
        os.write(talk.go_writer, ch.GO)
        heard = os.dup(talk.reader)
        pid = os.fork()
        if pid == 0:
            try:
                run_init(None, kernel, talk, Belongings())
            finally:
                os._exit(77)
        talk.in_main()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
        os.close(talk.reader)
        talk.reader = heard
        kind, content = talk.hear()
        assert kind == ch.ERROR
        assert "AttributeError" in str(ch.received_error(content))

    apart(body)
