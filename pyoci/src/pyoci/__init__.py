"""pyoci: an OCI container runtime, made of libcontainer, libcgroups, libseccomp and liboci_cli."""

__version__ = "0.1.0"
__all__: list[str] = []
