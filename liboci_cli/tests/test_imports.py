"""What a start of the runtime pays for."""

import ast
import pathlib
import subprocess
import sys

import pytest

import liboci_cli

SRC = pathlib.Path(liboci_cli.__file__).parent
ALLOWED = {
    "__future__",
    "liboci_cli",
    *[f"liboci_cli.{m}" for m in ("_record", "args", "commands", "errors", "reader", "table")],
}
# The rows and records of commands that make a process.
MAKING = {"liboci_cli.making"}
CODE = """
import sys
sys.path.append({path!r})
before = set(sys.modules)
{code}
print(*sorted(set(sys.modules) - before))
"""


def loaded(code):
    """The modules that some code loads into a bare interpreter."""
    code = CODE.format(path=str(SRC.parent), code=code)
    command = [sys.executable, "-IS", "-c", code]
    return set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.parametrize(
    ("line", "more"),
    [
        ("--root /r --log /l --log-format json create --bundle /b --pid-file /p x", MAKING),
        ("run --detach x", MAKING),
        ("exec x true", MAKING),
        ("start x", set()),
        ("state x", set()),
        ("kill --all x 9", set()),
        ("delete --force x", set()),
        ("list", set()),
    ],
)
def test_parsing_loads_only_what_is_allowed(line, more):
    """
    Reading a command line loads this library's own modules, those of the command, and nothing else.
    """
    code = f"from liboci_cli.args import parse; parse({line.split()!r})"

    assert loaded(code) <= ALLOWED | more


def test_usage_error_loads_only_what_is_allowed():
    """
    Refusing a command line is as cheap as reading it.
    """
    code = """
from liboci_cli.args import parse
from liboci_cli.errors import UsageError
try: parse(["create", "--preserve-fds", "x"])
except UsageError: pass
"""
    assert loaded(code) <= ALLOWED | MAKING


def test_package_loads_no_module():
    """
    The package itself is only a table of names.
    """
    assert loaded("import liboci_cli") <= {"__future__", "liboci_cli"}


def test_public_names():
    """
    `__all__`, the lazy table and what checkers see name the same things, and all can be had.
    """
    tree = ast.parse((SRC / "__init__.py").read_text())
    checked = next(n for n in tree.body if isinstance(n, ast.If))
    seen = {
        alias.name: node.module
        for node in checked.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }

    assert liboci_cli._HOME == seen
    assert set(liboci_cli.__all__) == set(seen)
    assert set(dir(liboci_cli)) >= set(seen)
    for name in liboci_cli.__all__:
        getattr(liboci_cli, name)
    with pytest.raises(AttributeError, match="bogus"):
        liboci_cli.bogus
