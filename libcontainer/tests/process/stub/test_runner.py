"""What the machine code does with a list."""

import errno
import os
import shutil
import struct
import subprocess

import pytest

from libcontainer.process.stub.image import (
    _WORDS,
    Address,
    Buffer,
    Call,
    Pointers,
    Result,
    Struct,
    build_image,
)
from libcontainer.process.stub.memfd import sealed
from libcontainer.process.stub.report import read_failure, read_pid

AT_FDCWD = -100
F_DUPFD = 0
F_SETFD = 2
SIGCHLD = 17
PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER = 1


def say(stub, text, **how):
    return Call(stub.number.write, (stub.report, text, len(text)), **how)


def execve(stub, path, argv, env=(), **how):
    return Call(stub.number.execve, (path, Pointers(argv), Pointers(env)), **how)


def instruction(code, value, *, equal=0, unequal=0):
    return struct.pack("<HBBI", code, equal, unequal, value)


def answer(number, code):
    """A filter that answers the call `number` with the errno `code` and allows all others."""
    return b"".join(
        [
            instruction(0x20, 0),  # load the number
            instruction(0x15, number, unequal=1),
            instruction(0x06, 0x0005_0000 | code),  # SECCOMP_RET_ERRNO
            instruction(0x06, 0x7FFF_0000),  # SECCOMP_RET_ALLOW
        ]
    )


def load(stub, program):
    count = len(program) // 8
    fprog = Struct(struct.pack("<H6x", count), Address(program))
    return [
        Call(stub.number.prctl, (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)),
        Call(stub.number.seccomp, (SECCOMP_SET_MODE_FILTER, 0, fprog)),
    ]


class TestList:
    def test_empty_list_ends_with_127(self, stub):
        """
        The end of the list is never a success: a list that should exec has not done so.
        """
        done = stub.run([])

        assert (done.status, done.said, done.stderr) == (127, b"", b"")

    def test_calls_run_in_order(self, stub):
        """
        The calls are done one after the other.
        """
        done = stub.run([say(stub, b"one "), say(stub, b"two "), say(stub, b"three")])

        assert (done.status, done.said) == (127, b"one two three")

    def test_a_thousand_calls_fit(self, stub):
        """
        The list is as long as it has to be.
        """
        calls = [say(stub, b"x")] * 999 + [say(stub, b"end", want=3)]

        assert stub.run(calls).said == b"x" * 999 + b"end"

    def test_most_results_that_fit_are_kept_apart(self, stub):
        """
        Each result that is used has a place of its own.
        """
        calls = [
            *[Call(stub.number.fcntl, (stub.report, F_DUPFD, 300 + i)) for i in range(255)],
            *[Call(stub.number.write, (Result(i), b"%c" % i, 1)) for i in range(255)],
        ]

        assert stub.run(calls).said == bytes(range(255))

    def test_six_arguments_arrive(self, stub, tmp_path):
        """
        All six argument registers are loaded: mmap's sixth is the offset in the file.
        """
        mmap = {"x86_64": 9, "aarch64": 222}[stub.arch]
        page = os.sysconf("SC_PAGESIZE")
        file = tmp_path / "file"
        file.write_bytes(b"x" * page + b"second")
        calls = [
            Call(stub.number.openat, (AT_FDCWD, os.fsencode(file), os.O_RDONLY)),
            # PROT_READ; MAP_PRIVATE | MAP_FIXED
            Call(mmap, (0x2000_0000, page, 1, 0x12, Result(0), page), want=0x2000_0000),
            Call(stub.number.write, (stub.report, Result(1), 6)),
        ]

        assert stub.run(calls).said == b"second"

    def test_arguments_not_given_are_zero(self, stub):
        """
        prctl refuses no_new_privs unless the three arguments behind it are zero.
        """
        calls = [
            Call(stub.number.getpid, (-1, -1, -1, -1, -1, -1)),
            Call(stub.number.prctl, (PR_SET_NO_NEW_PRIVS, 1)),
        ]

        assert stub.run(calls).said == b""

    def test_negative_numbers_are_twos_complement(self, stub):
        """
        AT_FDCWD is -100, in 64 bits.
        """
        calls = [
            Call(stub.number.openat, (AT_FDCWD, b"/dev/null", 0, 0)),
            Call(stub.number.close, (Result(0),)),
        ]

        assert stub.run(calls).said == b""

    def test_result_is_an_argument_of_a_later_call(self, stub):
        """
        A result is passed on as a number: a new descriptor, a length.
        """
        calls = [
            Call(stub.number.fcntl, (stub.report, F_DUPFD, 150), want=150),
            say(stub, b"four"),
            Call(stub.number.write, (Result(0), b"more than four", Result(1))),
        ]

        assert stub.run(calls).said == b"fourmore"

    def test_buffer_is_written_by_one_call_and_read_by_another(self, stub):
        """
        A buffer is one place for all the calls that are given it, and apart from the results.
        """
        buffer, other = Buffer(16), Buffer(3)
        calls = [
            Call(stub.number.read, (stub.gate, buffer, 5), want=5),
            Call(stub.number.read, (stub.gate, other, 3), want=3),
            Call(stub.number.write, (stub.report, buffer, Result(0))),
            Call(stub.number.write, (stub.report, other, Result(1))),
        ]

        assert stub.run(calls, gate=b"abcdefgh").said == b"abcdefgh"

    def test_nothing_comes_from_argv_or_environment(self, stub):
        """
        Whoever starts the stub again with other words gets the same list.
        """
        done = stub.run([say(stub, b"x")], argv=["stub", "-c", "id"], env={"STUB": "id"})

        assert (done.status, done.said) == (127, b"x")

    def test_only_the_calls_of_the_list_are_made(self, native, tmp_path):
        """
        The program makes the system calls of its list and exit_group, no other.
        """
        if shutil.which("strace") is None:
            pytest.skip("no strace to see system calls with")
        image = build_image(
            [Call(native.number.getppid), Call(native.number.getpid)],
            arch=native.arch,
            report_fd=native.report,
        )
        program = tmp_path / "stub"
        program.write_bytes(image)
        program.chmod(0o700)

        trace = tmp_path / "trace"
        subprocess.run(["strace", "-o", trace, program], check=False)

        names = [line.partition("(")[0] for line in trace.read_text().splitlines()[:-1]]
        assert names == ["execve", "getppid", "getpid", "exit_group"]


