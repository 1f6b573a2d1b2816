"""Modules from one file: never stale, never needed."""

import os
import subprocess
import sys

import pytest

from pyoci import modules

PROGRAM = """
import sys
sys.path[:0] = [{ours!r}, {folder!r}]
from pyoci import modules
modules.install({file!r})
import sample.part
print(type(sample.part.__spec__.loader).__name__, sample.part.VALUE, sample.part.__file__,
      sample.__path__)
"""


@pytest.fixture
def sample(tmp_path):
    """A package of two modules, and the file made of it."""
    package = tmp_path / "sample"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "part.py").write_text("VALUE = 1\n")
    modules.write(str(tmp_path / "file"), modules.sources([str(tmp_path)], ["sample"]))
    return package


def run(sample):
    ours = os.path.dirname(os.path.dirname(modules.__file__))
    text = PROGRAM.format(ours=ours, folder=str(sample.parent), file=str(sample.parent / "file"))
    return subprocess.run(
        [sys.executable, "-ISB", "-c", text], capture_output=True, text=True, check=True
    ).stdout.split(None, 2)


def test_modules_come_from_the_file(sample):
    """
    A module whose source is unchanged is read from the file, and looks like any other.
    """
    loader, value, rest = run(sample)

    assert (loader, value) == ("Finder", "1")
    assert rest == f"{sample / 'part.py'} ['{sample}']\n"


def test_changed_source_is_read_instead(sample):
    """
    What has been edited since is never run from the file.
    """
    (sample / "part.py").write_text("VALUE = 22\n")

    loader, value, _ = run(sample)

    assert (loader, value) == ("SourceFileLoader", "22")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"\x10\0\0\0\0\0\0\0garbage", id="garbage"),
        pytest.param(b"\xff" * 8 + b"garbage", id="no-length"),
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
    monkeypatch.setattr(modules, "_tag", lambda: "9.9.9")
    modules.write(str(sample.parent / "file"), modules.sources([str(sample.parent)], ["sample"]))

    assert run(sample)[0] == "SourceFileLoader"


def test_current_file_is_left_alone(sample):
    """
    Writing again without a change does not touch the file.
    """
    before = (sample.parent / "file").stat().st_mtime_ns

    modules.write(str(sample.parent / "file"), modules.sources([str(sample.parent)], ["sample"]))

    assert (sample.parent / "file").stat().st_mtime_ns == before
