"""The last mile: what happens between the end of Python and the payload, as a list.

Each entry is one system call of the stub (`process/stub`), which runs the list and knows nothing
else.  The list is data, so its order can be compared in tests and shown by `pyoci plan`; why each
call stands where it does is said here, where it is written down.

Arguments are numbers, or text with a prefix that says what the number will be:

    text:X    the address of the string X          fd:X     the descriptor that init holds as X
    hex:X     the address of these bytes           data:X   the address of what init finds out: the
    buffer:N  the address of N bytes to write to            command's path, argv, env, the filter
    result:N  what the call N places away has returned: -1 is the one before
    into:X    the address of what clone3 gets to make a sibling inside the cgroup that X refers to

`R`, `g` and `S` are single bytes between the stub and main; only `S` is success.
"""

from __future__ import annotations

import posix
from struct import pack

from .._record import BadDocument, Record, i64
from ..capabilities import SYS_ADMIN, TO_REDUCE, CapabilitySets
from ..kernel import constants as c

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Arg: TypeAlias = int | str
else:

    class Arg:
        """How a record reads an argument."""

        @staticmethod
        def from_json(value):
            if type(value) not in (int, str):
                raise BadDocument
            return value


CHDIR = "chdir to cwd"


class Entry(Record):
    """One system call of the last mile."""

    call: str
    args: tuple[Arg, ...]
    does: str  # what a failure of it is called, in runc's words where runc has them
    ignore: bool = False  # go on when it fails
    want: i64 | None = None  # another result than this is a failure
    fork: bool = False  # the parent reports the child's pid and ends
    tells: bool = False  # a failure is told on the container's stderr: nobody else listens

    def describe(self) -> str:
        """Say the call and what it is for."""
        return f"{self.call}({', '.join([str(a) for a in self.args])}): {self.does}"


class Payload(Record):
    """What the list makes of itself, in numbers of the container's user namespace."""

    uid: i64
    gid: i64
    groups: tuple[i64, ...] | None  # None: leave the inherited ones
    capabilities: CapabilitySets
    last_capability: i64
    no_new_privileges: bool
    filter: bool  # there is a seccomp program
    filter_flags: i64 = 0


def enter_root(
    *, pivot: bool, mount_namespace: bool, propagation: int | None, hidden: tuple[str, ...] = ()
) -> list[Entry]:
    """From the host's root to the container's, leaving no way back.

    Without a pivot the host's root stays below, and with it `hidden`, the host's proc and sysfs
    mounts.  While one of those can be seen anywhere in the mount namespace, root of a user
    namespace may mount one that has no masks; so they go, or are covered where they are locked.
    """
    if not mount_namespace:
        return [
            Entry("fchdir", ("fd:root",), "change into the root"),
            Entry("chroot", ("text:.",), "change the root"),
            Entry("close", ("fd:root",), "forget the root"),
        ]
    entries = []
    for path in hidden if not pivot else ():
        place, nothing = f"text:{path}", "text:"
        slave = c.MS_SLAVE | c.MS_REC
        entries += [
            Entry("mount", (nothing, place, nothing, slave, 0), "slave", ignore=True),
            Entry("umount2", (place, c.MNT_DETACH), f"detach {path}", ignore=True),
            Entry("mount", ("text:none", place, "text:tmpfs", c.MS_RDONLY, 0), f"hide {path}"),
        ]
    entries.append(Entry("fchdir", ("fd:root",), "change into the new root"))
    if pivot:
        entries += [
            Entry("pivot_root", ("text:.", "text:."), "pivot_root"),
            # The old root now lies on top of the new one.  Without this the call after next would
            # detach the new root; without the next, unmount would travel to the host.
            Entry("fchdir", ("fd:old",), "change into the old root"),
            Entry("mount", ("text:", "text:.", "text:", c.MS_SLAVE | c.MS_REC, 0), "slave"),
            Entry("umount2", ("text:.", c.MNT_DETACH), "detach the old root"),
        ]
    else:
        entries += [
            Entry("mount", ("text:.", "text:/", "text:", c.MS_MOVE, 0), "move the root"),
            Entry("chroot", ("text:.",), "change the root"),
        ]
    entries.append(Entry("chdir", ("text:/",), "change into the root"))
    if propagation is not None:
        # Not before: a shared new root makes pivot_root fail.
        what = ("text:", "text:/", "text:", propagation, 0)
        entries.append(Entry("mount", what, "set the root's propagation"))
    # Handles of the host must be gone before main hears anything.
    entries.append(Entry("close", ("fd:old",), "forget the old root"))
    entries.append(Entry("close", ("fd:root",), "forget the new root"))
    return entries