class TestFailure:
    def test_failure_reports_index_and_errno(self, stub):
        """
        The first failing call ends the run: its index and errno, status 127.
        """
        done = stub.run([say(stub, b"x"), Call(stub.number.close, (999,)), say(stub, b"y")])

        assert done.status == 127
        assert done.said[:1] == b"x"
        assert read_failure(done.said[1:]) == (1, errno.EBADF)

    def test_ignored_failure_goes_on(self, stub):
        """
        `ignore` makes any result good.
        """
        calls = [Call(stub.number.close, (999,), ignore=True), say(stub, b"y")]

        assert stub.run(calls).said == b"y"

    def test_ignored_failure_is_a_result_too(self, stub):
        """
        The result of an ignored failure is the negative errno.
        """
        calls = [
            Call(stub.number.close, (999,), ignore=True),
            Call(stub.number.close, (Result(0),), ignore=True),
            say(stub, b"y"),
        ]

        assert stub.run(calls).said == b"y"

    def test_wanted_result_goes_on(self, stub):
        """
        `want` is the only good result.
        """
        assert stub.run([say(stub, b"x", want=1), say(stub, b"y")]).said == b"xy"

    def test_unwanted_result_reports_without_errno(self, stub):
        """
        A result other than `want` is a failure without an errno: end of file on the gate.
        """
        calls = [Call(stub.number.read, (stub.gate, Buffer(1), 1), want=1), say(stub, b"y")]

        done = stub.run(calls)

        assert done.status == 127
        assert read_failure(done.said) == (0, None)

    def test_refused_call_with_want_reports_its_errno(self, stub):
        """
        `want` does not hide an errno.
        """
        done = stub.run([Call(stub.number.close, (999,), want=0)])

        assert read_failure(done.said) == (0, errno.EBADF)

    def test_closed_report_still_ends_with_127(self, stub):
        """
        Nobody to report to is no reason to go on.
        """
        calls = [
            Call(stub.number.close, (stub.report,)),
            Call(stub.number.close, (999,)),
            execve(stub, b"/bin/true", [b"true"]),
        ]

        done = stub.run(calls)

        assert (done.status, done.said) == (127, b"")

    def test_refused_exit_kills(self, native):
        """
        A filter that refuses exit_group does not make the program run into what follows.
        """
        exit_group = {"x86_64": 231, "aarch64": 94}[native.arch]

        done = native.run(load(native, answer(exit_group, errno.EPERM)))

        assert done.status in (-4, -5)  # SIGILL, SIGTRAP


