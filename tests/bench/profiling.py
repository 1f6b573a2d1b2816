"""Where the time of our commands goes: imports, system calls, processes."""

from __future__ import annotations

import re
import shutil
import statistics
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import spawn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lab import Lab
    from runtimes import Runtime

ROUNDS = 20
_IMPORT = re.compile(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)$", re.MULTILINE)
# A line of strace -f -o: `PID call(...` or `PID <... call resumed>...`; only beginnings count.
_CALL = re.compile(r"^(\d+) +(\w+)\(")
MOST = 12  # lines of a list


def profile(lab: Lab, runtime: Runtime) -> Iterator[str]:
    """Say it for one runtime, line by line."""
    yield from _starts(lab, runtime)
    yield ""
    yield from _imports(lab, runtime)
    yield ""
    if shutil.which("strace") is None:
        yield "no system calls counted: install strace"
        return
    yield from _calls(lab, runtime)


def _starts(lab: Lab, runtime: Runtime) -> Iterator[str]:
    """Divide a create into the interpreter's start, our imports, and the rest."""
    bundle = lab.bundles.true()
    parts: dict[str, list[float]] = {"bare": [], "imports": [], "create": []}
    python = runtime.interpreter
    imports = lab.folder / "imports.py"
    imports.write_text(
        f"{runtime.prelude()}\nimport pyoci.main, pyoci.commands.create, posix\nposix._exit(0)\n"
    )
    for _ in range(ROUNDS):
        lab.rest()
        if python:
            bare = [*python, "-c", "import posix; posix._exit(0)"]
            parts["bare"].append(spawn.run(bare, lab.output) * 1000)
            parts["imports"].append(spawn.run([*python, str(imports)], lab.output) * 1000)
        with lab.create(runtime, bundle) as container:
            parts["create"].append(container.took)
    found = {name: statistics.median(values) for name, values in parts.items() if values}
    yield f"a create of the default document, medians of {ROUNDS}, milliseconds"
    yield f"{found['create']:7.1f}  in all"
    if python:
        yield f"{found['bare']:7.1f}  of that a bare start of the interpreter"
        loading, work = found["imports"] - found["bare"], found["create"] - found["imports"]
        yield f"{loading:7.1f}  importing the modules that create always needs"
        yield f"{work:7.1f}  the work, with init's part and what it imports late"


def _imports(lab: Lab, runtime: Runtime) -> Iterator[str]:
    """List what the imports of a create cost, by the interpreter's own account.

    Without the file of modules: what comes from there the interpreter does not count.
    """
    if not runtime.interpreter:
        yield "no imports listed: not a script of an interpreter"
        return
    python, *flags = runtime.interpreter
    identifier = lab.claim(runtime)
    script = lab.folder / "launcher.py"
    script.write_text(Path(runtime.path).read_text().replace(".modules'", ".none'"))
    command = [python, *flags, "-X", "importtime", str(script), "--root", lab.state_root(runtime)]
    try:
        spawn.run([*command, "create", "--bundle", lab.bundles.true(), identifier], lab.output)
        found = _IMPORT.findall(lab.output.read_text())
    finally:
        lab.discard(identifier)
    spawn.run([python, *flags, "-X", "importtime", "-c", "pass"], lab.output)
    bare = {name for _, name in _IMPORT.findall(lab.output.read_text())}
    times = {name: int(micros) for micros, name in found if name not in bare}
    packages: Counter[str] = Counter()
    for name, micros in times.items():
        packages[name.partition(".")[0]] += micros
    total = sum(times.values())
    yield f"imports of a create: {len(times)} modules, {total / 1000:.1f} ms under -X importtime"
    yield "  and without the file of modules, from which they take less than half of that"
    yield from _ranked(packages, 1000, "ms by package")
    yield from _ranked(Counter(times), 1000, "ms by module, its own imports not counted")


def _ranked(counter: Counter[str], divisor: int, what: str) -> Iterator[str]:
    yield f"  {what}"
    for name, value in counter.most_common(MOST):
        yield f"{value / divisor:9.2f}  {name}" if divisor > 1 else f"{value:9d}  {name}"


def _calls(lab: Lab, runtime: Runtime) -> Iterator[str]:
    """Count system calls and processes of each command, by strace."""
    yield "system calls, and the processes or threads that made them"
    totals: dict[str, Counter[str]] = {}
    for name, trace in _traces(lab, runtime):
        lines = trace.splitlines()
        calls = Counter(found[2] for line in lines if (found := _CALL.match(line)))
        tasks = {line.split(maxsplit=1)[0] for line in lines}
        totals[name] = calls
        many = "process" if len(tasks) == 1 else "processes"
        yield f"{sum(calls.values()):9d}  {name}, {len(tasks)} {many}"
    for name, calls in totals.items():
        yield from _ranked(calls, 1, f"calls of {name}")


def _traces(lab: Lab, runtime: Runtime) -> Iterator[tuple[str, str]]:
    """Yield each command of a life with what strace wrote about it."""
    log = lab.folder / "strace"

    def traced(*words: str) -> tuple[str, str]:
        argv = [runtime.path, "--root", lab.state_root(runtime), *words]
        return words[0], trace(argv, log, lab.output)

    identifier = lab.claim(runtime)
    try:
        yield traced("create", "--bundle", lab.bundles.sleep(), identifier)
        yield traced("state", identifier)
        yield traced("list")
        yield traced("start", identifier)
        yield traced("kill", identifier, "KILL")
        while any(_is_alive(pid) for pid in spawn.descendants()):
            time.sleep(0.01)
        yield traced("delete", identifier)
    finally:
        lab.discard(identifier)
    identifier = lab.claim(runtime)
    try:
        yield traced("run", "--bundle", lab.bundles.true(), identifier)
    finally:
        lab.discard(identifier)


def trace(argv: Sequence[str], log: Path, output: Path) -> str:
    """Run a command under strace and return the log, ended when the command itself has.

    strace would stay as long as the container that it also follows; at SIGTERM it lets go of it.
    Raises CommandFailed.
    """
    log.write_text("")
    deadline = time.monotonic() + spawn.TIMEOUT
    with open(output, "wb") as file:
        strace = subprocess.Popen(
            ["strace", "-f", "-o", log, *argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
    try:
        while strace.poll() is None and not _ended(log) and time.monotonic() < deadline:
            time.sleep(0.02)
    finally:
        strace.terminate()
        try:
            strace.wait(5)
        except subprocess.TimeoutExpired:
            strace.kill()
            strace.wait(5)
    status = _ended(log)
    if status is None or status[1] != "0":
        text = output.read_text(errors="replace").strip()
        raise spawn.CommandFailed(f"{argv[0]} under strace: {text or 'not done in time'}")
    return log.read_text(errors="replace")


def _ended(log: Path) -> re.Match[str] | None:
    """Return the line that tells the end of the first process, with its exit status."""
    text = log.read_text(errors="replace")
    first = text.partition(" ")[0]
    return re.search(rf"^{first} +\+\+\+ exited with (\d+)", text, re.MULTILINE) if first else None


def _is_alive(pid: int) -> bool:
    """Tell whether a process is still one, and not only its exit status."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] != b"Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
