"""Workloads that are not programs: the interpreter that built the container is what it runs."""

import os
import subprocess
import sys
import textwrap

import pytest

from libcontainer import Container, ContainerBuilder, InitFailed, SpecError, WrongStatus
from libcontainer.ops.create import CreateOptions, create

pytestmark = [pytest.mark.e2e, pytest.mark.root]

MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]

MODULE = '''
import os
import sys


class Looker:
    """Tells what it is, by a program of its own: the first argument."""

    name = "looker"

    def validate(self, spec):
        return (spec.annotations or {}).get("workload") == "looker"

    def prepare(self, args, env):
        with open(args[0]) as file:
            self.program = compile(file.read(), args[0], "exec")

    def exec(self, args, env):
        found = {"os": os, "sys": sys, "args": args, "status": 0}
        exec(self.program, found)
        return found["status"]


class Never:
    """For no document."""

    name = "never"

    def validate(self, spec):
        return False
'''


@pytest.fixture
def looker(workshop, monkeypatch):
    """An executor, of a module that a fresh interpreter finds."""
    folder = workshop.folder / "executors"
    folder.mkdir()
    (folder / "lookers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    import lookers

    yield lookers
    del sys.modules["lookers"]


@pytest.fixture
def bundle(workshop):
    """A bundle whose workload is this Python text."""

    def make(text, change=lambda config: None, **process):
        config = workshop.config("/text.py")
        config["annotations"] = {"workload": "looker"}
        config["process"] |= process
        change(config)
        made = workshop.bundle(config)
        (made.path / "rootfs" / "text.py").write_text(textwrap.dedent(text))
        return str(made.path)

    return make


@pytest.fixture
def run(workshop, looker):
    """Run a bundle; return its exit status and what it wrote."""

    def go(bundle):
        output, writer = os.pipe()
        builder = ContainerBuilder(workshop.id(), bundle).root(str(workshop.root))
        builder.stdio(stdout=writer, stderr=writer)
        with builder.executor(looker.Never()).executor(looker.Looker()).build() as container:
            os.close(writer)
            container.start()
            status = container.wait()
        with os.fdopen(output) as file:
            return status, file.read()

    return go


INSIDE = """
    lines = open("/proc/self/status").read().split("\\n")
    found = dict(line.split(":\\t", 1) for line in lines if ":\\t" in line)
    for name in ("Name", "CapEff", "CapPrm", "CapBnd", "NoNewPrivs", "Seccomp", "Umask", "Threads"):
        print(name, found[name])
    print(os.getpid(), os.getuid(), os.getgid(), os.getgroups(), os.getcwd())
    print(sorted(os.listdir("/proc/self/fd")), os.readlink("/proc/self/exe"))
    print(open("/proc/self/cmdline").read().count("/run/"), sys.path, args)
    status = 5
"""


def test_workload_is_what_the_program_would_have_been(workshop, bundle, run):
    """
    Ids, groups, capabilities, umask, working directory, descriptors: all that the document says
    of its process, and nothing of the runtime.
    """
    path = bundle(INSIDE, cwd="/tmp", user={"uid": 1000, "gid": 1001, "additionalGids": [7]})

    status, said = run(path)

    assert status == 5
    name, *sets, privileges, seccomp, umask, threads, ids, fds, rest = said.splitlines()
    assert name == "Name looker"
    assert sets == [f"Cap{kind} 0000000020000420" for kind in ("Eff", "Prm", "Bnd")]
    assert (privileges, seccomp, umask, threads) == (
        "NoNewPrivs 1",
        "Seccomp 0",
        "Umask 0022",
        "Threads 1",
    )
    assert ids == "1 1000 1001 [7] /tmp"
    # 3 is the folder that is being listed.
    assert fds == "['0', '1', '2', '3'] /memfd:python (deleted)"
    assert rest == "0 [] ('/text.py',)"


def test_filter_is_in_force(workshop, bundle, run):
    """
    The seccomp profile judges what the workload calls, and what prepares it.
    """
    text = """
    try:
        os.mkdir("/tmp/folder")
    except OSError as e:
        print(e.errno)
    """
    refusal = {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 77}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refusal]}

    path = bundle(text, lambda config: config["linux"].update(seccomp=profile))

    assert run(path) == (0, "77\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("status = 300", (44, ""), id="status"),
        pytest.param("sys.exit(3)", (3, ""), id="exit"),
        pytest.param("sys.exit('no')", (1, "no\n"), id="exit-with-text"),
        pytest.param("1 / 0", (1, "looker: ZeroDivisionError: division by zero\n"), id="error"),
        pytest.param("print('x', end='')", (0, "x"), id="output-is-flushed"),
        pytest.param(
            "import this",
            (1, "looker: ModuleNotFoundError: No module named 'this'\n"),
            id="nothing-is-imported",
        ),
    ],
)
def test_how_a_workload_ends(bundle, run, text, expected):
    """
    Its status is what `exec` returns or exits with; an error is a line on stderr.
    """
    assert run(bundle(text)) == expected


