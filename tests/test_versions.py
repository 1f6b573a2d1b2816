"""The versions of the five distributions and the pins between them."""

import importlib
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("libcgroups", "libseccomp", "libcontainer", "liboci_cli", "pyoci")


def project(folder):
    return tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]


VERSIONS = {
    canonicalize_name(project(folder)["name"]): project(folder)["version"] for folder in FOLDERS
}


def requirements(folder):
    extras = project(folder).get("optional-dependencies", {}).values()
    lines = [*project(folder)["dependencies"], *[line for extra in extras for line in extra]]
    return [Requirement(line) for line in lines]


@pytest.mark.parametrize("folder", FOLDERS)
def test_version_is_a_literal_of_the_package(folder):
    """
    `__version__` is what the distribution is called: reading metadata costs 26 ms.
    """
    assert importlib.import_module(folder).__version__ == project(folder)["version"]


@pytest.mark.parametrize("folder", FOLDERS)
def test_changelog_knows_the_version(folder):
    """
    Each distribution tells its users what the version brings.
    """
    assert project(folder)["version"] in (ROOT / folder / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_pins_between_ours_are_compatible_releases(folder):
    """
    Siblings are pinned `~=X.Y.Z`, and the sibling in this tree is inside the pin.
    """
    ours = [r for r in requirements(folder) if canonicalize_name(r.name) in VERSIONS]

    wrong = [
        str(r)
        for r in ours
        if [s.operator for s in r.specifier] != ["~="]
        or next(iter(r.specifier)).version.count(".") != 2
        or VERSIONS[canonicalize_name(r.name)] not in r.specifier
    ]

    assert wrong == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_others_have_a_floor_and_no_ceiling(folder):
    """
    A library must not keep its users from a newer version of something else.
    """
    others = [r for r in requirements(folder) if canonicalize_name(r.name) not in VERSIONS]

    assert [str(r) for r in others if [s.operator for s in r.specifier] != [">="]] == []


def test_pins_follow_the_imports():
    """
    The program needs all four libraries, libcontainer two of them, the others none.
    """
    ours = {
        folder: {r.name for r in requirements(folder) if canonicalize_name(r.name) in VERSIONS}
        for folder in FOLDERS
    }

    assert ours == {
        "libcgroups": set(),
        "libseccomp": set(),
        "liboci_cli": set(),
        "libcontainer": {"libcgroups", "libseccomp"},
        "pyoci": {"libcgroups", "libseccomp", "libcontainer", "liboci-cli"},
    }
