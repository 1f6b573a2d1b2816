import errno
import fcntl
import mmap
import os
import stat
import struct
import subprocess
import sys

import pytest

from libcontainer.process.stub.image import Address, Call, Pointers, Struct, build_image
from libcontainer.process.stub.memfd import Spare, sealed

ARCH = os.uname().machine
SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
F_SEAL_EXEC = 0x20
pytestmark = pytest.mark.skipif(ARCH not in ("x86_64", "aarch64"), reason=f"no stub for {ARCH}")


def empty():
    return build_image([], arch=ARCH, report_fd=3)


@pytest.fixture
def fd():
    """A sealed memfd that holds an empty list."""
    fd = sealed(empty(), name="stub")
    yield fd
    os.close(fd)


def run(fd, before=lambda: None):
    """Execute `fd` in a child and return its exit status, 90 if that was refused."""
    pid = os.fork()
    if pid == 0:
        try:
            before()
            os.execve(fd, ["stub"], {})
        except OSError:
            os._exit(90)
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class TestSealed:
    def test_content_and_mode(self, fd):
        """
        The file holds the image, has mode 0511, and is close-on-exec.
        """
        assert os.pread(fd, 1 << 20, 0) == empty()
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o511
        assert not os.get_inheritable(fd)
        assert os.readlink(f"/proc/self/fd/{fd}") == "/memfd:stub (deleted)"

    def test_seals(self, fd):
        """
        No more seals, no shrinking, growing or writing; where the kernel knows it, no chmod.
        """
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)

        assert seals & SEALS == SEALS

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda fd: os.pwrite(fd, b"x", 0), id="write"),
            pytest.param(lambda fd: os.ftruncate(fd, 0), id="shrink"),
            pytest.param(lambda fd: os.ftruncate(fd, 1 << 20), id="grow"),
            pytest.param(lambda fd: os.posix_fallocate(fd, 0, 1 << 20), id="allocate"),
            pytest.param(lambda fd: mmap.mmap(fd, 0, mmap.MAP_SHARED), id="map"),
            pytest.param(lambda fd: fcntl.fcntl(fd, fcntl.F_ADD_SEALS, 0x10), id="seal"),
        ],
    )
    def test_nothing_changes_it(self, fd, change):
        """
        A sealed file refuses every change, root's too.
        """
        with pytest.raises(PermissionError):
            change(fd)

    def test_it_stays_executable(self, fd):
        """
        From Linux 6.3 on the mode's execute bits are sealed too.
        """
        if not fcntl.fcntl(fd, fcntl.F_GET_SEALS) & F_SEAL_EXEC:
            pytest.skip("the kernel has no F_SEAL_EXEC (Linux 6.3)")

        with pytest.raises(PermissionError):
            os.fchmod(fd, 0o400)

    def test_writable_open_does_not_write(self, fd):
        """
        The file can be opened for writing again, and still not be written.
        """
        if os.geteuid():
            pytest.skip("not root: mode 0511 keeps the owner from opening it for writing")
        again = os.open(f"/proc/self/fd/{fd}", os.O_RDWR)
        try:
            with pytest.raises(PermissionError):
                os.write(again, b"x")
        finally:
            os.close(again)

    def test_it_runs(self, fd):
        """
        The descriptor can be executed although it is close-on-exec.
        """
        assert run(fd) == 127

    def test_it_runs_without_proc(self, fd, tmp_path):
        """
        Executing a descriptor needs no /proc.
        """
        if os.geteuid():
            pytest.skip("not root: cannot chroot into an empty folder")

        assert run(fd, lambda: os.chroot(tmp_path)) == 127

    def test_name_that_the_kernel_refuses(self):
        """
        A name has at most 249 bytes.
        """
        with pytest.raises(OSError) as e:
            sealed(empty(), name="x" * 250)

        assert e.value.errno == errno.EINVAL


def refuse(number, argument, value, code, *, command=None):
    """A filter: the call `number` with `value` among the bits of `argument` gets `code`.

    With `command` only if that is its argument 1: other commands leave anything in the rest.
    """

    def instruction(code, value, equal=0, unequal=0):
        return struct.pack("<HBBI", code, equal, unequal, value)

    asked = (
        [] if command is None else [instruction(0x20, 24), instruction(0x15, command, unequal=3)]
    )
    return b"".join(
        [
            instruction(0x20, 0),
            instruction(0x15, number, unequal=3 + len(asked)),
            *asked,
            instruction(0x20, 16 + 8 * argument),
            instruction(0x45, value, unequal=1),  # any of the bits
            instruction(0x06, 0x0005_0000 | code),
            instruction(0x06, 0x7FFF_0000),
        ]
    )