def hide(name: str = "pyoci:init") -> list[Entry]:
    """An exec makes a process dumpable again; nobody may look into it before it is the payload."""
    return [
        Entry("prctl", (c.PR_SET_DUMPABLE, 0, 0, 0, 0), "hide"),
        Entry("prctl", (c.PR_SET_NAME, f"text:{name}", 0, 0, 0), "set the name"),
    ]


def join_pid() -> list[Entry]:
    """Let children live in an existing pid namespace."""
    return [Entry("setns", ("fd:pid", c.CLONE_NEWPID), "join the pid namespace")]


def fork_into_pid(*, terminal: bool) -> list[Entry]:
    """Become a child in the pid namespace, where no interpreter may ever be seen.

    setsid follows the fork: the session of the process that ends here would hang up on it.  The
    terminal follows the session.
    """
    control = Entry("ioctl", (0, c.TIOCSCTTY, 0), "set the controlling terminal")
    return [
        Entry("clone", (c.CLONE_PARENT, 0, 0, 0, 0), "fork into the pid namespace", fork=True),
        Entry("prctl", (c.PR_SET_DUMPABLE, 0, 0, 0, 0), "hide"),
        Entry("setsid", (), "begin a session"),
        *([control] if terminal else []),
    ]


def meet_main() -> list[Entry]:
    """`R`: all that needs an open is done.  Main sets rlimits and the late limits, then says `g`.

    End of file instead of `g` means that main has died, so this must not go on.
    """
    return [
        Entry("write", ("fd:sync", "text:R", 1), "tell main", want=1),
        Entry("read", ("fd:go", "buffer:8", 1), "wait for main", want=1),
    ]


def change_directory(path: str) -> list[Entry]:
    """Enter the working directory with the rights of the moment, by no magic link.

    Those of /proc would lead wherever another process's handles do (CVE-2024-21626).
    """
    how = pack("<3Q", c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC, 0, c.RESOLVE_NO_MAGICLINKS)
    return [
        Entry("openat2", (c.AT_FDCWD, "text:" + path, "hex:" + how.hex(), 24), CHDIR),
        Entry("fchdir", ("result:-1",), CHDIR),
        Entry("close", ("result:-2",), CHDIR),
    ]


def shed(payload: Payload, *, cwd: str | None = None, cwd_late: str | None) -> list[Entry]:
    """Give up what nothing that follows needs, before others can see this process.

    Who shares its pid namespace and may trace it has what it has.  The working directory comes
    before, while root may still enter what is others': `cwd` if there is no handle of it,
    `cwd_late` if root itself could not open it.
    """
    sets = payload.capabilities
    # In Python, before the stub's exec, this would have shrunk root's permitted set, and setgroups
    # below would fail.  It needs CAP_SETPCAP.  Two arguments, the kernel reads no more: with all
    # of them these calls would be a quarter of what a waiting container costs.
    entries = [
        Entry("prctl", (c.PR_CAPBSET_DROP, n), "drop from the bounding set")
        for n in range(payload.last_capability + 1)
        if not sets.bounding >> n & 1
    ]
    if cwd_late is None:
        handle = [Entry("fchdir", ("fd:cwd",), CHDIR), Entry("close", ("fd:cwd",), CHDIR)]
        entries += handle if cwd is None else change_directory(cwd)
    rest = sets.effective | sets.permitted | sets.inheritable | _filter_right(payload)
    few = CapabilitySets(effective=rest | TO_REDUCE, permitted=rest | TO_REDUCE)
    return [*entries, _capset(few, 0)]


