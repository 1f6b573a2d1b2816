"""What reading and judging a document may import; every millisecond counts four times."""

import subprocess
import sys
from pathlib import Path

import pytest

import libcgroups
import libcontainer
import libseccomp

SOURCES = [str(Path(m.__file__).parent.parent) for m in (libcontainer, libcgroups, libseccomp)]
DOCUMENT = Path(__file__).parents[1] / "data/configs/docker-default.json"
# What hot modules may import beside ours, if a bare start has not loaded it already.
ALLOWED = {
    *("sys", "posix", "time", "errno", "stat", "select", "fcntl", "resource", "struct", "marshal"),
    *("__future__", "_signal", "_socket", "_json", "_blake2", "_posixsubprocess", "_struct"),
    *("_stat", "_cffi_backend"),
}
CREATE = f"""
from libcontainer.spec.load import load_spec
from libcontainer.spec.validate import validate
with open({str(DOCUMENT)!r}) as file:
    spec = load_spec(file.read())
validate(spec)
"""


def modules(program):
    """The modules that a program loads beyond a bare start."""
    text = (
        f"import sys; sys.path += {SOURCES!r}; bare = set(sys.modules)\n"
        f"{program}\n"
        "print(*sorted(set(sys.modules) - bare))"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", text], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def foreign(found):
    ours = ("libcontainer", "libcgroups", "libseccomp")
    return {name for name in found if name.partition(".")[0] not in ours} - ALLOWED


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(CREATE, id="load-and-validate"),
        pytest.param(
            'from libcontainer.spec.load import load_process; load_process(\'{"cwd":"/"}\')',
            id="process-of-exec",
        ),
        pytest.param("import libcontainer.spec.state", id="state"),
        pytest.param("import libcontainer.spec.features", id="features"),
        pytest.param("import libcontainer.spec.default", id="default"),
    ],
)
def test_only_cheap_modules_are_imported(program):
    """
    Nothing is imported beside our own modules and a short list of built-in ones.
    """
    assert foreign(modules(program)) == set()


def test_the_package_itself_imports_nothing():
    """
    `import libcontainer.spec` loads no submodule; a name's first use does.
    """
    assert modules("import libcontainer.spec") == {
        "__future__",
        "libcontainer",
        "libcontainer.spec",
    }


def test_state_does_not_import_the_document():
    """
    `state`, `kill` and `delete` never read config.json, so they need not load its records.
    """
    found = modules("import libcontainer.spec.state")

    assert {name for name in found if name.startswith("libcontainer.")} == {
        "libcontainer._record",
        "libcontainer.spec",
        "libcontainer.spec.state",
    }


def test_rules_for_rare_fields_are_not_loaded_for_others():
    """
    A document without them does not pay for the rules of RDT, scheduling and the like.
    """
    found = modules(CREATE)

    assert "libcontainer.spec.validate" in found
    assert not found & {"libcontainer.spec.rules.rare", "libcontainer.spec.rules.scheduling"}
