"""The terminal of a foreground container: keys, sizes, and what becomes of the caller's own.

The runtime is given a pty as its controlling terminal, and the test is who types and looks.
"""

import contextlib
import fcntl
import os
import select
import shlex
import shutil
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import pytest

from .conftest import PATIENCE

pytestmark = [pytest.mark.e2e, pytest.mark.root]

IFLAG, OFLAG, LFLAG, CC = 0, 1, 3, 6
COOKED = termios.ECHO | termios.ICANON | termios.ISIG
LOOP = "while :; do sleep 0.02; done"
CTRL_C, CTRL_D, CTRL_Z = "\x03", "\x04", "\x1a"


class Terminal:
    """A terminal from its keyboard's and screen's side.

    Its attributes are not those of a new one, so that a mere reset does not look like a restore.
    """

    def __init__(self):
        self.master, self.slave = os.openpty()
        os.set_blocking(self.master, False)
        changed = self.attributes
        changed[IFLAG] |= termios.IXANY
        changed[CC][termios.VERASE] = b"\x08"
        termios.tcsetattr(self.slave, termios.TCSANOW, changed)
        self.before = self.attributes
        self.said = ""
        self.seen = 0  # of what was said, by `expect`
        self.process = None

    @property
    def attributes(self):
        return termios.tcgetattr(self.slave)

    @property
    def raw(self):
        return not self.attributes[LFLAG] & COOKED

    def spawn(self, argv, **options):
        """Begin a command as a session's leader with this terminal; stdio may be something else."""

        def control():
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)

        options = dict.fromkeys(("stdin", "stdout", "stderr"), self.slave) | options
        argv = [str(a) for a in argv]
        self.process = subprocess.Popen(argv, start_new_session=True, preexec_fn=control, **options)
        return self.process

    def type(self, keys):
        """Write all of it, reading meanwhile: neither side may wait for the other for ever."""
        rest = keys.encode()
        end = time.monotonic() + PATIENCE
        while rest:
            assert time.monotonic() < end, f"{len(rest)} keys are not taken"
            self.listen()
            if select.select((), (self.master,), (), 0.01)[1]:
                with contextlib.suppress(BlockingIOError):
                    rest = rest[os.write(self.master, rest) :]

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def expect(self, text):
        """Read until `text` comes, after what was expected before."""
        end = time.monotonic() + PATIENCE
        while (found := self.said.find(text, self.seen)) < 0:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} does not come: {self.said[self.seen :][-2000:]!r}"
            self.listen(left)
        self.seen = found + len(text)

    def listen(self, patience=0.0):
        """Read one piece, if there is any; tell whether there was."""
        if not select.select((self.master,), (), (), patience)[0]:
            return False
        self.said += os.read(self.master, 65536).decode()
        return True

    def wait(self):
        """Return the exit status of the command, having read all that it has written."""
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end, f"it does not end: {self.said[-2000:]!r}"
            self.listen(0.01)
        while self.listen():
            pass
        return self.process.returncode

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal():
    found = Terminal()
    yield found
    found.close()


class Run:
    """`run` of a document with a terminal."""

    def __init__(self, workshop):
        self.workshop, self.id = workshop, workshop.id()

    def argv(self, args, change=lambda config: None):
        config = self.workshop.config(*args)
        config["process"]["terminal"] = True
        change(config)
        self.bundle = self.workshop.bundle(config)
        self.rootfs = self.bundle.rootfs
        return self.workshop.argv("run", "-b", self.bundle.path, self.id)


class Exec:
    """`exec -t` in a container that sleeps."""

    def __init__(self, workshop, delete_after):
        self.workshop = workshop
        self.container = workshop.create(["sleep", "1000"])
        delete_after(self.container)
        self.rootfs = self.container.bundle.rootfs
        assert self.container.start().status == 0

    def argv(self, args):
        return self.workshop.argv("exec", "-t", self.container.id, *args)


@pytest.fixture
def run(workshop):
    return Run(workshop)


@pytest.fixture(params=["run", "exec"])
def command(request, workshop):
    """Each of the two that show a terminal."""
    if request.param == "run":
        yield Run(workshop)
        return
    made = []
    yield Exec(workshop, made.append)
    for container in made:
        assert container.delete("--force").status == 0


def program(terminal):
    """Return the pid of the container's process, the runtime's only child."""
    pid = terminal.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


def holds_terminal(pid):
    found = False
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            found = found or os.readlink(path).startswith("/dev/pts/")
    return found


# -- the caller's terminal


def end_of_itself(workshop, terminal):
    terminal.type("0\r")


