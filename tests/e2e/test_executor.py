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


class Early(Looker):
    """Runs what stands below a line, in prepare."""

    def prepare(self, args, env):
        super().prepare(args, env)
        with open(args[0]) as file:
            exec(file.read().partition("#prepare")[2], {"os": os})


class Plain(Looker):
    """Opens nothing."""

    def prepare(self, args, env):
        pass

    def exec(self, args, env):
        return 4


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
    # As after the exec of a program by an ordinary user.
    assert sets == ["CapEff " + "0" * 16, "CapPrm " + "0" * 16, "CapBnd 0000000020000420"]
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

    with pytest.raises(InitFailed, match="in a module that can be imported"):
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


def test_capabilities_of_root(bundle, run):
    """
    Root has what its bounding and inheritable sets give, as after an exec.
    """
    text = """
    lines = open("/proc/self/status").read().split("\\n")
    print(*[line for line in lines if line.startswith(("CapEff", "CapPrm"))])
    """

    assert run(bundle(text))[1].split()[1::2] == ["0000000020000420"] * 2


def test_interpreter_that_is_the_hosts_file(workshop, bundle, looker):
    """
    Only a sealed copy is run: what the library starts for it, and the program here is not.
    """
    executors = [looker.Looker()]
    options = CreateOptions(root=str(workshop.root), bundle=bundle(""), executors=executors)

    with pytest.raises(SpecError, match="looker needs a sealed copy of the runtime's interpreter"):
        create(workshop.id(), options)


def with_user(config):
    config["linux"]["namespaces"].append({"type": "user"})
    config["linux"] |= {"uidMappings": MAP, "gidMappings": MAP}


def with_right(config):
    for kind in ("bounding", "effective", "permitted"):
        config["process"]["capabilities"][kind].append("CAP_CHECKPOINT_RESTORE")


def test_rights_over_what_is_mapped(workshop, bundle, looker, run):
    """
    The interpreter's libraries are files of the host; who could open them must not be root there.
    """

    def both(config):
        with_user(config)
        with_right(config)

    with pytest.raises(SpecError, match="may not have CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE"):
        run(bundle("", with_right))

    path = bundle("status = 8", both)
    subprocess.run(["chown", "-R", "100000:100000", f"{path}/rootfs"], check=True)
    assert run(path)[0] == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(r"raise OSError(2, 'x', '\udcff\0')", "x", id="no-text"),
        pytest.param("class E(Exception):\n def __str__(self): 1 / 0\nraise E", "E", id="no-str"),
        pytest.param("raise ValueError('a' * 100_000)", "aaaa", id="long"),
        pytest.param("os._exit(3)", "container init ended unexpectedly", id="gone"),
    ],
)
def test_why_prepare_failed(workshop, bundle, looker, text, expected):
    """
    Told by create, whatever the error is made of.
    """
    path = bundle(f"raise SystemExit\n#prepare\n{text}")
    options = {"root": str(workshop.root), "executors": [looker.Early()]}

    with pytest.raises(InitFailed, match=expected):
        Container.create(workshop.id(), bundle=path, **options)


def test_streams_and_environment_are_the_containers(bundle, run, monkeypatch):
    """
    What the program that creates has in its environment is not there.
    """
    monkeypatch.setenv("SECRET", "1")
    text = "print(dict(os.environ)); sys.stdout.close(); status = 7"

    status, said = run(bundle(text, env=["A=b", "PATH=/bin"]))

    assert status == 7
    assert said == "{'A': 'b', 'PATH': '/bin', 'HOME': '/root'}\n"


def test_children_of_a_workload_hold_nobody_up(workshop, bundle, looker):
    """
    A process that it forks while it prepares does not keep `start` from seeing it run.
    """
    text = "raise SystemExit\n#prepare\nif os.fork() == 0:\n while True: pass"
    options = {"root": str(workshop.root), "executors": [looker.Early()]}
    with Container.create(workshop.id(), bundle=bundle(text), **options) as container:
        container.start()

        assert container.wait() == 0


def test_a_filter_that_denies_close(workshop, bundle, looker):
    """
    What cannot be closed ends with the process; the workload runs.
    """
    refusal = {"names": ["close"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [refusal]}
    path = bundle("", lambda config: config["linux"].update(seccomp=profile))
    options = {"root": str(workshop.root), "executors": [looker.Plain()]}

    with Container.create(workshop.id(), bundle=path, **options) as container:
        container.start()
        assert container.wait() == 4


def test_an_interpreter_that_is_not_there(workshop, bundle):
    """
    An error of the library's own.
    """
    with pytest.raises(InitFailed, match="start the interpreter /no/python: no such file"):
        Container.create(
            workshop.id(), bundle=bundle(""), root=str(workshop.root), pass_fds=(0,),
            python="/no/python",
        )  # fmt: skip
