"""features: what this runtime can do.  runtime-spec: features.md."""

from __future__ import annotations

from libcontainer import codec
from libcontainer.capabilities import NAMES
from libcontainer.rootfs.options import known_options
from libcontainer.spec.features import features

from .. import __version__
from ..output import write
from ..versions import libseccomp_version, seccomp_flags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.args import GlobalArgs
    from liboci_cli.hosting import FeaturesArgs


def run(options: GlobalArgs, args: FeaturesArgs) -> int:
    """Print the document."""
    document = features(
        version=__version__,
        capabilities=tuple(["CAP_" + name for name in NAMES]),
        mount_options=known_options(),
        seccomp_version=libseccomp_version(),
        seccomp_flags=seccomp_flags(),
        systemd=True,
    )
    write(codec.dumps(document.to_json(), indent="    ") + "\n")
    return 0