class TestText:
    @pytest.mark.parametrize(
        ("path", "words"),
        [
            pytest.param("none", b"no such file or directory", id="ENOENT"),
            pytest.param("plain", b"permission denied", id="EACCES"),
            pytest.param("junk", b"exec format error", id="ENOEXEC"),
            pytest.param("plain/x", b"not a directory", id="ENOTDIR"),
            pytest.param("loop", b"too many levels of symbolic links", id="ELOOP"),
            pytest.param("n" * 256, b"file name too long", id="ENAMETOOLONG"),
        ],
    )
    def test_refused_exec_is_told_in_words(self, stub, tmp_path, path, words):
        """
        A failing execve with a text writes one line on fd 2, reports nothing, and exits 1.
        """
        (tmp_path / "plain").write_text("")
        (tmp_path / "junk").write_bytes(b"\x7fjunk")
        (tmp_path / "junk").chmod(0o755)
        (tmp_path / "loop").symlink_to("loop")
        program = os.fsencode(tmp_path / path)

        done = stub.run([execve(stub, program, [b"x"], text=b"exec " + program + b": ")])

        assert (done.status, done.said) == (1, b"")
        assert done.stderr == b"exec " + program + b": " + words + b"\n"

    def test_too_many_arguments_are_told(self, native):
        """
        A string above 128 KiB is E2BIG.
        """
        done = native.run([execve(native, b"/bin/true", [b"x" * 140_000], text=b"exec: ")])

        assert (done.status, done.stderr) == (1, b"exec: argument list too long\n")

    def test_other_errno_is_unknown(self, stub):
        """
        An errno that execve does not have is told as unknown.
        """
        done = stub.run([Call(stub.number.close, (999,), text=b"close: ")])

        assert (done.status, done.stderr) == (1, b"close: unknown error\n")

    def test_longest_text_is_told_whole(self, stub):
        """
        The longest text that the builder takes comes in one piece.
        """
        text = b"exec " + b"x" * 3995

        done = stub.run([execve(stub, b"/none", [], text=text)])

        assert done.stderr == text + b"no such file or directory\n"

    def test_words_are_the_c_library_s_in_lower_case(self):
        """
        The words for an errno are those of other runtimes: strerror in lower case.
        """
        table, words = _WORDS, {}
        while table:
            number, length = table[:2]
            words[number] = table[2 : 2 + length].decode()
            table = table[2 + length :]

        assert words.pop(0) == "unknown error\n"
        assert words == {number: os.strerror(number).lower() + "\n" for number in words}

    def test_text_needs_only_write(self, native):
        """
        After the filter the stub's own calls are write, execve and exit_group.
        """
        writev = {"x86_64": 20, "aarch64": 66}[native.arch]
        calls = [*load(native, answer(writev, errno.EPERM)), execve(native, b"/none", [], text=b"")]

        assert native.run(calls).stderr == b"no such file or directory\n"


def split(said):
    """Take the forking parent's report out of what it and its child, of one byte, have said."""
    return (said[1:], said[:1]) if said[:1] != b"P" else (said[:9], said[9:])


class TestFork:
    def test_parent_reports_the_pid_and_the_child_goes_on(self, stub):
        """
        The process that forked reports its child's pid and exits 0; the child does the rest.

        Both run at once, so a reader must take their messages in either order.
        """
        calls = [
            Call(stub.number.clone, (SIGCHLD, 0, 0, 0, 0), fork=True),
            say(stub, b"c"),
        ]

        done = stub.run(calls)

        assert done.status == 0
        report, rest = split(done.said)
        assert read_pid(report) > 1
        assert rest == b"c"

    def test_child_gets_zero(self, stub):
        """
        In the child the call's result is 0.
        """
        calls = [
            Call(stub.number.clone, (SIGCHLD, 0, 0, 0, 0), fork=True),
            Call(stub.number.write, (stub.report, b"none", Result(0)), want=0),
            say(stub, b"c"),
        ]

        assert split(stub.run(calls).said)[1] == b"c"

    def test_refused_fork_is_a_failure(self, stub):
        """
        A fork that the kernel refuses is reported like any call.
        """
        done = stub.run([Call(stub.number.close, (999,), fork=True)])

        assert (done.status, read_failure(done.said)) == (127, (0, errno.EBADF))


