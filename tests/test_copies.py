"""Files that several distributions carry, because each stands alone."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("libcgroups", "libseccomp", "libcontainer", "liboci_cli", "pyoci")


SHARED = {
    "libcgroups": ["_record.py", "_log.py", "_machine.py"],
    "libseccomp": ["_record.py", "_log.py", "_machine.py"],
    "liboci_cli": ["_record.py", "_log.py"],
}


@pytest.mark.parametrize(
    ("package", "module"),
    [(package, module) for package, modules in SHARED.items() for module in modules],
)
def test_shared_module_is_a_copy_of_libcontainers(package, module):
    """
    `just generate` copies what several libraries need; nobody edits a copy.
    """
    original = ROOT / "libcontainer" / "src" / "libcontainer" / module

    assert (ROOT / package / "src" / package / module).read_text() == original.read_text()


@pytest.mark.parametrize("folder", FOLDERS)
def test_license_is_a_real_file(folder):
    """
    A link would dangle in the source distribution and be missing from the wheel.
    """
    copy = ROOT / folder / "LICENSE"

    assert not copy.is_symlink()
    assert copy.read_bytes() == (ROOT / "LICENSE").read_bytes()
