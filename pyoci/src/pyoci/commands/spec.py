"""spec: write a config.json to begin with."""

from __future__ import annotations

import posix

from libcontainer import codec
from libcontainer.spec.default import default_spec
from libcontainer.spec.write import without_defaults

from ..output import BadOption, write_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import SpecArgs


def run(options: GlobalArgs, args: SpecArgs) -> int:
    """Write it; one that is there is never overwritten."""
    if args.bundle is not None:
        try:
            posix.chdir(args.bundle)
        except OSError as e:
            raise BadOption(f"chdir {args.bundle}: {(e.strerror or '').lower()}") from e
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
    except OSError as e:
        raise BadOption(f"open {args.file}: {(e.strerror or '').lower()}") from e
    try:
        write_to(fd, text)
    except OSError as e:
        raise BadOption(f"write {args.file}: {(e.strerror or '').lower()}") from e
    finally:
        posix.close(fd)
    return 0
