"""What a user namespace that is joined allows."""

from __future__ import annotations

import posix

from libcgroups.files import read_text

from ..errors import InitFailed
from ..idmap import IdRange, Mapping
from ..kernel import constants as c
from ..kernel.linux import LinuxKernel
from ..step import reason


def look_inside(path: str) -> tuple[Mapping, bool]:
    """Return the maps of the user namespace at `path`, and whether it allows setgroups(2).

    A child enters it and reads its own files: they are a process's, and the path may outlive every
    process of the namespace.  Raises InitFailed.
    """
    reader, writer = posix.pipe2(posix.O_CLOEXEC)
    try:
        kernel = LinuxKernel()
        pid = kernel.fork(lambda: _tell(kernel, path, writer))
        posix.close(writer)
        said = b""
        while part := posix.read(reader, 1 << 16):
            said += part
    finally:
        posix.close(reader)
    posix.waitpid(pid, 0)
    uids, gids, setgroups, fault = (said.decode().split("\0") + ["", "", "", ""])[:4]
    if fault or not uids:
        raise InitFailed(
            "namespaces", None, f"join the user namespace {path}: {fault or 'no maps'}"
        )
    return Mapping(uids=_ranges(uids), gids=_ranges(gids)), setgroups.strip() != "deny"


def _tell(kernel: LinuxKernel, path: str, writer: int) -> None:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
        # Soon somebody else is root over us, who is not to trace a fork of the runtime.
        kernel.prctl(c.PR_SET_DUMPABLE, 0)
        kernel.setns(fd, c.CLONE_NEWUSER, path)
        kernel.prctl(c.PR_SET_DUMPABLE, 0)  # new credentials may have undone it
        said = [read_text(f"/proc/self/{name}") for name in ("uid_map", "gid_map", "setgroups")]
    except OSError as e:
        said = ["", "", "", reason(e)]
    posix.write(writer, "\0".join(said).encode())


def _ranges(text: str) -> tuple[IdRange, ...]:
    lines = [[int(number) for number in line.split()] for line in text.splitlines()]
    return tuple([IdRange(inside, outside, size) for inside, outside, size in lines])
