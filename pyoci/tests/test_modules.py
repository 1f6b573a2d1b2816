"""Modules from one file: never stale, never needed."""

import errno
import os
import pathlib
import subprocess
import sys

import pytest

from pyoci import modules
from pyoci.setup import launcher_text

# What a launcher does, with a package to import in place of the program.
PROGRAM = """
{launcher}
import sample.part
import sample.user
print(type(sample.part.__spec__.loader).__name__, sample.part.VALUE, sample.part.__file__,
      sample.__path__)
print(sample.part.__doc__, sample.part.__package__, sample.user.part is sample.part,
      sample.user._record is sample._record, sample.user.other._record is sample._record,
      "__future__" in sys.modules, sample.user.late())
"""
FILES = {
    "__init__.py": "",
    "_record.py": "class Record: pass\n",
    "part.py": '"""Not kept."""\nfrom __future__ import annotations\nVALUE: nothing = 1\n',
    "user.py": (
        "from . import _record, part\nfrom .other import deep\nimport sample.other\n"
        "from . import other\ndef late():\n    from .other import last\n    return last.NAME\n"
    ),
    "other/__init__.py": "",
    "other/_record.py": "class Record: pass\n",
    "other/deep.py": "from .. import part\nfrom . import _record\n",
    "other/last.py": "from . import deep\nNAME = __name__\n",
}


@pytest.fixture
def sample(tmp_path):
    """A package of some modules, and the file made of it."""
    package = tmp_path / "sample"
    (package / "other").mkdir(parents=True)
    for name, text in FILES.items():
        (package / name).write_text(text)
    write(package)
    return package


def write(sample):
    folders = [str(sample.parent), os.path.dirname(os.path.dirname(modules.__file__))]
    found = modules.sources(folders, ["sample", "pyoci"])
    modules.write(str(sample.parent / "file"), found, [str(sample.parent)])


def run(sample):
    """Return what the program prints, its first two words apart."""
    text = launcher_text("/python", [str(sample.parent)], str(sample.parent / "file"))
    launcher = text.partition("from pyoci.main")[0]
    done = subprocess.run(
        [sys.executable, "-ISB", "-c", PROGRAM.format(launcher=launcher)],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split(None, 2)


def test_modules_come_from_the_file(sample):
    """
    A module whose source is unchanged is read from the file, and looks like any other; equal
    copies of one module are one.
    """
    loader, value, rest = run(sample)

    assert (loader, value) == ("Loader", "1")
    where, found = rest.splitlines()
    assert where == f"{sample / 'part.py'} ['{sample}']"
    assert found == "None sample True True True False sample.other.last"


def test_changed_source_is_read_instead(sample):
    """
    What has been edited since is never run from the file, whoever imports it.
    """
    (sample / "part.py").write_text("VALUE = 22\n")

    loader, value, rest = run(sample)

    assert (loader, value) == ("SourceFileLoader", "22")
    assert rest.splitlines()[1] == "None sample True True True False sample.other.last"


@pytest.mark.parametrize("name", FILES)
def test_any_module_may_change(sample, name):
    """
    Packages and what others need, too: the rest is loaded around it.
    """
    with open(sample / name, "a") as file:
        file.write("# more\n")

    assert run(sample)[2].splitlines()[1].startswith(("None sample True", "Not kept. sample True"))


@pytest.mark.parametrize("name", ["user.py", "other/deep.py"])
def test_a_module_that_fails_says_so(sample, name):
    """
    As an import does: the error passes, and nothing half made is left.
    """
    (sample / name).write_text("1 / 0\n")
    write(sample)
    text = launcher_text("/python", [str(sample.parent)], str(sample.parent / "file"))
    program = text.partition("from pyoci.main")[0] + (
        "try:\n    import sample.user\nexcept ZeroDivisionError:\n"
        "    print([n for n in sys.modules if n in ('sample.user', 'sample.other.deep')])\n"
    )

    done = subprocess.run([sys.executable, "-ISB", "-c", program], capture_output=True, text=True)

    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_modules_that_need_each_other(sample):
    """
    A circle works as far as it does without the file.
    """
    (sample / "part.py").write_text("VALUE = 3\nfrom . import user\n")
    write(sample)

    assert run(sample)[:2] == ["Loader", "3"]


def test_the_loader_itself_may_change(sample, monkeypatch, tmp_path):
    """
    Then the file is of no use: what it holds may be in another form.
    """
    copy = tmp_path / "loader.py"
    copy.write_bytes((pathlib.Path(modules.__file__).parent / "loader.py").read_bytes())
    folders = [str(sample.parent), os.path.dirname(os.path.dirname(modules.__file__))]
    found = modules.sources(folders, ["sample", "pyoci"]) | {"pyoci.loader": str(copy)}
    modules.write(str(sample.parent / "file"), found, [str(sample.parent)])
    assert run(sample)[0] == "Loader"
    copy.write_text("# another\n")

    assert run(sample)[0] == "SourceFileLoader"


def test_extensions_are_found_without_a_search(sample):
    """
    Those that are files of the interpreter's, or another's.
    """
    text = launcher_text("/python", [str(sample.parent)], str(sample.parent / "file"))
    program = text.partition("from pyoci.main")[0] + (
        "found = names['Loader'](fd, index).find_spec('_json')\n"
        "import _json\nprint(found is None or found.origin == _json.__file__, _json.make_scanner)\n"
    )

    done = subprocess.run([sys.executable, "-ISB", "-c", program], capture_output=True, text=True)

    assert done.stdout.startswith("True <class"), done.stderr


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x10\0\0\0\0\0\0\0" * 2 + b"garbage", id="garbage"),
        pytest.param(b"\xff" * 16 + b"garbage", id="no-length"),
        pytest.param(-1, id="cut-short"),
    ],
)
def test_file_that_cannot_be_used_costs_time_only(sample, content):
    """
    Without the file, or with a damaged one, Python's own finders do.
    """
    file = sample.parent / "file"
    whole = file.read_bytes()
    file.unlink()
    if content is not None:
        file.write_bytes(whole[:content] if isinstance(content, int) else content)

    loader, value, _ = run(sample)

    assert (loader, value) == ("SourceFileLoader", "1")


