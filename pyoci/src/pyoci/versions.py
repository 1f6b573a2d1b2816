"""What others provide: libseccomp and the kernel."""

from __future__ import annotations

import sys

from libcontainer.state import OCI_VERSION

from . import __version__


def own_versions() -> list[tuple[str, str]]:
    """Return name and version of what runs here, the specification's included."""
    found = [
        ("pyoci version", __version__),
        ("commit", __version__),  # Docker wants one; a release is its own
        ("spec", OCI_VERSION),
        ("python", ".".join([str(n) for n in sys.version_info[:3]])),
    ]
    if library := libseccomp_version():
        found.append(("libseccomp", library))
    return found


def libseccomp_version() -> str | None:
    """Return the version of the libseccomp that filters are compiled with, None without one."""
    try:
        from libseccomp.library import version

        return ".".join([str(n) for n in version()])
    except Exception:  # the library is missing or odd; whoever asks for a version is not to fail
        return None


def seccomp_flags() -> tuple[str, ...]:
    """Return the flags of a seccomp profile that this kernel knows."""
    try:
        from libseccomp.kernel import supported_flags

        return supported_flags()
    except Exception:  # as above
        return ()
