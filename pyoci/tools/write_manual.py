"""Write the manual pages, man/man8/*.8, from the table of the command line."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(HERE.parent / "liboci_cli" / "src"), str(HERE / "src")]

from liboci_cli import man_pages  # noqa: E402
from pyoci.table import TABLE  # noqa: E402

MORE = {
    "FILES": """\
/run/pyoci is the state directory of root, $XDG_RUNTIME_DIR/pyoci that of others.
In it each container has a directory of its name, and .seccomp keeps compiled filters.""",
    "ENVIRONMENT": """\
XDG_RUNTIME_DIR: where the state of an ordinary user's containers is.
NOTIFY_SOCKET: where run and start tell a service manager that the container is ready; create
prepares that. Without it nobody is told.
LISTEN_FDS: how many descriptors from 3 on are handed to the container.
NO_COLOR: no colours on a terminal.
PYOCI_DEBUG: if set, an error shows where in the program it was raised.""",
    "STANDARDS": "The Open Container Initiative's runtime specification, version 1.3.0.",
}


def main() -> None:
    folder = HERE / "man" / "man8"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in man_pages("pyoci", TABLE, MORE).items():
        (folder / name).write_text(text)


main()
