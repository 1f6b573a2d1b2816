"""Device access: the program of `libcgroups.bpf`, attached to the cgroup."""

from __future__ import annotations

import posix
from errno import EACCES, EINVAL, EPERM

from ..bpf import assemble
from ..devices import in_user_namespace, resolve
from ..errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..bpf import Bpf
    from ..resources import LinuxDeviceCgroup


def apply(
    rules: tuple[LinuxDeviceCgroup, ...], path: str, bpf: Bpf, *, rootless: bool = False
) -> None:
    """Let the cgroup at `path` use exactly the devices that `rules` come to."""
    access = resolve(rules)
    directory = posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC)
    try:
        if access.allows_everything():
            _detach_all(directory, bpf.query(directory), bpf)
        else:
            program = bpf.load(assemble(access))
            try:
                _put(directory, program, bpf)
            finally:
                posix.close(program)
    except OSError as e:
        # A program of our own is a privilege of the host's root.  Without it the kernel's checks
        # on device nodes in a user namespace are stricter than any rule could be.
        if not (rootless or access.allows_everything() or in_user_namespace()):
            raise _refusal(path, e) from e
    finally:
        posix.close(directory)


def _put(directory: int, program: int, bpf: Bpf) -> None:
    """Attach the program in place of those that are there."""
    old = bpf.query(directory)
    if len(old) == 1 and _replace(directory, program, old[0], bpf):
        return
    # First attach, then detach: in between both must agree, so nothing is allowed too much.
    bpf.attach(directory, program)
    _detach_all(directory, old, bpf)


def _replace(directory: int, program: int, old_id: int, bpf: Bpf) -> bool:
    try:
        old = bpf.open(old_id)
    except OSError:
        return False  # somebody else's
    try:
        bpf.attach(directory, program, replace=old)
    except OSError as e:
        if e.errno != EINVAL:
            raise
        return False  # Linux before 5.6, or attached in another mode
    finally:
        posix.close(old)
    return True


def _detach_all(directory: int, ids: tuple[int, ...], bpf: Bpf) -> None:
    for program_id in ids:
        try:
            program = bpf.open(program_id)
        except OSError as e:
            if e.errno in (EPERM, EACCES):
                continue  # somebody else's: it can only make things stricter
            raise
        try:
            bpf.detach(directory, program)
        finally:
            posix.close(program)


def _refusal(path: str, error: OSError) -> CgroupError:
    hint = " (it takes CAP_SYS_ADMIN on the host)" if error.errno in (EPERM, EACCES) else ""
    return CgroupError.because(
        f"cannot set device rules of {path}: the kernel refuses the BPF program: "
        f"{str(error.strerror).lower()}{hint}",
        error.errno,
    )
