"""Finding the command, its environment and its home, in an image that may be hostile."""

import errno
import os
import stat

import pytest

from libcontainer.errors import InitFailed
from libcontainer.kernel import constants as c
from libcontainer.plan.plan import Command
from libcontainer.process.command import check_size, environment, find, open_cwd
from libcontainer.testing import Link, make_tree

PATH = "PATH=/usr/bin:/bin"
SCRIPT = "#!/bin/sh"
TREE = {
    "bin": {
        "sh": SCRIPT,
        "plain": "not executable",
        "dir": {},
        "link": Link("/usr/bin/tool"),
        "out": Link("../../../../bin/sh"),
        "dangling": Link("/nowhere"),
        "loop": Link("loop"),
    },
    "usr": {"bin": {"tool": SCRIPT, "plain": SCRIPT, "dir": {}}},
    "home": {"run": SCRIPT, "bin": {"mine": SCRIPT}},
    "only": {"plain": "not executable"},
}


@pytest.fixture
def root(tmp_path):
    fd = os.open(make_tree(tmp_path / "image", TREE), c.O_PATH)
    yield fd
    os.close(fd)


@pytest.fixture
def look(root, kernel):
    """Look a command up, standing in /home."""

    def run(name, path=PATH):
        command = Command((name,), (), "/home", 0)
        return find(command, (path,) if path else (), kernel, root)

    return run


def test_a_working_directory_is_a_handle(root, kernel, no_leak):
    """
    None where it may be entered by somebody else only; anything else is refused in runc's words.
    """
    found = open_cwd("/home", kernel, root)
    assert os.path.basename(os.readlink(f"/proc/self/fd/{found}")) == "home"
    os.close(found)

    text = 'chdir to cwd ("/bin/sh") set in config.json failed: not a directory'
    with pytest.raises(InitFailed) as e:
        open_cwd("/bin/sh", kernel, root)
    assert (str(e.value), e.value.stage, e.value.errno) == (text, "cwd", errno.ENOTDIR)

    kernel.fail["openat2"] = errno.EACCES
    assert open_cwd("/home", kernel, root) is None


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        pytest.param("sh", PATH, "/bin/sh", id="second-folder"),
        pytest.param("tool", PATH, "/usr/bin/tool", id="first-folder"),
        pytest.param("/bin/sh", None, "/bin/sh", id="absolute"),
        pytest.param("../bin/sh", None, "../bin/sh", id="beside-the-working-directory"),
        pytest.param("run", "PATH=.", "./run", id="working-directory-in-path"),
        pytest.param("/bin/link", PATH, "/bin/link", id="link-inside"),
        pytest.param("/bin/out", PATH, "/bin/out", id="link-that-stops-at-the-root"),
        pytest.param("link", PATH, "/bin/link", id="link-in-path"),
        pytest.param("./run", PATH, "./run", id="relative"),
        pytest.param("bin/mine", PATH, "bin/mine", id="relative-with-slash"),
        pytest.param("mine", "PATH=bin", "bin/mine", id="relative-folder"),
        pytest.param("run", "PATH=/bin:", "./run", id="empty-folder-is-the-working-directory"),
        pytest.param("plain", "PATH=/bin:/usr/bin", "/usr/bin/plain", id="goes-on-after-refusal"),
        pytest.param("tool", "PATH=/bin/sh:/nowhere:/usr/bin", "/usr/bin/tool", id="odd-folders"),
    ],
)
def test_commands_are_found(look, no_leak, name, path, expected):
    """
    By its path, or by the first folder of PATH that has it; the path is what will be executed.
    """
    assert look(name, path) == expected