def end_with_a_status(workshop, terminal):
    terminal.type("7\r")


def kill(workshop, terminal):
    os.kill(program(terminal), signal.SIGKILL)


def terminate(workshop, terminal):
    terminal.process.send_signal(signal.SIGTERM)


def hang_up(workshop, terminal):
    terminal.type("hang\r")
    pid = program(terminal)
    workshop.until(lambda: not holds_terminal(pid), "the hang-up")
    assert terminal.raw
    terminal.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize(
    ("end", "status"),
    [
        pytest.param(end_of_itself, 0, id="ends"),
        pytest.param(end_with_a_status, 7, id="exit 7"),
        pytest.param(kill, 137, id="killed"),
        pytest.param(terminate, 5, id="SIGTERM"),
        pytest.param(hang_up, 5, id="hangs up"),
    ],
)
def test_raw_inside_and_restored_outside(workshop, command, terminal, end, status):
    """Every key is the container's, and the caller's attributes are those of before at the end."""
    script = f"""trap 'exit 5' TERM; echo ready; read x
        [ $x = hang ] || exit $x
        exec <&- >&- 2>&-; {LOOP}"""
    terminal.spawn(command.argv(["sh", "-c", script]))
    terminal.expect("ready\r\n")
    assert terminal.raw
    assert terminal.attributes[OFLAG] == terminal.before[OFLAG]  # for the runtime's own lines

    end(workshop, terminal)

    assert terminal.wait() == status
    assert terminal.attributes == terminal.before


def test_a_failure_leaves_the_terminal(command, terminal):
    """What cannot be run is told as always."""
    terminal.spawn(command.argv(["nothing"]))

    assert terminal.wait() in (1, 255)
    assert 'exec: "nothing": executable file not found in $PATH\r\n' in terminal.said
    assert terminal.attributes == terminal.before


def test_a_failure_while_it_is_shown_restores_the_terminal(run, terminal):
    """A hook that fails when the container runs already."""

    def add_hook(config):
        config["hooks"] = {"poststart": [{"path": "/bin/false"}]}

    terminal.spawn(run.argv(["sleep", "1000"], add_hook))

    assert terminal.wait() == 1
    assert "error running poststart hook #0: exit status 1" in terminal.said
    assert terminal.attributes == terminal.before


# -- sizes


def test_the_size_follows_the_callers(command, terminal):
    """At the start, and whenever the window changes."""
    terminal.resize(30, 100)
    script = f"trap 'stty size' WINCH; trap 'exit 0' TERM; stty size; {LOOP}"
    terminal.spawn(command.argv(["sh", "-c", script]))
    terminal.expect("30 100\r\n")

    terminal.resize(41, 121)

    terminal.expect("41 121\r\n")
    terminal.process.terminate()
    assert terminal.wait() == 0


def test_the_documents_size_is_kept_until_the_window_changes(run, terminal):
    """consoleSize is what somebody asked for."""
    terminal.resize(30, 100)

    def sized(config):
        config["process"]["consoleSize"] = {"height": 33, "width": 77}

    script = f"trap 'stty size' WINCH; trap 'exit 0' TERM; stty size; {LOOP}"
    terminal.spawn(run.argv(["sh", "-c", script], sized))
    terminal.expect("33 77\r\n")

    terminal.resize(41, 121)

    terminal.expect("41 121\r\n")
    terminal.process.terminate()
    assert terminal.wait() == 0


# -- keys


def test_ctrl_c_is_for_the_foreground_of_the_container(command, terminal):
    """The program in the foreground there is interrupted, and nobody else."""
    job = "sh -c 'echo ready; exec sleep 1000'"
    script = f"trap : INT; {job}; echo status $?; read x; exit $x"
    terminal.spawn(command.argv(["sh", "-c", script]))
    terminal.expect("ready\r\n")

    terminal.type(CTRL_C)

    terminal.expect("status 130\r\n")
    terminal.type("3\r")
    assert terminal.wait() == 3


def test_a_shell_with_job_control(command, terminal):
    """Ctrl-Z stops the job inside, which may go on; Ctrl-D ends what reads."""
    terminal.spawn(command.argv(["sh"]))
    terminal.expect("# ")
    terminal.type("sh -c 'echo re''ady; exec cat'\r")
    terminal.expect("ready\r\n")

    terminal.type(CTRL_Z)

    terminal.expect("Stopped")
    terminal.expect("# ")
    terminal.type("fg\r")
    terminal.expect("exec cat")
    terminal.type("again\r")
    terminal.expect("again\r\nagain\r\n")
    terminal.type(CTRL_D)
    terminal.expect("# ")
    terminal.type("(exit 9)\r")
    terminal.expect("# ")
    terminal.type(CTRL_D)
    assert terminal.wait() == 9
    assert terminal.attributes == terminal.before


