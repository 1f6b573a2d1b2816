"""Who may import whom: architecture, "Dependency direction"."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# What each distribution may import that is not the standard library's or its own.
ALLOWED = {
    "libcgroups": {"attrs", "cffi", "_cffi_backend"},
    "libseccomp": {"attrs", "cffi", "_cffi_backend"},
    "libcontainer": {
        *("libcgroups", "libseccomp", "attrs", "cattrs", "cffi", "_cffi_backend"),
        *("wasmtime", "pyroute2"),  # its extras
    },
    "liboci_cli": {"attrs", "click"},
    "pyoci": {
        *("libcontainer", "libcgroups", "libseccomp", "liboci_cli"),
        *("systemd", "cffi", "_cffi_backend"),  # the journal
    },
}

# Inside libcontainer, the highest first; each may import what is below it.  What is in no row is
# a single topic (one file: namespaces, idmap, capabilities ...) and stands beside rootfs.
ABOVE_TOPICS = (("container", "builder", "sibling"), ("ops",), ("process",), ("plan",))
BELOW_TOPICS = (
    ("spec", "kernel", "codec"),
    ("step", "errors", "_record", "_log", "_machine", "bad_json"),
)
TOPICS = len(BELOW_TOPICS)
# The package's own table of names, and what is made for tests only.
OUTSIDE = ("__init__", "testing")


def sources(package):
    return sorted((ROOT / package / "src" / package).rglob("*.py"))


def is_type_checking(node):
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def import_nodes(tree, *, types):
    """Every import of a module, inside functions too; those for the checker if `types`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            yield node
        elif is_type_checking(node):
            for part in node.body if types else []:
                yield from import_nodes(ast.Module([part], []), types=types)
            for part in node.orelse:
                yield from import_nodes(ast.Module([part], []), types=types)
        else:
            yield from import_nodes(node, types=types)


def imported(package, path, *, types):
    """The full names that the file at `path` imports, with their lines."""
    inside = path.relative_to(ROOT / package / "src").with_suffix("").parts
    for node in import_nodes(ast.parse(path.read_text()), types=types):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
            continue
        base = inside[: -node.level] if node.level else ()
        module = ".".join([*base, *([node.module] if node.module else [])])
        for alias in node.names:
            yield f"{module}.{alias.name}", node.lineno


@pytest.mark.parametrize("package", ALLOWED)
def test_distribution_imports_what_it_declares(package):
    """
    A distribution stands alone: it imports the standard library and what its own row names.
    """
    allowed = ALLOWED[package] | set(sys.stdlib_module_names) | {package}

    stray = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in sources(package)
        for name, line in imported(package, path, types=True)
        if name.partition(".")[0] not in allowed
    ]

    assert stray == []


def rank(unit):
    """How high a file or folder of libcontainer stands; 0 is the bottom."""
    for i, row in enumerate(reversed(BELOW_TOPICS)):
        if unit in row:
            return i
    for i, row in enumerate(reversed(ABOVE_TOPICS)):
        if unit in row:
            return TOPICS + 1 + i
    return TOPICS


def units():
    """The files and folders of libcontainer, and for each what it imports of the others."""
    home = ROOT / "libcontainer" / "src" / "libcontainer"
    found = {}
    for path in sources("libcontainer"):
        unit = path.relative_to(home).parts[0].removesuffix(".py")
        if unit in OUTSIDE:
            continue
        for name, line in imported("libcontainer", path, types=False):
            first, _, rest = name.partition(".")
            target = rest.partition(".")[0]
            if first == "libcontainer" and target not in (unit, ""):
                where = f"{path.relative_to(ROOT)}:{line}"
                found.setdefault(unit, {}).setdefault(target, where)
        found.setdefault(unit, {})
    return found


def test_libcontainer_imports_downwards():
    """
    ops > process > plan > {rootfs, single topics} > {spec, kernel, codec} > errors.
    """
    upwards = [
        f"{where}: {unit} imports {target}"
        for unit, targets in units().items()
        for target, where in targets.items()
        if rank(target) > rank(unit)
    ]

    assert upwards == []


def test_libcontainer_has_no_circles():
    """
    What stands side by side may import each other, one way.
    """
    rest = {unit: set(targets) for unit, targets in units().items()}
    while free := [unit for unit, targets in rest.items() if not targets & set(rest)]:
        for unit in free:
            del rest[unit]

    assert {unit: sorted(targets & set(rest)) for unit, targets in rest.items()} == {}


DEFINITIONS = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)


@pytest.mark.parametrize("package", ALLOWED)
def test_modules_have_the_future_import(package):
    """
    Annotations stay text: typing costs more than a bare start, and records read them as text.
    """
    without = [
        str(path.relative_to(ROOT))
        for path in sources(package)
        if path.name != "_abi.py"
        and any(isinstance(node, DEFINITIONS) for node in ast.parse(path.read_text()).body)
        and "from __future__ import annotations" not in path.read_text()
    ]

    assert without == []