@pytest.mark.parametrize(
    ("name", "path", "code", "text"),
    [
        pytest.param("nosuch", PATH, errno.ENOENT,
                     'exec: "nosuch": executable file not found in $PATH', id="not-in-path"),
        pytest.param("sh", None, errno.ENOENT,
                     'exec: "sh": executable file not found in $PATH', id="no-path"),
        pytest.param("sh", "PATH=", errno.ENOENT,
                     'exec: "sh": executable file not found in $PATH', id="empty-path"),
        pytest.param("", PATH, errno.ENOENT,
                     'exec: "": executable file not found in $PATH', id="empty-name"),
        pytest.param("dir", PATH, errno.ENOENT,
                     'exec: "dir": executable file not found in $PATH', id="directory-in-path"),
        pytest.param("dangling", PATH, errno.ENOENT,
                     'exec: "dangling": executable file not found in $PATH', id="dangling-in-path"),
        pytest.param("loop", PATH, errno.ENOENT,
                     'exec: "loop": executable file not found in $PATH', id="loop-in-path"),
        pytest.param("plain", "PATH=/only", errno.EACCES,
                     'exec: "plain": permission denied', id="not-executable-in-path"),
        pytest.param("/nosuch", PATH, errno.ENOENT,
                     'exec: "/nosuch": stat /nosuch: no such file or directory', id="missing"),
        pytest.param("./nosuch", PATH, errno.ENOENT,
                     'exec: "./nosuch": stat ./nosuch: no such file or directory', id="relative"),
        pytest.param("/bin/sh/x", PATH, errno.ENOTDIR,
                     'exec: "/bin/sh/x": stat /bin/sh/x: not a directory', id="below-a-file"),
        pytest.param("/bin/loop", PATH, errno.ELOOP,
                     'exec: "/bin/loop": stat /bin/loop: too many levels of symbolic links',
                     id="loop"),
        pytest.param("/bin/plain", PATH, errno.EACCES,
                     'exec: "/bin/plain": permission denied', id="not-executable"),
        pytest.param(
            *("/bin", PATH, errno.EISDIR, 'exec: "/bin": is a directory: permission denied'),
            id="directory",
        ),
    ],
)  # fmt: skip
def test_commands_are_refused_in_runcs_words(look, no_leak, name, path, code, text):
    """
    Engines make their exit status from these texts.
    """
    with pytest.raises(InitFailed) as e:
        look(name, path)

    assert str(e.value) == text
    assert (e.value.stage, e.value.errno) == ("command", code)


def test_a_device_is_no_command(look, root):
    """
    Only a regular file is executed, whatever its mode.
    """
    os.mkfifo("bin/fifo", 0o777, dir_fd=root)

    with pytest.raises(InitFailed, match='^exec: "/bin/fifo": permission denied$'):
        look("/bin/fifo")


# Environment


def env_of(kernel, root, *env, uid=0):
    return environment(Command(("sh",), env, "/", uid), kernel, root)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(("A=1", "HOME=/h"), ("A=1", "HOME=/h"), id="as-given"),
        pytest.param(("A=1", "HOME=/h", "A=2"), ("A=2", "HOME=/h"), id="the-last-wins"),
        pytest.param(("HOME=/h", "B="), ("HOME=/h", "B="), id="empty-value"),
        pytest.param(("A=b=c", "HOME=x"), ("A=b=c", "HOME=x"), id="equals-in-the-value"),
        pytest.param((), ("HOME=/",), id="home-without-passwd"),
        pytest.param(("HOME=", "A=1"), ("HOME=/", "A=1"), id="empty-home-is-none"),
        pytest.param(("A=a b\n\u00e9", "HOME=x"), ("A=a b\n\u00e9", "HOME=x"), id="any-text"),
    ],
)
def test_environment(kernel, root, no_leak, given, expected):
    """
    The document's entries, each name once, and HOME.
    """
    assert env_of(kernel, root, *given) == expected


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        ("A", "invalid environment variable: missing '=': \"A\""),
        ("", "invalid environment variable: missing '=': \"\""),
        ("=x", 'invalid environment variable: name cannot be empty: "=x"'),
    ],
)
def test_what_is_no_variable_is_refused(kernel, root, entry, text):
    """
    An entry that is not NAME=VALUE is an error.
    """
    with pytest.raises(InitFailed) as e:
        env_of(kernel, root, "A=1", entry)

    assert str(e.value) == text


PASSWD = (
    "root:x:0:0:root:/root:/bin/sh\n"
    "short:x:7\n"
    "# a comment\n"
    "\n"
    "nohome:x:8:8:::/bin/sh\n"
    "user:x:1000:1000::/home/user:/bin/sh\n"
    "other:x:1000:1000::/home/other:/bin/sh\n"
    "5:x:notanumber:0::/wrong:\n"
    "last:x:9:9::/home/last"
)