# -- all of it


def test_large_output_is_complete(command, terminal):
    """What is written last comes too, though the container has ended before it is read."""
    script = "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo end"
    terminal.spawn(command.argv(["sh", "-c", script]))

    assert terminal.wait() == 0
    assert terminal.said.count("x") == 1000000
    assert terminal.said.endswith("\r\nend\r\n")
    assert "\r\r" not in terminal.said


def test_large_input_waits_for_a_slow_reader(command, terminal):
    """More than a terminal holds is kept until it is read."""
    script = "stty -echo; echo ready; until [ -e /go ]; do sleep 0.02; done; wc -c"
    terminal.spawn(command.argv(["sh", "-c", script]))
    terminal.expect("ready\r\n")

    terminal.type(("x" * 79 + "\n") * 4000)
    (command.rootfs / "go").touch()
    terminal.type(CTRL_D)

    terminal.expect("320000\r\n")
    assert terminal.wait() == 0


def test_the_end_of_a_stdin_that_is_no_terminal(workshop, command, terminal):
    """Is no hang-up: the container goes on, and nobody waits for more in a loop.

    The keys of the caller's terminal, which nobody reads, stay what they are.
    """
    script = "read x; echo got $x; until [ -e /go ]; do sleep 0.02; done; echo end; exit 7"
    argv = command.argv(["sh", "-c", script])
    with open(workshop.folder / "input", "w+") as file:
        file.write("something\n")
        file.seek(0)
        terminal.spawn(argv, stdin=file)
    terminal.expect("got something\r\n")
    assert terminal.attributes == terminal.before

    (command.rootfs / "go").touch()

    assert terminal.wait() == 7
    assert terminal.said.endswith("end\r\n")


def test_output_to_a_pipe(command, terminal):
    """stdin is a terminal, and so is what the container has."""
    argv = command.argv(["sh", "-c", "tty; echo ready; read x; echo $x; exit $x"])
    terminal.spawn(argv, stdout=subprocess.PIPE)
    out = terminal.process.stdout
    assert out.readline().startswith(b"/dev/")
    assert out.readline() == b"ready\n"
    assert terminal.raw

    terminal.type("7\r")

    assert out.read() == b"7\n7\n"
    out.close()
    assert terminal.wait() == 7
    assert terminal.attributes == terminal.before


def test_a_process_that_is_left_and_writes_for_ever(run, terminal):
    """The container has ended with its first process, whoever has the terminal open."""

    def shared(config):
        namespaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "pid"]

    script = "(trap '' HUP; while :; do echo y >/dev/console; done) & read x; exit $x"
    terminal.spawn(run.argv(["sh", "-c", script], shared))
    terminal.expect("y\r\n")

    terminal.type("4\r")

    assert terminal.wait() == 4
    assert terminal.attributes == terminal.before


# -- job control of the caller


@pytest.fixture
def bash(terminal):
    """A shell that has the terminal, and stops, resumes and waits for what it starts."""
    found = shutil.which("bash")
    if found is None:
        pytest.skip("needs bash")
    terminal.spawn(
        [found, "--norc", "--noprofile", "--noediting", "-i"], env={**os.environ, "PS1": "host> "}
    )
    terminal.expect("host> ")
    return terminal


def command_line(argv):
    return shlex.join([str(a) for a in argv])


def begin(bash, argv):
    """Run a command in the shell; return its pid."""
    bash.type(command_line(argv) + "\n")
    bash.expect("ready\r\n")
    shell = bash.process.pid
    return int(Path(f"/proc/{shell}/task/{shell}/children").read_text())


def cpu_ticks(pid):
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def finish(bash, status):
    """Leave the shell, whose last command was the runtime."""
    bash.expect("host> ")
    bash.type(f"test $? = {status} && exit 0; exit 1\n")
    assert bash.wait() == 0


SIZES = f"trap 'exit 6' TERM; trap 'stty size' WINCH; echo re''ady; {LOOP}"
READS = "echo re''ady; while read x; do echo got $x; [ $x = end ] && exit 6; done"


@pytest.mark.parametrize("again", ["fg", "bg, fg"])
def test_after_a_stop_the_terminal_is_raw_again(workshop, command, bash, again):
    """The shell has made it its own meanwhile."""
    pid = begin(bash, command.argv(["sh", "-c", READS]))
    assert bash.raw

    os.kill(pid, signal.SIGSTOP)
    bash.expect("Stopped")
    bash.expect("host> ")
    workshop.until(lambda: not bash.raw, "the shell's own attributes")
    if again != "fg":
        # Then the second comes without SIGCONT: it runs already.
        bash.type("bg\n")
        bash.expect("host> ")
    bash.type("fg\n")
    workshop.until(lambda: bash.raw, "raw again")

    bash.type("end\r")
    bash.expect("end\r\ngot end\r\n")
    finish(bash, 6)


