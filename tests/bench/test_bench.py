"""The benchmark works and leaves nothing.  Nothing here looks at a time."""

import json
import os
import signal
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "tests" / "bench" / "bench.py"
EXEC = ROOT / "pyoci" / "src" / "pyoci" / "commands" / "exec.py"
BUSYBOX = Path("/usr/bin/busybox")

KEYS = ["cycle", "create", "start", "delete", "run", "exec", "state", "kill", "list"]
KEYS += ["library", "last_mile", "filter_first", "filter_cached", "memory", "memory_docker"]
KEYS += ["limit", "scale", "scale_list"]

RESULTS = {
    "machine": {
        "cores": 2,
        "memory_gb": 4.0,
        "architecture": "x86_64",
        "kernel": "6.1.0",
        "distribution": "Some <Linux> & more",
        "cgroups": "v2",
        "python": "CPython 3.11.2 (GCC 12.2.0)",
    },
    "runtimes": [
        {"name": "pyoci", "version": "pyoci version 0.1.0, spec: 1.3.0"},
        {"name": "runc", "version": "runc version 1.1.5, commit: x"},
    ],
    "rounds": 40,
    "rest_ms": 30.0,
    "scale": 0,
    "load": {"before": 0.1, "after": 0.9},
    "doubts": [],
    "rows": [
        {
            "key": "cycle",
            "title": "create + start + delete",
            "unit": "ms",
            "results": {"pyoci": {"median": 30.0}, "runc": {"median": 40.0}},
            "ratios": {"runc": 0.75},
            "expected": [
                {"against": "runc", "floor": 1.15, "aim": 0.9, "found": 0.75, "verdict": "aim"}
            ],
        },
        {
            "key": "memory",
            "title": "memory",
            "unit": "MB",
            "results": {"pyoci": {"median": 0.012}, "runc": {"failures": 3, "failure": "no"}},
            "ratios": {},
            "expected": [],
        },
    ],
}


@pytest.fixture
def root():
    if os.geteuid() != 0:
        pytest.skip("starting containers without a user namespace needs root")
    if not BUSYBOX.exists():
        pytest.skip("no /usr/bin/busybox")


@pytest.fixture
def bench(tmp_path):
    """Start the benchmark; it is seen to its end whatever the test does."""
    started = []

    def start(*options):
        with open(tmp_path / "out", "w") as out, open(tmp_path / "err", "w") as err:
            process = subprocess.Popen(
                [sys.executable, BENCH, *options], stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(60)


def left_by(process):
    """What bears the name that a run of the benchmark gives to all that it makes.

    A process that was left would keep its cgroup.
    """
    name = f"pyoci-bench-{process.pid}-"
    found = [path for folder in ("/tmp", "/run") for path in Path(folder).glob(f"{name}*")]
    found += [path for path, _, _ in os.walk("/sys/fs/cgroup") if name in path]
    return found


@pytest.mark.root
@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.usefixtures("root")
def test_one_round_gives_every_row(bench, tmp_path):
    """
    A run fills every row for our runtime, writes what it is asked for and leaves nothing.
    """
    results, drawing = tmp_path / "r.json", tmp_path / "r.svg"
    files = ("--json", results, "--svg", drawing)

    run = bench("--rounds", "1", "--rest", "0", "--scale", "2", "--runtimes", "none", *files)

    assert run.wait(120) == 0, (tmp_path / "err").read_text()
    rows = {row["key"]: row for row in json.loads(results.read_text())["rows"]}
    assert list(rows) == KEYS
    without = [key for key, row in rows.items() if "median" not in row["results"]["pyoci"]]
    assert without == ([] if EXEC.exists() else ["exec"])
    xml.etree.ElementTree.parse(drawing)
    assert left_by(run) == []


@pytest.mark.root
@pytest.mark.e2e
@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminated"])
def test_interrupted_run_leaves_nothing(bench, tmp_path, number):
    """
    Ten containers wait and more come and go when the benchmark is told to stop.
    """
    run = bench("--rounds", "100000", "--rest", "0", "--rows", "list", "--runtimes", "none")
    state = Path("/run")
    while run.poll() is None and len(list(state.glob(f"pyoci-bench-{run.pid}-*/pyoci/*"))) < 10:
        pass
    assert run.poll() is None, (tmp_path / "err").read_text()

    run.send_signal(number)

    assert run.wait(60) == 130
    assert left_by(run) == []


@pytest.mark.parametrize("style", ["--markdown", "--rounds=40"], ids=["markdown", "plain"])
def test_results_are_reported_again(bench, tmp_path, style):
    """
    A file of results gives table and chart without measuring, and what is missing is a dash.
    """
    (tmp_path / "r.json").write_text(json.dumps(RESULTS))

    run = bench("--from", tmp_path / "r.json", "--svg", tmp_path / "r.svg", style)

    assert run.wait(60) == 0, (tmp_path / "err").read_text()
    lines = (tmp_path / "out").read_text().splitlines()
    table = [" ".join(line.replace("|", " ").split()) for line in lines]
    assert any(line.startswith("create + start + delete 30.0 ms 40.0 ms 0.75") for line in table)
    assert any(line.startswith("memory 0.012 MB - -") for line in table)
    texts = [e.text for e in xml.etree.ElementTree.parse(tmp_path / "r.svg").iter()]
    assert {"pyoci 0.1.0", "runc 1.1.5", "30.0 ms", "0.012 MB"} <= set(texts)


def test_unknown_rows_are_refused_by_name(bench, tmp_path):
    """
    A pattern without a row is an error that names the rows there are.
    """
    if os.geteuid() != 0:
        pytest.skip("the benchmark asks for root first")

    run = bench("--rows", "nosuch")

    assert run.wait(60) == 1
    assert (tmp_path / "err").read_text().startswith("bench: no such rows: nosuch; there are cycle")