def run_filtered(program, *filters):
    """Run Python text under filters that the stub loads; return what it prints."""
    prctl, seccomp, dup, execve = {
        "x86_64": (157, 317, 72, 59),
        "aarch64": (167, 277, 25, 221),
    }[ARCH]
    reader, writer = os.pipe()
    argv = [os.fsencode(sys.executable), b"-c", program.encode()]
    env = [os.fsencode(f"{name}={value}") for name, value in os.environ.items()]
    calls = [
        Call(prctl, (38, 1)),
        *[
            Call(seccomp, (1, 0, Struct(struct.pack("<H6x", len(text) // 8), Address(text))))
            for text in filters
        ],
        Call(dup, (writer, 0, 200), want=200),
        Call(execve, (argv[0], Pointers(argv), Pointers(env)), text=b"exec: "),
    ]
    fd = sealed(build_image(calls, arch=ARCH, report_fd=2), name="stub")
    assert run(fd, lambda: os.set_inheritable(writer, True)) == 0
    os.close(fd)
    os.close(writer)
    with open(reader) as file:
        return file.read()


class TestOtherKernels:
    MEMFD_CREATE = {"x86_64": 319, "aarch64": 279}.get(ARCH)
    FCNTL = {"x86_64": 72, "aarch64": 25}.get(ARCH)

    def test_kernel_before_6_3(self):
        """
        A kernel that knows neither MFD_EXEC nor F_SEAL_EXEC gives a sealed file all the same.
        """
        program = """if True:
            import fcntl, os
            from libcontainer.process.stub.memfd import sealed
            fd = sealed(b"x", name="stub")
            os.write(200, b"%o %#x" % (os.fstat(fd).st_mode, fcntl.fcntl(fd, fcntl.F_GET_SEALS)))
        """
        no_flag = refuse(self.MEMFD_CREATE, 1, 0x10, errno.EINVAL)
        add = fcntl.F_ADD_SEALS
        no_seal = refuse(self.FCNTL, 2, F_SEAL_EXEC, errno.EINVAL, command=add)

        assert run_filtered(program, no_flag, no_seal) == "100511 0xf"

    def test_host_that_refuses_executable_memfds(self):
        """
        `vm.memfd_noexec` = 2 is EACCES.
        """
        program = """if True:
            import os
            from libcontainer.process.stub.memfd import sealed
            try:
                sealed(b"x", name="stub")
            except OSError as e:
                os.write(200, f"{e.errno} {e.strerror}".encode())
        """

        said = run_filtered(program, refuse(self.MEMFD_CREATE, 1, 0x10, errno.EACCES))

        assert said == "13 memfd_create: Permission denied"


class TestSpare:
    def test_content_and_mode(self, tmp_path, no_leak):
        """
        The file holds the image, has no name and mode 0511, and cannot be read or written by it.
        """
        fd = Spare((str(tmp_path),)).fill(empty())

        found = os.fstat(fd)
        assert (stat.S_IMODE(found.st_mode), found.st_nlink) == (0o511, 0)
        assert found.st_size == len(empty())
        assert fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_PATH
        assert not os.get_inheritable(fd)
        assert not list(tmp_path.iterdir())
        os.close(fd)

    def test_it_runs(self, tmp_path):
        """
        No writer is left, so it can be executed.
        """
        fd = Spare((str(tmp_path),)).fill(empty())

        assert run(fd) == 127
        os.close(fd)

    def test_it_stands_aside(self, tmp_path, no_leak):
        """
        Its numbers may be wanted for others.
        """
        spare = Spare((str(tmp_path),))
        spare.stand_aside(50)

        assert min(spare.writer, spare.handle) >= 50
        fd = spare.fill(empty())
        assert run(fd) == 127
        os.close(fd)

    def test_it_can_be_given_no_name(self, tmp_path):
        """
        Nobody can link the file into a folder.
        """
        spare = Spare((str(tmp_path),))

        proc = os.open("/proc/self/fd", os.O_RDONLY)
        for fd in (spare.writer, spare.handle):
            with pytest.raises(FileNotFoundError):  # with a folder's fd Python follows the link
                os.link(str(fd), tmp_path / "name", src_dir_fd=proc, follow_symlinks=True)
        os.close(proc)
        spare.close()

    def test_folders_that_cannot_have_it(self, tmp_path, no_leak):
        """
        One mounted noexec, or not there, is passed over; without any it is refused by name.
        """
        if os.geteuid():
            pytest.skip("not root: cannot mount a file system noexec")
        program = f"""if True:
            from libcontainer.process.stub.memfd import Spare
            noexec, none, good = {str(tmp_path)!r}, {str(tmp_path / "none")!r}, "/tmp"
            Spare((noexec, none, good)).close()
            try:
                Spare((noexec, none))
            except OSError as e:
                print(e.errno, e.strerror)
        """
        script = 'mount -t tmpfs -o noexec none "$0" && exec "$1" -c "$2"'

        done = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, tmp_path, sys.executable, program],
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout == (
            "13 memfds may not be executed (vm.memfd_noexec), "
            f"nor files in {tmp_path}, {tmp_path}/none\n"
        )


class TestExecutable:
    PROGRAM = """if True:
        import os
        from libcontainer.process.stub.image import build_image
        from libcontainer.process.stub.memfd import executable, is_refused
        image = build_image([], arch=os.uname().machine, report_fd=3)
        fd = executable(image, name="stub")
        print(is_refused(), os.readlink(f"/proc/self/fd/{fd}"), flush=True)
        os.execve(fd, ["stub"], {})
    """

    @pytest.mark.parametrize(
        ("allowed", "said"), [("0", "False /memfd:stub (deleted)"), ("2", "True /run/#")]
    )
    def test_either_way_it_runs(self, allowed, said):
        """
        A sealed memfd, or where vm.memfd_noexec forbids that an unnamed file on disk.
        """
        if os.geteuid() or not os.path.exists("/proc/sys/vm/memfd_noexec"):
            pytest.skip("needs root and Linux 6.3")
        script = 'echo "$0" >/proc/sys/vm/memfd_noexec && exec "$1" -c "$2"'
        isolated = ["unshare", "--pid", "--fork", "--mount-proc", "sh", "-c", script, allowed]

        done = subprocess.run(
            [*isolated, sys.executable, self.PROGRAM], capture_output=True, text=True
        )

        assert done.returncode == 127, done.stderr
        assert done.stdout.replace("/tmp/#", "/run/#").startswith(said)
