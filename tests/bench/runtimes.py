"""The runtimes that are compared, and what must be said about machine and interpreter."""

from __future__ import annotations

import ast
import os
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LAUNCHER = ROOT / ".venv" / "bin" / "pyoci"
PEERS = ("runc", "crun", "youki")


@dataclass(frozen=True)
class Runtime:
    """A program with the commands of the OCI runtime command line."""

    name: str
    path: str
    own: bool = False
    version: str = ""

    @property
    def interpreter(self) -> list[str]:
        """The interpreter with its options, of a runtime that is a script; else nothing."""
        with open(self.path, "rb") as file:
            first, *rest = file.read(4096).split(b"\n")
        if first == b"#!/bin/sh":  # the launcher's other form, where a shebang does not do
            quoted = re.match(rb'exec "(.+)" (-\S+) ', rest[1]) if len(rest) > 1 else None
            return [word.decode() for word in quoted.groups()] if quoted else []
        return first[2:].decode().split() if first[:2] == b"#!" else []

    def prelude(self) -> str:
        """Return what the launcher does before it loads the program."""
        text = Path(self.path).read_text(errors="replace")
        before, main, _ = text.partition("from pyoci.main import main")
        return before if main else f"import sys\nsys.path += {self.folders()!r}"

    def folders(self) -> list[str]:
        """Return the folders that the launcher puts on the interpreter's path."""
        text = Path(self.path).read_text(errors="replace")
        found = re.search(r"^folders = (\[.*\])$", text, re.MULTILINE)
        if found:
            return [str(folder) for folder in ast.literal_eval(found[1])]
        from pyoci.setup import package_folders  # a console script: the environment is ours

        return list(package_folders())


def find(ours: str, only: list[str], more: list[str]) -> list[Runtime]:
    """Return our runtime and then its peers in PATH.

    `only` are the peers to keep, all if empty; `more` are NAME=PATH of other builds.
    """
    found = [Runtime("pyoci", str(Path(ours).absolute()), own=True)]
    peers = [name for name in PEERS if not only or name in only]
    found += [Runtime(name, path) for name in peers if (path := shutil.which(name))]
    found += [Runtime(name, path) for name, _, path in (text.partition("=") for text in more)]
    return [Runtime(r.name, r.path, r.own, _version(r.path)) for r in found]


def _version(path: str) -> str:
    lines = _output([path, "--version"]).splitlines()
    return ", ".join(
        [line.strip() for line in lines if line[:1] not in "+" and "rundir" not in line]
    )


def _output(command: list[str]) -> str:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        timeout=20,
    )
    return done.stdout


def describe_interpreter(runtime: Runtime) -> str:
    """Name the interpreter and its build: start-up differs by half between builds."""
    command = runtime.interpreter[:1] or [sys.executable]
    names = ("implementation", "version", "compiler")
    program = "import platform as p\n" + "\n".join([f"print(p.python_{n}())" for n in names])
    name, version, compiler = _output([*command, "-ISc", program]).splitlines()
    return f"{name} {version} ({compiler.strip('[]')})"


def describe_machine(runtime: Runtime) -> dict[str, Any]:
    """Describe the machine without naming it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(memory / 1e9, 1),
        "architecture": platform.machine(),
        # A build's own suffix may name who made it.
        "kernel": re.match(r"[\d.]*", platform.release())[0],  # type: ignore[index]
        "distribution": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "cgroups": _cgroups(),
        "python": describe_interpreter(runtime),
    }


def _cgroups() -> str:
    root = Path("/sys/fs/cgroup")
    if (root / "cgroup.controllers").exists():
        return "v2"
    return "v1 and v2 (hybrid)" if (root / "unified").exists() else "v1"


def machine_words(machine: dict[str, Any]) -> str:
    """Say a described machine in one line."""
    return (
        f"{machine['cores']} cores ({machine['architecture']}), Linux {machine['kernel']}, "
        f"{machine['distribution']}, cgroup {machine['cgroups']}, {machine['python']}"
    )