def test_after_a_stop_the_size_is_taken_again(workshop, command, bash):
    """The window may have changed while the shell had it."""
    bash.resize(30, 100)
    pid = begin(bash, command.argv(["sh", "-c", SIZES]))
    os.kill(pid, signal.SIGSTOP)
    bash.expect("Stopped")
    bash.resize(44, 144)

    bash.type("fg\n")

    bash.expect("44 144\r\n")
    os.kill(pid, signal.SIGTERM)
    finish(bash, 6)


def test_in_the_background_keys_are_the_shells(workshop, command, bash):
    """The runtime neither reads nor spins nor stops, and tells the shell of its end."""
    pid = begin(bash, command.argv(["sh", "-c", f"trap 'exit 6' TERM; echo re''ady; {LOOP}"]))
    os.kill(pid, signal.SIGSTOP)
    bash.expect("Stopped")
    bash.expect("host> ")
    bash.type("bg\n")
    bash.expect("host> ")
    before, used = bash.attributes, cpu_ticks(pid)

    bash.type("cat\n")  # reads what is typed from here on
    for i in range(20):
        bash.type(f"line {i}\n")
        bash.expect(f"line {i}\r\nline {i}\r\n")
    time.sleep(0.3)  # for processor time to be used, if it is
    assert cpu_ticks(pid) - used < 10  # of 100 in a second
    assert Path(f"/proc/{pid}/stat").read_text().split()[2] != "T"
    assert bash.attributes == before
    bash.type(CTRL_D)
    bash.expect("host> ")

    os.kill(pid, signal.SIGTERM)

    bash.type("wait %1\n")
    bash.expect("host> ")
    finish_line = "echo status $?\n"
    bash.type(finish_line)
    bash.expect("status 6\r\n")
    assert bash.attributes == before
    bash.type("exit 0\n")
    assert bash.wait() == 0


def test_begun_in_the_background(command, bash):
    """It runs, shows what is written, and leaves the terminal to the shell."""
    before = bash.attributes
    line = " ".join(
        [f"'{a}'" for a in map(str, command.argv(["sh", "-c", "echo re''ady; exit 6"]))]
    )
    bash.type(f"{line} &\n")
    bash.expect("ready\r\n")

    bash.type("wait %1; echo status $?\n")

    bash.expect("status 6\r\n")
    assert bash.attributes == before
    bash.type("exit 0\n")
    assert bash.wait() == 0


# -- what the container leaves


def test_orphans_are_reaped_while_the_terminal_is_shown(workshop, run, terminal):
    """Without a pid namespace of its own the container's orphans are the runtime's children."""

    def shared(config):
        namespaces = config["linux"]["namespaces"]
        config["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "pid"]

    script = "for i in 1 2 3 4 5; do (sleep 0.01 & echo $!); done; echo ready; read x; exit $x"
    terminal.spawn(run.argv(["sh", "-c", script], shared))
    terminal.expect("ready\r\n")
    pids = [int(line) for line in terminal.said.split()[:5]]

    for pid in pids:
        workshop.until(lambda: not Path(f"/proc/{pid}").exists(), "the orphan's end")

    terminal.type("8\r")
    assert terminal.wait() == 8


# -- no terminal


def test_without_any_terminal_nothing_is_shown(command, workshop):
    """Nobody could ever end what runs in it."""
    argv = command.argv(["sleep", "1000"])

    result, _ = workshop.command(argv, start_new_session=True, env=workshop.host)

    what, status = ("run", 1) if isinstance(command, Run) else ("exec", 255)
    assert result.status == status
    assert result.stderr == f"{what} failed: open /dev/tty: no such device or address\n"


def test_a_console_socket_in_the_foreground(workshop, console, delete_after):
    """The terminal is shown by who listens there, and the exit status is waited for."""
    command = Exec(workshop, delete_after)
    argv = command.argv(["sh", "-c", "tty; exit 7"])
    argv.insert(argv.index("-t"), f"--console-socket={console.path}")
    process = subprocess.Popen([str(a) for a in argv], stdin=subprocess.DEVNULL)

    console.master()

    assert console.read_to_end().startswith("/dev/pts/")
    assert process.wait(timeout=PATIENCE) == 7
