"""What a user of one distribution gets: its wheel, built here and installed alone."""

import os
import subprocess
import sys
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-I", "-m", "pip", "--disable-pip-version-check", "--quiet"]

# Each folder's distribution, and all that an installation of it alone brings.
BRINGS = {
    "libcgroups": {"libcgroups", "attrs", "cffi", "pycparser"},
    "libseccomp": {"libseccomp", "attrs", "cffi", "pycparser"},
    "libcontainer": {
        *("libcontainer", "libcgroups", "libseccomp"),
        *("attrs", "cattrs", "typing-extensions", "cffi", "pycparser"),
    },
    "liboci_cli": {"liboci-cli", "attrs", "click"},
    "pyoci": {
        *("pyoci-runtime", "libcontainer", "libcgroups", "libseccomp", "liboci-cli"),
        *("attrs", "cattrs", "typing-extensions", "cffi", "pycparser", "click"),
    },
}

pytestmark = pytest.mark.slow


def pip(*arguments):
    done = subprocess.run([*PIP, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """The folder with our five wheels; PYOCI_WHEELS names one that is there already."""
    if given := os.environ.get("PYOCI_WHEELS"):
        return (ROOT / given).resolve()
    folder = tmp_path_factory.mktemp("wheels")
    # Without isolation: the build's one requirement is among the development tools.
    sources = [ROOT / name for name in BRINGS]
    pip("wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, *sources)
    return folder


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """The folder with the wheels of everybody else that ours ask for."""
    folder = tmp_path_factory.mktemp("others")
    wanted = []
    for name in BRINGS:
        project = tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"]
        wanted += [line for line in project["dependencies"] if "~=" not in line]
    command = [*PIP, "download", "-d", folder, "--only-binary", ":all:", *sorted(set(wanted))]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no package index to download the dependencies from")
    return folder


def wheel_of(wheels, name):
    stem = tomllib.loads((ROOT / name / "pyproject.toml").read_text())["project"]["name"]
    (found,) = wheels.glob(f"{stem.replace('-', '_')}-*.whl")
    return found


@pytest.mark.parametrize("name", BRINGS)
def test_wheel_holds_the_package_and_no_more(wheels, name):
    """
    A wheel has every source file, the typing marker, the license and the manual pages; no tests,
    no tools.
    """
    source, manual = ROOT / name / "src", ROOT / name / "man"
    wheel = wheel_of(wheels, name)
    files = set(zipfile.ZipFile(wheel).namelist())
    stem = wheel.name.rpartition("-py3")[0]
    about = f"{stem}.dist-info"

    sources = {
        str(path.relative_to(source))
        for path in source.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    sources |= {
        f"{stem}.data/data/share/man/{path.relative_to(manual)}" for path in manual.rglob("*.8")
    }

    assert wheel.name.endswith("-py3-none-any.whl")
    assert f"{name}/py.typed" in files
    assert f"{about}/licenses/LICENSE" in files
    assert {file for file in files if not file.startswith(about)} == sources


@pytest.mark.parametrize("name", BRINGS)
def test_wheel_describes_itself(wheels, name):
    """
    A wheel's metadata has its text, license and Python version.
    """
    wheel = wheel_of(wheels, name)
    about = wheel.name.rpartition("-py3")[0] + ".dist-info"
    metadata = Parser().parsestr(zipfile.ZipFile(wheel).read(f"{about}/METADATA").decode())

    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().strip() == (ROOT / name / "README.md").read_text().strip()


@pytest.fixture(scope="module", params=BRINGS)
def installed(request, wheels, others, tmp_path_factory):
    """A fresh environment with one distribution, installed from the two folders only."""
    name = request.param
    home = tmp_path_factory.mktemp(f"alone-{name}")
    subprocess.run([sys.executable, "-I", "-m", "venv", "--without-pip", home], check=True)
    python = home / "bin" / "python"
    folders = ["--find-links", wheels, "--find-links", others]
    pip("--python", python, "install", "--no-index", *folders, wheel_of(wheels, name))
    return name, python


def run(python, program):
    # Warnings are errors, in the packages of others too: a floor that is too low may show so.
    command = [python, "-I", "-W", "error", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_distribution_brings_what_it_needs_and_no_more(installed):
    """
    Installing one distribution installs its dependencies, and nothing that it does not use.
    """
    name, python = installed
    program = "from importlib.metadata import *; print(*[d.name for d in distributions()])"

    found = {canonicalize_name(d) for d in run(python, program).split()}

    assert found <= BRINGS[name]
    assert found >= BRINGS[name] - {"pycparser", "typing-extensions"}  # theirs, not ours


def test_distribution_works_alone(installed):
    """
    Every public name can be imported where nothing else is installed.
    """
    name, python = installed

    run(python, f"import {name}\nfor n in getattr({name}, '__all__', []): getattr({name}, n)")


@pytest.mark.parametrize("installed", ["pyoci"], indirect=True)
def test_program_works_from_its_wheel(installed):
    """
    The wheel of the program has an ordinary console script, which says its version.
    """
    _, python = installed

    done = subprocess.run([python.parent / "pyoci", "--version"], capture_output=True, text=True)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pyoci version ")