class TestExec:
    def test_payload_gets_argv_and_environment_exactly(self, stub):
        """
        argv and envp are the list's, byte for byte, empty strings included.
        """
        argv = [b"cat", b"/proc/self/cmdline", b"/proc/self/environ", b"", b"\xff \n"]
        env = [b"A=", b"", b"B=\x80=\n", b"NAME"]
        calls = [
            Call(stub.number.close, (1,)),
            Call(stub.number.fcntl, (stub.report, F_DUPFD, 1), want=1),
            execve(stub, b"/bin/cat", argv, env, text=b"exec: "),
        ]

        done = stub.run(calls)

        assert done.said == b"".join([item + b"\0" for item in argv + env])

    def test_large_environment_arrives(self, stub):
        """
        100 kB of environment arrive.
        """
        env = [b"V%d=" % i + b"x" * 100 for i in range(1000)]
        calls = [
            Call(stub.number.close, (1,)),
            Call(stub.number.fcntl, (stub.report, F_DUPFD, 1), want=1),
            execve(stub, b"/bin/cat", [b"cat", b"/proc/self/environ"], env, text=b"exec: "),
        ]

        assert stub.run(calls).said == b"".join([item + b"\0" for item in env])

    def test_exit_status_is_the_payload_s(self, stub):
        """
        After execve nothing of the stub is left.
        """
        assert stub.run([execve(stub, b"/bin/sh", [b"sh", b"-c", b"exit 7"])]).status == 7

    def test_filter_is_loaded(self, native):
        """
        A struct that holds an address works for real: the kernel loads the filter behind it.
        """
        program = answer(native.number.getppid, 42)

        done = native.run([*load(native, program), Call(native.number.getppid)])

        assert read_failure(done.said) == (2, 42)

    def test_payload_that_starts_the_stub_again_gets_127(self, native, tmp_path):
        """
        A script `#!/proc/self/exe` runs the list again, finds the descriptors closed, and ends.
        """
        script = tmp_path / "script"
        script.write_text("#!/proc/self/exe\n")
        script.chmod(0o755)
        calls = [
            Call(native.number.prctl, (PR_SET_DUMPABLE, 0)),
            Call(native.number.fcntl, (native.report, F_SETFD, 1)),
            say(native, b"S"),
            execve(native, os.fsencode(script), [b"script"], text=b"exec: "),
        ]

        done = native.run(calls)

        assert (done.status, done.said, done.stderr) == (127, b"S", b"")


class TestMemory:
    @pytest.fixture
    def waiting(self, native):
        """Start a stub that has written a byte and waits, and return pid and image."""
        gate_reader, gate_writer = os.pipe()
        reader, writer = os.pipe()
        started = []

        def start(*calls):
            image = build_image(
                [
                    *calls,
                    Call(native.number.write, (writer, b"S", 1)),
                    Call(native.number.read, (gate_reader, Buffer(1), 1), want=1),
                ],
                arch=native.arch,
                report_fd=writer,
            )
            pid = os.fork()
            if pid == 0:
                try:
                    os.set_inheritable(gate_reader, True)
                    os.set_inheritable(writer, True)
                    os.close(gate_writer)
                    os.execve(sealed(image, name="stub"), ["waiting", "init"], {})
                finally:
                    os._exit(99)
            started.append(pid)
            assert os.read(reader, 1) == b"S"
            return pid, image

        yield start
        for fd in (gate_reader, gate_writer, reader, writer):
            os.close(fd)
        for pid in started:
            os.waitpid(pid, 0)

    def test_only_the_stack_is_writable_and_nothing_is_both(self, waiting):
        """
        Code and list cannot be written, the stack cannot be executed.
        """
        pid, _ = waiting()

        with open(f"/proc/{pid}/maps") as maps:
            rows = [line.split() for line in maps]
        assert [row[5] for row in rows if "w" in row[1]] == ["[stack]"]
        assert [row[1] for row in rows if row[5].startswith("/memfd:")] == ["r-xp", "r--p"]
        assert not [row for row in rows if "w" in row[1] and "x" in row[1]]

    def test_waiting_costs_the_file_and_what_exec_itself_touches(self, waiting):
        """
        A waiting stub maps the pages of its file, once, and the stack's that the kernel filled.
        """
        pid, image = waiting()

        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            sizes = {line.split(":")[0]: line.split()[1] for line in rollup.readlines()[1:]}
        page = os.sysconf("SC_PAGESIZE")
        assert int(sizes["Pss_Shmem"]) * 1024 == -(-len(image) // page) * page
        # Strings, tables, and 16 random bytes that may lie across a boundary.
        assert int(sizes["Pss_Anon"]) * 1024 <= 3 * page

    def test_waiting_keeps_its_command_line(self, waiting, native):
        """
        `ps` shows what Python gave as argv: results do not overwrite the strings.
        """
        getpid = Call(native.number.getpid)
        pid, _ = waiting(
            *[getpid] * 100,
            *[Call(native.number.close, (Result(i),), ignore=True) for i in range(20)],
        )

        with open(f"/proc/{pid}/cmdline", "rb") as file:
            assert file.read() == b"waiting\0init\0"