@pytest.mark.parametrize(
    ("uid", "home"),
    [
        (0, "/root"),
        (1000, "/home/user"),
        (8, "/"),
        (7, "/"),
        (5, "/"),
        (9, "/home/last"),
        (99, "/"),
    ],
)
def test_home_is_that_of_the_image(kernel, root, no_leak, uid, home):
    """
    The first line of the image's passwd with that uid and a home; else `/`.
    """
    make_tree_at(root, PASSWD)

    assert env_of(kernel, root, uid=uid)[-1] == f"HOME={home}"


def make_tree_at(root, passwd):
    os.mkdir("etc", dir_fd=root)
    fd = os.open("etc/passwd", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=root)
    os.write(fd, passwd if isinstance(passwd, bytes) else passwd.encode())
    os.close(fd)


@pytest.mark.parametrize(
    ("passwd", "home"),
    [
        pytest.param(b"", "/", id="empty"),
        pytest.param(b"\xff\xfe\n" + b":" * 5000 + b"\n", "/", id="garbage"),
        pytest.param(b"\xffuser:x:0:0::/h:/bin/sh", "/h", id="bytes-that-are-no-text"),
        pytest.param(b"a:x:1:1::/a:\n" * 40_000 + b"root:x:0:0::/h:", "/h", id="large"),
        pytest.param(b"\0" * (3 << 20) + b"\nroot:x:0:0::/late:", "/", id="beyond-a-mebibyte"),
    ],
)
def test_home_with_odd_files(kernel, root, no_leak, passwd, home):
    """
    Nonsense is passed over; no more than a mebibyte is read.
    """
    make_tree_at(root, passwd)

    assert env_of(kernel, root) == (f"HOME={home}",)


@pytest.mark.parametrize("kind", ["fifo", "directory", "loop", "magic", "outside"])
def test_home_without_a_file_to_read(kernel, root, no_leak, kind):
    """
    A passwd that is a fifo, a directory or a link to nowhere does not hold up anything.
    """
    os.mkdir("etc", dir_fd=root)
    if kind == "fifo":
        os.mkfifo("etc/passwd", dir_fd=root)
    elif kind == "directory":
        os.mkdir("etc/passwd", dir_fd=root)
    else:
        target = {
            "loop": "passwd",
            "magic": "/proc/self/fd/0",
            "outside": "../../../../../../etc/passwd",
        }[kind]
        os.symlink(target, "etc/passwd", dir_fd=root)

    assert env_of(kernel, root) == ("HOME=/",)


def test_a_device_as_passwd_is_not_opened(kernel, root, no_leak):
    """
    Whoever may make nodes in a container makes the runtime open no device with them.
    """
    os.mkdir("etc", dir_fd=root)
    try:
        # /dev/zero: readable, and full of what is no line.
        os.mknod("etc/passwd", stat.S_IFCHR | 0o644, os.makedev(1, 5), dir_fd=root)
    except PermissionError:
        pytest.skip("needs the right to make device nodes")
    opened = []

    class Watching:
        def openat2(self, directory, path, flags, resolve):
            opened.append(flags & c.O_PATH)
            return kernel.openat2(directory, path, flags, resolve)

    assert env_of(Watching(), root) == ("HOME=/",)
    assert opened == [c.O_PATH]


# Sizes


@pytest.mark.parametrize(
    ("args", "env"),
    [
        pytest.param(("sh",), ("A=b",), id="small"),
        pytest.param(("sh", "x" * 131_000), (), id="one-long-string"),
        pytest.param(("sh",), tuple([f"A{i}=" + "x" * 1000 for i in range(1000)]), id="a-megabyte"),
    ],
)
def test_what_an_execve_takes(args, env):
    """
    As long as the kernel takes it, it is no error.
    """
    check_size(args, env)


@pytest.mark.parametrize(
    ("args", "env"),
    [
        pytest.param(("sh", "x" * 131_072), (), id="a-string-of-128-kibibytes"),
        pytest.param(("sh",), ("A=" + "\u00e9" * 65_535,), id="bytes-count"),
        pytest.param(("sh", *["x" * 100_000] * 70), (), id="seven-megabytes"),
    ],
)
def test_what_an_execve_refuses(args, env):
    """
    create says so: when the execve comes, nobody listens.
    """
    with pytest.raises(InitFailed, match='^exec: "sh": argument list too long$') as e:
        check_size(args, env)

    assert e.value.errno == errno.E2BIG
