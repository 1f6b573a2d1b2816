"""Write every generated file of the workspace, or with --check say which ones are not current.

Each distribution is complete in itself, so what they share are copies; and the tools folder of a
distribution holds its generators, which write below its own `src`.
"""

import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("libcgroups", "libseccomp", "libcontainer", "liboci_cli", "pyoci")
# Where the original is, and its path in the distributions that have a copy.
SHARED_FROM = "libcontainer"
SHARED_TO = {
    "libcgroups": ("_record.py", "_log.py", "_machine.py"),
    "libseccomp": ("_record.py", "_log.py", "_machine.py"),
    "liboci_cli": ("_record.py", "_log.py"),
}


def copy_shared(root: Path) -> None:
    """Copy the modules and the license that each distribution carries."""
    for name, modules in SHARED_TO.items():
        for module in modules:
            shutil.copyfile(
                root / SHARED_FROM / "src" / SHARED_FROM / module,
                root / name / "src" / name / module,
            )
    for name in FOLDERS:
        shutil.copyfile(root / "LICENSE", root / name / "LICENSE")


def run_generators(root: Path) -> list[str]:
    """Run each distribution's generators; return the names of those that failed."""
    generators = sorted(root.glob("*/tools/*.py"))
    # A generator says itself what it lacks, as an assembler.
    return [
        str(generator.relative_to(root))
        for generator in generators
        if subprocess.run(
            [sys.executable, str(generator)], cwd=root, stdout=subprocess.DEVNULL
        ).returncode
    ]


def changed(made: Path) -> list[str]:
    """Return the files below `made` that are not the same in the workspace."""
    files = [path.relative_to(made) for path in sorted(made.rglob("*")) if path.is_file()]
    return [
        str(path)
        for path in files
        if path.suffix != ".pyc"
        and not ((ROOT / path).is_file() and filecmp.cmp(made / path, ROOT / path, shallow=False))
    ]


def check() -> int:
    """Generate in a copy of the sources and compare."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder)
        shutil.copyfile(ROOT / "LICENSE", made / "LICENSE")
        for name in FOLDERS:
            for part in ("src", "tools"):
                if (ROOT / name / part).is_dir():
                    shutil.copytree(ROOT / name / part, made / name / part)
        copy_shared(made)
        failed = run_generators(made)
        stale = changed(made)
    for path in stale:
        print(f"{path}: not what its generator writes: ./just generate")
    for generator in failed:
        print(f"{generator}: failed")
    return 1 if stale or failed else 0


def main(arguments: list[str]) -> int:
    os.chdir(ROOT)
    if arguments == ["--check"]:
        return check()
    copy_shared(ROOT)
    failed = run_generators(ROOT)
    for generator in failed:
        print(f"{generator}: failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1:]))
