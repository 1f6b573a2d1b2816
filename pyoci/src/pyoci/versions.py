"""What others provide: libseccomp and the kernel."""

from __future__ import annotations


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
