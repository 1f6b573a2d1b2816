"""list: a table for people, JSON for programs, ids for scripts."""

import json
import os
import re

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FOREVER = ("sleep", "1000")
SILENT = (0, "", "")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z")


def told(result):
    return result.status, result.stdout, result.stderr


def test_list_prints_runcs_table(workshop):
    """Columns are padded to at least 12 with a gap of 3; a stopped container has pid 0."""
    first, second = workshop.create(FOREVER), workshop.create("exit 0")
    second.start()
    second.wait()
    lines = workshop.pyoci("list").stdout.splitlines()
    assert lines[0].split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    rows = [line.split() for line in lines[1:]]
    assert [row[:4] + row[5:] for row in rows] == [
        [first.id, str(first.pid), "created", str(first.bundle.path), "root"],
        [second.id, "0", "stopped", str(second.bundle.path), "root"],
    ]
    assert all(UTC.fullmatch(row[4]) for row in rows)
    starts = [m.start() for m in re.finditer(r"\S+", lines[0])]
    assert starts == [m.start() for m in re.finditer(r"\S+", lines[1])]
    assert starts[1] == len(first.id) + 3
    assert starts[3] - starts[2] == starts[2] - starts[1] == 12
    for container in (first, second):
        assert container.delete().status == 0


def test_list_prints_json_and_ids(workshop):
    """JSON is one array of state documents on one line; -q prints ids and wins."""
    first, second = workshop.create(FOREVER), workshop.create(FOREVER)
    text = workshop.pyoci("list", "--format", "json").stdout
    assert text.count("\n") == 1
    assert json.loads(text) == [first.state(), second.state()]
    ids = f"{first.id}\n{second.id}\n"
    assert workshop.pyoci("list", "-q").stdout == ids
    assert workshop.pyoci("list", "-q", "-f", "json").stdout == ids
    for container in (first, second):
        assert container.delete().status == 0


def test_list_and_its_ids_agree(workshop):
    """What is no container is in neither: files, links, directories without a state."""
    container = workshop.create(FOREVER)
    (workshop.root / "file").write_text("")
    (workshop.root / "link").symlink_to(container.id)
    (workshop.root / "empty").mkdir()
    (workshop.root / "foreign").mkdir()
    os.chown(workshop.root / "foreign", 1000, 1000)
    said = f"load container foreign: state directory {workshop.root}/foreign belongs to uid 1000"
    for options in ((), ("-q",), ("-f", "json")):
        result = workshop.pyoci("list", *options)
        assert (result.status, result.stderr) == (0, f"{said}, not to us\n")
    assert workshop.pyoci("list", "-q").stdout == f"{container.id}\n"
    assert [row["id"] for row in json.loads(result.stdout)] == [container.id]
    for name in ("file", "link"):
        (workshop.root / name).unlink()
    for name in ("empty", "foreign"):
        (workshop.root / name).rmdir()
    assert container.delete("--force").status == 0


def test_list_of_nothing(workshop):
    """A header, or an empty array; an explicit root that is not there is an error."""
    result = workshop.pyoci("list")
    assert told(result) == (1, "", f"open {workshop.root}: no such file or directory\n")
    workshop.root.mkdir()
    header = workshop.pyoci("list").stdout
    assert header.split() == ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"]
    assert told(workshop.pyoci("list", "-f", "json")) == (0, "[]\n", "")
    assert told(workshop.pyoci("list", "-q")) == SILENT