def reduce(
    payload: Payload, *, first_own: int, cwd_late: str | None, program: bool = True
) -> list[Entry]:
    """Give up everything that the payload is not to have.

    `first_own` is the first descriptor that is ours: sync, then the gate; they alone stay open
    until the payload.  `cwd_late` is the working directory if root itself could not open it.
    `program`: the payload is one, at `data:path`; else there is no exec that takes capabilities,
    and they are what an exec would have left.
    """
    sets = payload.capabilities if program else after_exec(payload)
    entries = []
    entries.append(Entry("prctl", (c.PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities"))
    if payload.groups is not None:
        groups = pack(f"<{len(payload.groups)}I", *payload.groups).hex()
        count = len(payload.groups)
        entries.append(Entry("setgroups", (count, "hex:" + groups if count else 0), "setgroups"))
    uid, gid = payload.uid, payload.gid
    entries += [
        Entry("setresgid", (gid, gid, gid), "setgid"),
        Entry("setresuid", (uid, uid, uid), "setuid"),
        Entry("prctl", (c.PR_SET_KEEPCAPS, 0, 0, 0, 0), "stop keeping capabilities"),
        # An id change sets it to fs.suid_dumpable, whatever that is.
        Entry("prctl", (c.PR_SET_DUMPABLE, 0, 0, 0, 0), "hide"),
    ]
    # The filter needs a right that the payload may not have: kept until it is loaded.
    keep = _filter_right(payload)
    # After the ids: setresuid clears the effective and the ambient set.
    entries.append(_capset(sets, keep))
    entries += _ambient(sets)
    if cwd_late is not None:
        entries += change_directory(cwd_late)
    # With the credentials of the execve: create, not start, says that a command cannot run.
    look = (c.AT_FDCWD, "data:path", 1, c.AT_EACCESS)
    entries += [
        *([Entry("faccessat2", look, "look at the command")] if program else []),
        # Closed, not just close-on-exec: an open directory would still be a way out while the
        # payload's path is resolved (CVE-2024-21626).  Before the filter, which may deny it.
        Entry("close_range", (first_own + 2, c.LAST_FD, 0), "close what is not for the payload"),
        Entry(
            "close_range",
            (first_own, first_own + 1, c.CLOSE_RANGE_CLOEXEC),
            "close the rest at the exec",
        ),
    ]
    if payload.no_new_privileges:
        entries.append(Entry("prctl", (c.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs"))
    if payload.filter:
        load = (c.SECCOMP_SET_MODE_FILTER, payload.filter_flags, "data:filter")
        entries.append(Entry("seccomp", load, "error loading seccomp filter into kernel"))
    if keep & ~(sets.permitted & sets.effective):
        entries.append(_capset(sets, 0))
    return entries


def after_exec(payload: Payload) -> CapabilitySets:
    """Return what a program without file capabilities would have of them.  capabilities(7)."""
    sets = payload.capabilities
    had = sets.inheritable | sets.bounding if payload.uid == 0 else sets.ambient
    # Not more than there is to give away.
    had &= sets.permitted | sets.effective | sets.inheritable
    return sets.replace(effective=had, permitted=had)


def _filter_right(payload: Payload) -> int:
    """Return CAP_SYS_ADMIN if loading the filter takes it: unless there is no_new_privs."""
    return SYS_ADMIN if payload.filter and not payload.no_new_privileges else 0


def wait_and_run() -> list[Entry]:
    """`S`, then the gate, then the payload.  Only calls that any filter must allow."""
    return [
        Entry("write", ("fd:sync", "text:S", 1), "tell main", want=1),
        Entry("read", ("fd:gate", "buffer:8", 1), "wait for start", want=1),
        Entry("execve", ("data:path", "data:argv", "data:env"), "exec", tells=True),
    ]


def _capset(sets: CapabilitySets, keep: int) -> Entry:
    header = pack("<II", c.LINUX_CAPABILITY_VERSION_3, 0).hex()
    masks = (sets.effective | keep, sets.permitted | keep, sets.inheritable)
    low, high = [m & 0xFFFFFFFF for m in masks], [m >> 32 for m in masks]
    data = pack("<6I", *low, *high).hex()
    return Entry("capset", ("hex:" + header, "hex:" + data), "unable to apply caps")


def _ambient(sets: CapabilitySets) -> list[Entry]:
    clear = (c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    return [Entry("prctl", clear, "clear the ambient set")] + [
        Entry("prctl", (c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, n, 0, 0), "raise an ambient set")
        for n in range(64)
        if sets.ambient >> n & 1
    ]