def test_file_of_another_interpreter_is_ignored(sample, monkeypatch):
    """
    Code is for one version of the interpreter, which the file names.
    """
    monkeypatch.setattr(modules, "_version", lambda: "9.9.9")
    write(sample)

    assert run(sample)[0] == "SourceFileLoader"


def test_file_for_another_launcher_is_ignored(sample):
    """
    Set-up writes it before the launcher; if it ends in between, the old one must not take it.
    """
    folders = [str(sample.parent), os.path.dirname(os.path.dirname(modules.__file__))]
    found = modules.sources(folders, ["sample", "pyoci"])
    modules.write(str(sample.parent / "file"), found, ["/elsewhere"])

    assert run(sample)[0] == "SourceFileLoader"


def test_damage_costs_time_only_and_is_mended(sample):
    """
    Code that does not read is compiled again at each start, until set-up finds the file damaged.
    """
    file = sample.parent / "file"
    whole = file.read_bytes()
    head = int.from_bytes(whole[8:16], "little") + 16
    file.write_bytes(whole[:head] + bytes(len(whole) - head))

    assert run(sample)[:2] == ["Loader", "1"]
    write(sample)

    assert file.read_bytes() == whole


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
@pytest.mark.parametrize(("owner", "mode"), [(12345, 0o644), (0, 0o666)], ids=["theirs", "open"])
def test_a_file_that_others_can_write_is_replaced(sample, owner, mode):
    """
    What it says would be executed with the rights of whoever starts the runtime.
    """
    file = sample.parent / "file"
    os.chown(file, owner, owner)
    file.chmod(mode)

    write(sample)

    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (0, 0o644)


def test_nothing_is_left_of_a_file_that_could_not_be_written(sample, monkeypatch):
    """
    A full disk is told; the old file stays.
    """
    (sample / "part.py").write_text("VALUE = 2\n")
    before = sorted(os.listdir(sample.parent))

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(modules.os, "fsync", full)

    with pytest.raises(OSError, match="No space left"):
        write(sample)
    assert sorted(os.listdir(sample.parent)) == before


def test_current_file_is_left_alone(sample):
    """
    Writing again without a change does not touch the file.
    """
    before = (sample.parent / "file").stat().st_mtime_ns

    write(sample)

    assert (sample.parent / "file").stat().st_mtime_ns == before
