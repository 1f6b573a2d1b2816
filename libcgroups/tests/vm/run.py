"""Run the tests that need a machine of their own: pure cgroup v2, or systemd.

    VM run -- python3 libcgroups/tests/vm/run.py                     v2, systemd, as root
    VM run --user tester -- python3 libcgroups/tests/vm/run.py       rootless
    VM run --cgroup hybrid -- python3 libcgroups/tests/vm/run.py     v1 by systemd
    VM run --cgroup v1 -- python3 libcgroups/tests/vm/run.py

They are not named test_*: a plain pytest does not collect them.
"""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent

if __name__ == "__main__":
    sys.path[:0] = [str(HERE.parent.parent / "src"), str(HERE)]
    os.chdir(HERE)
    sys.dont_write_bytecode = True
    options = ["-c", "/dev/null", "--rootdir", str(HERE), "-o", "python_files=vm_*.py", "-ra"]
    # The workspace's own conftest is for a newer pytest than Debian's.
    options += ["--confcutdir", str(HERE.parent), "-p", "no:cacheprovider"]
    options += ["-W", "ignore::pytest.PytestUnknownMarkWarning"]
    # The README and the v1 kernel's tests too: they skip where they do not belong.
    paths = [str(HERE), str(HERE.parent / "test_kernel_v1.py"), str(HERE.parent / "test_readme.py")]
    sys.exit(pytest.main([*options, *paths, *sys.argv[1:]]))
