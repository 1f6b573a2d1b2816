"""A compiled profile: what seccomp(2) takes, and nothing that needs libseccomp any more."""

from __future__ import annotations

from ._record import Record


class CompiledFilter(Record):
    """A program and how to load it.

    `program` is an array of struct sock_filter in the byte order of the machine it is for,
    `flags` are those of seccomp(SECCOMP_SET_MODE_FILTER), NEW_LISTENER included.
    """

    program: bytes
    flags: int
    notifies: bool  # loading it returns a listener, which wants an agent
