"""Files that several distributions carry, because each stands alone."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("libcgroups", "libseccomp", "libcontainer", "liboci_cli", "pyoci")


@pytest.mark.parametrize("module", ["_record.py", "_log.py"])
@pytest.mark.parametrize("package", ["libcgroups", "libseccomp", "liboci_cli"])
def test_shared_module_is_a_copy_of_libcontainers(package, module):
    """
    `just generate` copies the record base and the log module; nobody edits a copy.
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
