"""System call numbers of the machines that pyoci runs on.

Sources: arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
"""

from __future__ import annotations

# name: (x86_64, aarch64)
_TABLE = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "rt_sigaction": (13, 134),
    "ioctl": (16, 29),
    "dup2": (33, -1),
    "dup3": (292, 24),
    "socket": (41, 198),
    "sendmsg": (46, 211),
    "recvmsg": (47, 212),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "execve": (59, 221),
    "fchdir": (81, 50),
    "fchown": (93, 55),
    "chdir": (80, 49),
    "umask": (95, 166),
    "setsid": (112, 157),
    "setgroups": (116, 159),
    "setresuid": (117, 147),
    "setresgid": (119, 149),
    "capget": (125, 90),
    "capset": (126, 91),
    "personality": (135, 92),
    "fstatfs": (138, 44),
    "pivot_root": (155, 41),
    "prctl": (157, 167),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "sched_setaffinity": (203, 122),
    "set_mempolicy": (238, 237),
    "keyctl": (250, 219),
    "ioprio_set": (251, 30),
    "openat": (257, 56),
    "unshare": (272, 97),
    "prlimit64": (302, 261),
    "setns": (308, 268),
    "sched_setattr": (314, 274),
    "seccomp": (317, 277),
    "execveat": (322, 281),
    "pidfd_send_signal": (424, 424),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "clone3": (435, 435),
    "close_range": (436, 436),
    "openat2": (437, 437),
    "pidfd_getfd": (438, 438),
    "faccessat2": (439, 439),
    "mount_setattr": (442, 442),
}
_COLUMNS = {"x86_64": 0, "aarch64": 1}


def numbers(machine: str) -> dict[str, int]:
    """Return the numbers by name for `machine`, as uname(2) calls it.

    Raises OSError(ENOSYS) for a machine that pyoci has no table for.
    """
    if machine not in _COLUMNS:
        import errno

        raise OSError(errno.ENOSYS, "no table of system calls for this machine", machine)
    column = _COLUMNS[machine]
    return {name: row[column] for name, row in _TABLE.items()}
