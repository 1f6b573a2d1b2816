"""Run the tests that need a machine of their own: pure cgroup v2, systemd, AppArmor, a kernel 6.1.

    VM run -- python3 tests/vm/run.py
    VM run --user tester -- python3 tests/vm/run.py

Run inside the machine, by its own Python: nothing is installed there but what Debian has.  The
files are not named test_*, so a plain pytest does not collect them.
"""

import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent.parent
PACKAGES = ("pyoci", "libcontainer", "libcgroups", "libseccomp", "liboci_cli")
LAUNCHER = """\
#!/usr/bin/python3 -ISBXutf8
import sys

sys.path += {folders!r}
from pyoci.main import main

sys.exit(main())
"""


def write_launcher(path):
    """As `pyoci setup` would, without asking for attrs and click, which are not there."""
    folders = [str(ROOT / name / "src") for name in PACKAGES] + ["/usr/lib/python3/dist-packages"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(LAUNCHER.format(folders=folders))
    path.chmod(0o755)


if __name__ == "__main__":
    runtime = pathlib.Path(f"/tmp/pyoci-{os.geteuid()}/pyoci")
    write_launcher(runtime)
    os.environ["PYOCI"] = str(runtime)
    sys.path[:0] = [*[str(ROOT / name / "src") for name in PACKAGES], str(HERE)]
    os.chdir(HERE)
    sys.dont_write_bytecode = True
    options = ["-c", "/dev/null", "--rootdir", str(HERE), "-o", "python_files=vm_*.py", "-ra"]
    # The workspace's own conftest is for a newer pytest than Debian's.
    options += ["--confcutdir", str(HERE), "-p", "no:cacheprovider"]
    options += ["-W", "ignore::pytest.PytestUnknownMarkWarning"]
    sys.exit(pytest.main([*options, str(HERE), *sys.argv[1:]]))
