"""The package as users get it: names, imports, and a place of its own."""

import ast
import doctest
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

import libseccomp

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "libseccomp"
README = ROOT / "README.md"

# What a hot module may import at module level, beside our own.
HOT = {
    "__future__",
    "_blake2",
    "_socket",
    "errno",
    "fcntl",
    "posix",
    "select",
    "stat",
    "struct",
    "sys",
    "time",
}
# Modules for people at a terminal, or used when something is wrong.
SLOW = {"__main__", "_abi"}


def declared():
    """Return the names of the `TYPE_CHECKING` imports, with their modules."""
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_public_names_are_listed_once_and_exist():
    """
    `__all__`, the lazy table and the checkers' imports agree, and every name loads.
    """
    assert libseccomp.__all__ == sorted(libseccomp.__all__)
    assert set(libseccomp.__all__) == set(libseccomp._HOME) == set(declared())
    assert libseccomp._HOME == declared()
    for name in libseccomp.__all__:
        assert getattr(libseccomp, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nope'"):
        libseccomp.nope  # noqa: B018


def test_no_public_name_is_a_module():
    """
    A function and a module of one name would take each other's place.
    """
    assert {path.stem for path in SOURCE.glob("*.py")}.isdisjoint(libseccomp.__all__)


def test_importing_the_package_loads_no_submodule():
    """
    `import libseccomp` costs one module.
    """
    script = "import sys, libseccomp; print([m for m in sys.modules if m.startswith('libsecc')])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    assert done.stdout == "['libseccomp']\n", done.stderr


@pytest.mark.parametrize(
    "module", sorted(p.stem for p in SOURCE.glob("*.py") if p.stem not in SLOW)
)
def test_modules_import_only_what_a_runtime_can_afford(module):
    """
    At module level only cheap modules are imported, types aside.
    """
    tree = ast.parse((SOURCE / f"{module}.py").read_text())
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add(node.module)

    assert found <= HOT


def test_profiles_and_checks_open_nothing():
    """
    What a runtime imports on every create loads neither cffi nor the library.
    """
    script = (
        "import sys; before = set(sys.modules)\n"
        "from libseccomp import profile, faults, cache, program\n"
        "print(*sorted(m for m in set(sys.modules) - before if m.startswith(('libsecc', '_cffi'))))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)

    expected = "_log _record cache constants faults profile program soname".split()
    modules = ["libseccomp", *["libseccomp." + name for name in expected]]
    assert done.stdout.split() == modules, done.stderr


def test_examples_of_the_readme_run_as_written():
    """
    The README is true.
    """
    result = doctest.testfile(str(README), module_relative=False, optionflags=doctest.ELLIPSIS)

    assert result.attempted > 10 and result.failed == 0


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the README shows x86_64's output")
def test_commands_of_the_readme_print_what_it_shows(tmp_path, docker):
    """
    The console examples are run; output that is shown is compared.
    """
    podman = json.loads((ROOT / "tests" / "data" / "buildah-run.json").read_text())
    config = {"ociVersion": "1.3.0", "linux": {"seccomp": docker}}
    files = {"config": config, "docker": docker, "podman": podman}
    for name, document in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))

    text = README.read_text().split("```console\n")[1].split("```")[0]
    commands = [block.splitlines() for block in text.split("$ ")[1:]]
    for command, *shown in commands:
        words = [sys.executable, *command.split()[1:]]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == (1 if " diff " in command else 0), done.stderr
        assert done.stdout
        if shown:
            assert done.stdout.splitlines() == shown


@pytest.mark.slow
def test_the_wheel_works_in_a_venv_of_its_own(tmp_path):
    """
    With nothing but libseccomp and what it requires installed, the README's examples run.
    """
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    built = subprocess.run(
        [*pip, "wheel", "--no-deps", "-w", tmp_path / "dist", ROOT], capture_output=True, text=True
    )
    if built.returncode:
        pytest.skip(f"the wheel could not be built: {built.stderr.strip().splitlines()[-1]}")
    (wheel,) = (tmp_path / "dist").iterdir()
    assert wheel.name == f"libseccomp-{libseccomp.__version__}-py3-none-any.whl"

    venv.create(tmp_path / "venv", with_pip=False)
    python = str(tmp_path / "venv" / "bin" / "python")
    installed = subprocess.run(
        [*pip, "--python", python, "install", wheel], capture_output=True, text=True
    )
    if installed.returncode:
        pytest.skip(f"not installed: {installed.stderr.strip().splitlines()[-1]}")

    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    for arguments in (["-m", "doctest", README], ["-m", "libseccomp", "names", "read"]):
        done = subprocess.run(
            [python, "-W", "error", *arguments],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stdout + done.stderr
