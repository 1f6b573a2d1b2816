"""Where messages go."""

import posix
import re

import pytest

from pyoci.log import Log
from pyoci.output import write_to

LEVELS = [("error", "a\\nb\n"), ("warning", "warning: a\\nb\n"), ("debug", "debug: a\\nb\n")]


@pytest.mark.parametrize(("level", "text"), LEVELS)
@pytest.mark.parametrize("json", [False, True])
def test_a_message_on_stderr_is_bare_text(capfd, json, level, text):
    """On one line and printable; records are for files."""
    Log(None, json=json, level="debug").message(level, "a\nb")

    assert capfd.readouterr().err == text


@pytest.mark.parametrize("level", [level for level, _ in LEVELS])
def test_a_message_in_a_file_is_a_record(tmp_path, capfd, level):
    """And nothing of it is on stderr."""
    path = tmp_path / "log"

    Log(str(path), json=False, level="debug").message(level, "said")

    assert re.fullmatch(rf'time="[^"]+Z" level={level} msg="said"\n', path.read_text())
    assert capfd.readouterr().err == ""


def test_a_text_is_written_whole(monkeypatch):
    """However little the kernel takes at once."""
    taken = []

    def write(fd, data):
        taken.append((fd, data[:3]))
        return len(data[:3])

    monkeypatch.setattr(posix, "write", write)

    write_to(7, "12345678")

    assert taken == [(7, b"123"), (7, b"456"), (7, b"78")]
