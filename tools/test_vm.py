"""Run the tests that need a machine of their own, in each kind of it: what `just test-vm` runs.

The machine is a program that boots a Debian guest and runs a command in it, with the current
directory at /project: `VM=PROGRAM`, or ../shared/vm.  It is called as

    PROGRAM run --timeout SECONDS [--user NAME] [--cgroup v2|hybrid|v1] -- COMMAND [ARGUMENTS]

passes on output and exit status, and has Python, pytest, busybox, systemd and AppArmor.  Without
it there is nothing to run, and that is said.
The last line counts what pytest counted in all runs.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 900  # seconds for one machine
SUITES = ("libcgroups/tests/vm/run.py", "tests/vm/run.py")
# Options of the machine, and the suites that have tests for that kind.
KINDS = (
    ("v2 as root", [], SUITES),
    ("v2 as an ordinary user", ["--user", "tester"], SUITES),
    ("hybrid", ["--cgroup", "hybrid"], SUITES[:1]),
    ("v1", ["--cgroup", "v1"], SUITES[:1]),
)
COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")


def run(machine, title, options, suite):
    """Return pytest's counts of one suite in one machine."""
    print(f"== {suite}, {title}", flush=True)
    command = [machine, "run", "--timeout", str(LIMIT), *options, "--", "python3", suite, "-q"]
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    lines = done.stdout.rstrip().split("\n")
    counts = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    counts |= {what: int(number) for number, what in COUNT.findall(lines[-1])}
    if done.returncode and not counts["failed"] + counts["error"]:
        counts["error"] = 1  # the machine, or pytest itself
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", flush=True)
    else:
        print(lines[-1], flush=True)
    return counts


def main():
    machine = os.environ.get("VM", str(ROOT.parent / "shared" / "vm"))
    if not os.access(machine, os.X_OK):
        print(f"test-vm: no machine: {machine} is not a program (VM=PROGRAM names one)")
        return 1
    total = dict.fromkeys(("passed", "failed", "skipped", "error"), 0)
    for title, options, suites in KINDS:
        for suite in suites:
            for what, number in run(machine, title, options, suite).items():
                total[what] += number
    failed = total["failed"] + total["error"]
    print(f"{total['passed']} passed, {failed} failed, {total['skipped']} skipped")
    return 1 if failed else 0


sys.exit(main())
