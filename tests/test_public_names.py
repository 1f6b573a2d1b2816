"""The public names of each package: one lazy table, said three times, and nothing loaded."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from pyoci.setup import package_folders

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("libcgroups", "libseccomp", "libcontainer", "liboci_cli", "pyoci")


def tree_of(package):
    return ast.parse((ROOT / package / "src" / package / "__init__.py").read_text())


def for_the_checker(package):
    """What the file imports below TYPE_CHECKING: name to module."""
    blocks = [
        node
        for node in tree_of(package).body
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
    ]
    return {
        alias.asname or alias.name: node.module
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.level == 1
        for alias in node.names
    }


def table_of(package):
    """The table that `__getattr__` looks into."""
    for node in ast.walk(tree_of(package)):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_HOME":
            return ast.literal_eval(node.value)
    return {}


def in_order(names):
    """Constants, classes, functions, each by the alphabet: the order that linters know."""
    return sorted(names, key=lambda n: (0 if n.isupper() else 1 if n[0].isupper() else 2, n))


@pytest.mark.parametrize("package", PACKAGES)
def test_all_table_and_checker_agree(package):
    """
    What `__all__` promises is what the table finds and what type checkers see, in order.
    """
    names = list(getattr(importlib.import_module(package), "__all__", []))

    assert names in (sorted(names), in_order(names))
    assert sorted(set(names) - {"__version__"}) == sorted(table_of(package))
    assert table_of(package) == for_the_checker(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there(package):
    """
    Every name of the table can be imported from the package.
    """
    module = importlib.import_module(package)

    assert [name for name in table_of(package) if not hasattr(module, name)] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_unknown_name_is_an_attribute_error(package):
    """
    A lazy table does not change what Python says of a name that is not there.
    """
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'nonesuch'"):
        importlib.import_module(package).nonesuch  # noqa: B018


@pytest.mark.parametrize("package", PACKAGES)
def test_import_loads_no_submodule(package):
    """
    Importing a package costs one module, whatever it offers.
    """
    program = f"""
import sys
sys.path += {package_folders()!r}
before = set(sys.modules)
import {package}
print(*sorted(set(sys.modules) - before))
"""

    done = subprocess.run(
        [sys.executable, "-ISB", "-c", program], capture_output=True, text=True, check=True
    )

    assert set(done.stdout.split()) <= {package, "__future__"}