def test_what_prepare_raises_is_the_failure_of_create(workshop, bundle, looker):
    """
    With its words, and nothing is left.
    """
    path = bundle("x = = 1")
    options = {"root": str(workshop.root), "executors": [looker.Looker()]}

    with pytest.raises(InitFailed, match="SyntaxError: invalid syntax"):
        Container.create(workshop.id(), bundle=path, **options)

    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_document_for_nobody_runs_its_program(workshop, looker):
    """
    An executor is asked first; where none wants it, the command is a program.
    """
    path = str(workshop.bundle("exit 6").path)
    options = {"root": str(workshop.root), "executors": [looker.Looker()]}

    with Container.create(workshop.id(), bundle=path, **options) as container:
        container.start()
        assert container.wait() == 6


def test_nothing_is_executed_beside_it(workshop, bundle, looker):
    """
    exec would meet the interpreter.
    """
    path = bundle("while True: pass")
    options = {"root": str(workshop.root), "executors": [looker.Looker()]}
    with Container.create(workshop.id(), bundle=path, **options) as container:
        container.start()
        assert container.status == "running"

        with pytest.raises(WrongStatus, match="cannot exec in a container that runs looker"):
            container.exec("true")


def test_a_class_that_cannot_be_imported_is_refused(workshop, bundle):
    """
    The fresh interpreter gets executors as pickle writes them.
    """

    class Local:
        name = "local"

    with pytest.raises(InitFailed, match="an executor must be of a class that can be imported"):
        Container.create(workshop.id(), bundle=bundle(""), executors=[Local()])


def shared(config):
    config["linux"]["namespaces"] = [n for n in config["linux"]["namespaces"] if n["type"] != "pid"]


def hooked(config):
    config["hooks"] = {"startContainer": [{"path": "/bin/true"}]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(shared, "looker needs a new pid namespace", id="pid-namespace"),
        pytest.param(hooked, "startContainer hooks are not supported beside looker", id="hooks"),
    ],
)
def test_where_an_interpreter_may_not_be_seen(workshop, bundle, looker, change, text):
    """
    Not by other containers, and not by what else would run in this one.
    """
    path = bundle("", change)
    options = {"root": str(workshop.root), "executors": [looker.Looker()]}

    with pytest.raises(SpecError, match=text):
        Container.create(workshop.id(), bundle=path, **options)


def test_interpreter_that_is_the_hosts_file(workshop, bundle, looker):
    """
    Without a sealed copy it is only run where nobody is root of the host.
    """

    def with_user(config):
        config["linux"]["namespaces"].append({"type": "user"})
        config["linux"] |= {"uidMappings": MAP, "gidMappings": MAP}

    root, executors = str(workshop.root), [looker.Looker()]
    options = CreateOptions(root=root, bundle=bundle(""), executors=executors)
    with pytest.raises(SpecError, match="looker needs a user namespace of the container's own"):
        create(workshop.id(), options)

    path = bundle("status = 8", with_user)
    subprocess.run(["chown", "-R", "100000:100000", f"{path}/rootfs"], check=True)
    id, options = workshop.id(), CreateOptions(root=root, bundle=path, executors=executors)
    with Container(id, root=root, pid=create(id, options)) as container:
        container.start()
        assert container.wait() == 8
