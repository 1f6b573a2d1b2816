"""The launcher and the trust in its path."""

import os
import shutil
import subprocess
import sys

import pytest

from pyoci import modules, setup
from pyoci.setup import SetupError, launcher_text, untrusted_parents, versioned, write_launcher

PROGRAM = """\
def main():
    import sys
    print(sys.argv[1:], sys.flags.isolated, sys.flags.no_site, sys.flags.dont_write_bytecode,
          sys.flags.utf8_mode)
    return 7
"""


NO_MODULES = "/nonexistent/pyoci.modules"  # a launcher works without


@pytest.fixture
def folder(tmp_path):
    """A folder with a package `pyoci` that says how it was started."""
    package = tmp_path / "packages" / "pyoci"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "main.py").write_text(PROGRAM)
    shutil.copy(modules.__file__, package)
    return tmp_path / "packages"


def write(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def link_to_python(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(os.path.realpath(sys.executable))
    return str(path)


def deep(tmp_path, length):
    """An interpreter whose `#!` line is `length` bytes long."""
    rest = length - len(f"#!{tmp_path}//python {setup.FLAGS}")
    parts = [rest] if rest < 200 else [150, rest - 151]
    return link_to_python(tmp_path.joinpath(*["d" * n for n in parts], "python"))


@pytest.mark.parametrize(
    ("length", "first"),
    [
        pytest.param(200, b"#!/", id="usual"),
        pytest.param(255, b"#!/", id="longest-that-the-kernel-reads"),
        pytest.param(256, b"#!/bin/sh\n", id="too-long-for-the-kernel"),
    ],
)
def test_launcher_starts_the_interpreter_isolated(tmp_path, folder, length, first):
    """
    The interpreter is named directly if the kernel reads the whole line, else through sh.
    """
    text = launcher_text(deep(tmp_path, length), [str(folder)], NO_MODULES)
    launcher = write(tmp_path / "pyoci", text)

    done = subprocess.run([launcher, "a b", "--c"], capture_output=True, text=True)

    assert text.encode().startswith(first)
    assert (b"/bin/sh" in text.encode()) == (length > 255)
    assert done.stdout == "['a b', '--c'] 1 1 1 1\n"
    assert (done.returncode, done.stderr) == (7, "")


def test_blank_in_the_path_goes_through_sh(tmp_path, folder):
    """
    A `#!` line ends the interpreter's name at a blank, sh does not.
    """
    python = link_to_python(tmp_path / "with blank" / "python")
    launcher = write(tmp_path / "my pyoci", launcher_text(python, [str(folder)], NO_MODULES))

    done = subprocess.run([launcher, "--c"], capture_output=True, text=True)

    assert done.stdout == "['--c'] 1 1 1 1\n"
    assert (done.returncode, done.stderr) == (7, "")


@pytest.mark.parametrize("bad", list("\"'`$\\\n"))
def test_path_that_no_launcher_can_hold_is_refused(bad):
    """
    A character that sh or Python would read as its own is refused by name.
    """
    with pytest.raises(SetupError, match="in the interpreter's path"):
        launcher_text(f"/a b{bad}/python", [], NO_MODULES)


def test_path_that_is_not_utf8_is_refused():
    """
    Python source is UTF-8, so a launcher cannot name other bytes.
    """
    with pytest.raises(SetupError, match="not UTF-8"):
        launcher_text("/usr/bin/python3", [os.fsdecode(b"/\xff")], NO_MODULES)


def test_launcher_names_the_version(tmp_path):
    """
    `python3` may become another version, whose packages are in other folders.
    """
    name = "python{}.{}".format(*sys.version_info)
    plain = link_to_python(tmp_path / "python3")
    assert versioned(plain) == plain

    link_to_python(tmp_path / name)

    assert versioned(plain) == str(tmp_path / name)


def test_launcher_finds_every_package(tmp_path):
    """
    The written launcher's folders hold our packages and what they import, without `site`.
    """
    write_launcher(str(tmp_path / "pyoci"))
    lines = (tmp_path / "pyoci").read_text().splitlines()
    (folders,) = [line for line in lines if line.startswith("folders = [")]
    imports = [f"import {name}" for name in setup.OURS + setup.THEIRS]
    program = "\n".join(["import sys", folders, "sys.path += folders", *imports])

    done = subprocess.run([sys.executable, "-IS", "-c", program], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")


def test_launcher_replaces_another_file_at_once(tmp_path):
    """
    A file that an engine is just starting is not written into; what is right stays as it is.
    """
    target = tmp_path / "pyoci"
    target.write_text("#!/bin/false")
    old = target.stat().st_ino

    write_launcher(str(target))
    new = target.stat()
    write_launcher(str(target))

    assert new.st_ino != old
    assert new.st_mode & 0o777 == 0o755
    assert target.stat().st_mtime_ns == new.st_mtime_ns
    assert sorted(os.listdir(tmp_path)) == ["pyoci", "pyoci.modules"]


def test_launcher_that_cannot_be_written_leaves_nothing(tmp_path):
    """
    A target that is a folder is named in the error and nothing lies beside it.
    """
    (tmp_path / "pyoci").mkdir()

    with pytest.raises(SetupError, match="is a directory|Is a directory"):
        write_launcher(str(tmp_path / "pyoci"))

    assert os.listdir(tmp_path) == ["pyoci"]


@pytest.fixture
def tree(tmp_path):
    """A folder all of whose parents are trusted, and the owners that make them so."""
    owners = {0, os.geteuid()}
    tree = tmp_path / "tree"
    tree.mkdir(mode=0o755)
    if faults := list(untrusted_parents(str(tree), owners)):
        pytest.skip(f"no temporary folder of our own: {faults[0]}")
    (tree / "file").write_text("")
    (tree / "file").chmod(0o644)
    return tree, owners


def test_own_folder_is_trusted(tree):
    """
    What only the owners may write needs no remark.
    """
    folder, owners = tree
    assert list(untrusted_parents(str(folder / "file"), owners)) == []


@pytest.mark.parametrize(
    ("mode", "gid", "fault"),
    [
        pytest.param(0o777, 0, "writable by everybody", id="everybody"),
        pytest.param(0o775, 12345, "writable by a group or an access list", id="group"),
        pytest.param(0o775, 0, None, id="root-group"),
        pytest.param(0o1777, 0, None, id="sticky"),
        pytest.param(0o755, 12345, None, id="not-writable"),
    ],
)
def test_folder_that_others_may_write(tree, mode, gid, fault):
    """
    Who may write in a folder on the way decides what lies behind it.
    """
    if os.geteuid() != 0:
        pytest.skip("giving files to groups needs root")
    folder, owners = tree
    os.chown(folder, -1, gid)
    folder.chmod(mode)

    found = list(untrusted_parents(str(folder / "file"), owners))

    assert found == ([f"{folder}: {fault}"] if fault else [])


def test_file_of_another_owner(tree):
    """
    The owner of a file may always write it.
    """
    if os.geteuid() != 0:
        pytest.skip("giving files away needs root")
    folder, owners = tree
    os.chown(folder / "file", 12345, 0)

    found = list(untrusted_parents(str(folder / "file"), owners))

    assert found == [f"{folder}/file: owned by uid 12345"]


def test_link_through_an_untrusted_folder(tree):
    """
    A link's own folder and the folder it leads to both count, and `..` behind it too.
    """
    folder, owners = tree
    (folder / "open" / "inner").mkdir(parents=True)
    (folder / "open").chmod(0o777)
    (folder / "link").symlink_to("open/inner")

    assert list(untrusted_parents(str(folder / "link"), owners)) == [
        f"{folder}/open: writable by everybody"
    ]
    assert list(untrusted_parents(str(folder / "link" / ".." / "inner"), owners)) == [
        f"{folder}/open: writable by everybody"
    ]


def test_links_in_a_circle(tree):
    """
    A path that leads nowhere is the kernel's own error.
    """
    folder, owners = tree
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")

    with pytest.raises(OSError, match="Too many levels"):
        list(untrusted_parents(str(folder / "a"), owners))


def test_module_writes_the_launcher(tmp_path):
    """
    `python -m pyoci.setup launcher PATH` is what the recipes call.
    """
    target = tmp_path / "pyoci"
    command = [sys.executable, "-I", "-m", "pyoci.setup"]

    done = subprocess.run([*command, "launcher", target], capture_output=True, text=True)
    wrong = subprocess.run(command, capture_output=True, text=True)

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert target.read_text().startswith("#!")
    assert (wrong.returncode, wrong.stderr[:6]) == (1, "usage:")
