"""Finding the library."""

import ctypes
import os
import platform
import shutil
import subprocess
import sys

import pytest

from libseccomp import soname


def python(script, **env):
    """Run a script with a changed environment; return its output."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=os.environ | env
    )
    return done.stdout.strip() + done.stderr.strip()


def test_the_library_is_found_without_opening_it():
    """
    The path is known by looking at folders.
    """
    script = "from libseccomp import soname; print(soname.find())"
    script += "\nprint('libseccomp.so' in open('/proc/self/maps').read())"

    path, mapped = python(script).split()

    assert os.path.basename(path) == "libseccomp.so.2"
    assert mapped == "False"


def test_ld_library_path_goes_first(tmp_path):
    """
    What the loader would take is what is named, and opened.
    """
    found = soname.find()
    if found is None:
        pytest.skip("libseccomp.so.2 is in none of the usual folders")
    shutil.copy(found, tmp_path / "libseccomp.so.2")
    script = "from libseccomp import library, soname; library.open_library()"
    script += f"\nprint(soname.find(), {str(tmp_path)!r} in open('/proc/self/maps').read())"

    assert python(script, LD_LIBRARY_PATH=f":rel:{tmp_path}") == f"{tmp_path}/libseccomp.so.2 True"


def test_a_32_bit_personality_hides_nothing():
    """
    The folder is that of the interpreter's own machine, whatever uname says.
    """
    expected = platform.machine(), soname.find()
    script = "from libseccomp import _machine, soname; print(_machine.machine(), soname.find())"

    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        preexec_fn=lambda: ctypes.CDLL(None).personality(0x8),  # PER_LINUX32
    )

    assert tuple(done.stdout.split()) == expected, done.stderr


def test_an_unusable_file_leaves_it_to_the_loader(tmp_path):
    """
    A file of another machine is passed over.
    """
    found = soname.find()
    if found is None:
        pytest.skip("libseccomp.so.2 is in none of the usual folders")
    with open(found, "rb") as file:
        content = bytearray(file.read())
    content[18:20] = b"\x02\x00"  # e_machine of the ELF header: SPARC
    (tmp_path / "libseccomp.so.2").write_bytes(content)
    script = "from libseccomp import library; print(library.version() >= (2, 5, 0))"

    assert python(script, LD_LIBRARY_PATH=str(tmp_path)) == "True"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(
            "soname._FOLDERS = (); soname.SONAME = 'libnothing.so.2'",
            "libnothing.so.2 is not found, install libseccomp 2.5 or later (Debian: libseccomp2)",
            id="missing",
        ),
        pytest.param(
            "library._version = lambda l: (2, 4, 4)",
            "libseccomp 2.4.4 is too old, install libseccomp 2.5 or later (Debian: libseccomp2)",
            id="too-old",
        ),
        pytest.param(
            "soname._FOLDERS = (); soname.SONAME = 'libc.so.6'",
            "libseccomp is older than 2.3, install libseccomp 2.5 or later (Debian: libseccomp2)",
            id="another-library",
        ),
    ],
)
def test_a_missing_library_is_one_sentence_with_what_to_install(change, text):
    """
    Whoever lacks the library is told what to install.
    """
    script = f"from libseccomp import library, soname, LibraryMissing\n{change}\n"
    script += "try: library.open_library()\nexcept LibraryMissing as e: print(e)"

    assert python(script) == text
