"""What only people see."""

import time

import pytest

from pyoci.live import show
from pyoci.people import ago, amount, coloured


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds ago"),
        (1, "1 second ago"),
        (59, "59 seconds ago"),
        (60, "1 minute ago"),
        (3 * 3600, "3 hours ago"),
        (2 * 86400, "2 days ago"),
        (15 * 86400, "2 weeks ago"),
    ],
)
def test_ago(monkeypatch, seconds, text):
    """A time is said by its largest unit."""
    stamp = "2026-11-25T10:00:00.123456789Z"
    then = 1795600800
    monkeypatch.setattr(time, "time", lambda: then + seconds)

    assert ago(stamp) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0B"), (1023, "1023B"), (1536, "1.5KiB"), (64 << 20, "64MiB"), (2**63 - 1, "none")],
)
def test_amount(count, text):
    """Bytes have a unit of 1024; a number too large to be one is no limit."""
    assert amount(count) == text


def test_colours_where_they_are_wanted(monkeypatch):
    """NO_COLOR and a terminal without colours leave the text as it is."""
    import posix

    monkeypatch.setitem(posix.environ, b"TERM", b"xterm")
    monkeypatch.delitem(posix.environ, b"NO_COLOR", raising=False)
    assert coloured("running", "running") == "\x1b[32mrunning\x1b[0m"
    monkeypatch.setitem(posix.environ, b"NO_COLOR", b"1")
    assert coloured("running", "running") == "running"
    monkeypatch.delitem(posix.environ, b"NO_COLOR")
    monkeypatch.setitem(posix.environ, b"TERM", b"dumb")
    assert coloured("running", "running") == "running"


def test_live_table(capfd):
    """The line is written anew at each event, and counts the kills."""
    data = {
        "cpu": {"usage": {"total": 5}},
        "memory": {"usage": {"usage": 1 << 20, "limit": 4 << 20}},
        "pids": {"current": 3},
    }

    assert show("web1", iter([{"type": "oom"}, {"type": "stats", "data": data}])) == 0

    text = capfd.readouterr().out
    header, *rows = text.splitlines()
    assert "\x1b" not in text
    assert header.split() == ["ID", "CPU", "%", "MEMORY", "/", "LIMIT", "MEM", "%", "PIDS", "OOM"]
    last = [row for row in rows if row][-1]
    assert last.split() == ["web1", "-", "1MiB", "/", "4MiB", "25.0%", "3", "1"]


def test_live_table_knows_a_rate_from_the_second_measurement(capfd):
    """Until then there is a dash; a shorter line leaves nothing of the longer one."""
    data = {"cpu": {"usage": {"total": 10**9}}, "memory": {}, "pids": {}}
    more = data | {"cpu": {"usage": {"total": 2 * 10**9}}}

    show("web1", iter([{"type": "stats", "data": found} for found in (data, more)]))

    _, *rows = [row for row in capfd.readouterr().out.splitlines() if row]
    assert [row.split()[1][-1] for row in rows] == ["-", "%"]
    assert len({len(row) for row in rows[1:]}) == 1
