"""Make .venv ready for the recipes: what `just setup` runs, with .venv's own interpreter.

What is slow stands behind a stamp that is newer than every pyproject.toml.  What makes the
runtime fast does not: sources change, and the launcher never writes bytecode.
"""

import compileall
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# libcgroups and libseccomp first: pip wants siblings in one call, people like them in order.
FOLDERS = ("libcgroups", "libseccomp", "libcontainer", "liboci_cli", "pyoci")
PROJECTS = [ROOT / "pyproject.toml", *[ROOT / name / "pyproject.toml" for name in FOLDERS]]
STAMP = ROOT / ".venv" / "installed"
LAUNCHER = ROOT / ".venv" / "bin" / "pyoci"


def is_installed() -> bool:
    """Tell whether nothing that pip reads has changed since it was run."""
    if not STAMP.exists():
        return False
    made = STAMP.stat().st_mtime_ns
    return all(project.stat().st_mtime_ns < made for project in PROJECTS)


def install() -> None:
    """Install the five distributions editable, and the development tools."""
    print("setup: installing the packages and their tools into .venv", file=sys.stderr)
    with open(ROOT / "pyproject.toml", "rb") as file:
        tools = tomllib.load(file)["dependency-groups"]["dev"]
    STAMP.unlink(missing_ok=True)
    editable = [option for name in FOLDERS for option in ("-e", str(ROOT / name))]
    pip = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "install", "-q"]
    subprocess.run([*pip, *editable, *tools], check=True)
    STAMP.touch()


def main() -> int:
    try:
        if not is_installed():
            install()
        # In a process of its own: this one may have started before the packages were there.
        launcher = [sys.executable, "-I", "-m", "pyoci.setup", "launcher", str(LAUNCHER)]
        subprocess.run(launcher, check=True)
    except subprocess.CalledProcessError as e:
        return e.returncode
    for name in FOLDERS:
        # Without success in a checkout that is not ours; then each start costs 10 ms more.
        compileall.compile_dir(ROOT / name / "src", quiet=1)
    return 0


sys.exit(main())
