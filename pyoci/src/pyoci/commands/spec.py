"""spec: write a config.json to begin with."""

from __future__ import annotations

import posix

from libcontainer import codec
from libcontainer.spec.default import default_spec
from libcontainer.spec.write import without_defaults

from ..output import BadOption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import SpecArgs


def run(options: GlobalArgs, args: SpecArgs) -> int:
    """Write it; one that is there is never overwritten."""
    if args.bundle is not None:
        posix.chdir(args.bundle)
    document = default_spec(
        rootless=args.rootless,
        cgroup2=posix.access("/sys/fs/cgroup/cgroup.controllers", posix.F_OK),
        uid=posix.geteuid(),
        gid=posix.getegid(),
    )
    text = codec.dumps(without_defaults(document), indent="\t") + "\n"
    flags = posix.O_WRONLY | posix.O_CREAT | posix.O_EXCL | posix.O_CLOEXEC
    try:
        fd = posix.open(args.file, flags, 0o666)
    except FileExistsError:
        raise BadOption(f"File {args.file} exists. Remove it first") from None
    posix.write(fd, text.encode())
    posix.close(fd)
    return 0
