"""The last mile: which calls, in which order, for which container.

One table for all: each row is a call and when it is there.  `-` is never, `+` always; a letter
names what brings it:

    u  not uid 0     n  no_new_privs     f  filter     a  ambient     k  kept for the filter
"""

import itertools
from struct import unpack

import pytest

from libcontainer.capabilities import SYS_ADMIN, TO_REDUCE, CapabilitySets
from libcontainer.kernel import constants as c
from libcontainer.plan.lastmile import Entry, Payload, enter_root, reduce, shed, wait_and_run
from libcontainer.process.init import last_mile

CHOWN, KILL, SETUID = 1 << 0, 1 << 5, 1 << 7
LAST = 9  # capabilities of this kernel: 0 to 9
OWN = 5  # the first descriptor that is ours: two are preserved
HEADER = "hex:" + (0x20080522).to_bytes(4, "little").hex() + "00000000"
PAYLOAD = Payload(
    uid=0,
    gid=0,
    groups=(),
    capabilities=CapabilitySets(
        bounding=CHOWN | KILL | SETUID, permitted=KILL, effective=KILL, inheritable=CHOWN
    ),
    last_capability=LAST,
    no_new_privileges=False,
    filter=False,
)
# What stays of the bounding set is 0, 5 and 7.
DROPPED = (1, 2, 3, 4, 6, 8, 9)

TABLE = (
    ("+", "prctl", (c.PR_SET_DUMPABLE, 0)),
    ("+", "prctl", (c.PR_SET_NAME, "text:pyoci:init")),
    ("+", "fchdir", ("fd:root",)),
    ("+", "pivot_root", ("text:.", "text:.")),
    ("+", "fchdir", ("fd:old",)),
    ("+", "mount", ("text:", "text:.", "text:", c.MS_SLAVE | c.MS_REC)),
    ("+", "umount2", ("text:.", c.MNT_DETACH)),
    ("+", "chdir", ("text:/",)),
    ("+", "close", ("fd:old",)),
    ("+", "close", ("fd:root",)),
    *[("+", "prctl", (c.PR_CAPBSET_DROP, n)) for n in DROPPED],
    ("+", "fchdir", ("fd:cwd",)),
    ("+", "close", ("fd:cwd",)),
    ("+", "capset", (HEADER,)),
    ("+", "write", ("fd:sync", "text:R", 1)),
    ("+", "read", ("fd:go", "buffer:8", 1)),
    ("+", "prctl", (c.PR_SET_KEEPCAPS, 1)),
    ("+", "setgroups", (0, 0)),
    ("-u", "setresgid", (0, 0, 0)),
    ("-u", "setresuid", (0, 0, 0)),
    ("u", "setresgid", (1000, 1000, 1000)),
    ("u", "setresuid", (1000, 1000, 1000)),
    ("+", "prctl", (c.PR_SET_KEEPCAPS, 0)),
    ("+", "prctl", (c.PR_SET_DUMPABLE, 0)),
    ("+", "capset", (HEADER,)),
    ("+", "prctl", (c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_CLEAR_ALL)),
    ("a", "prctl", (c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, 0)),
    ("a", "prctl", (c.PR_CAP_AMBIENT, c.PR_CAP_AMBIENT_RAISE, 5)),
    ("+", "faccessat2", (c.AT_FDCWD, "data:path", 1, c.AT_EACCESS)),
    ("+", "close_range", (OWN + 2, 0xFFFFFFFF, 0)),
    ("+", "close_range", (OWN, OWN + 1, 4)),
    ("n", "prctl", (c.PR_SET_NO_NEW_PRIVS, 1)),
    ("f", "seccomp", (c.SECCOMP_SET_MODE_FILTER, 3, "data:filter")),
    ("k", "capset", (HEADER,)),
    ("+", "write", ("fd:sync", "text:S", 1)),
    ("+", "read", ("fd:gate", "buffer:8", 1)),
    ("+", "execve", ("data:path", "data:argv", "data:env")),
)


@pytest.fixture
def mile(plan):
    """The list of a plan with this payload."""

    def make(payload, **changes):
        made = plan(preserve_fds=OWN - 3).replace(payload=payload, **changes)
        return last_mile(made, filter_flags=3)

    return make


def payload_of(marks):
    capabilities = PAYLOAD.capabilities
    if "a" in marks:
        both = CHOWN | KILL
        capabilities = capabilities.replace(permitted=both, inheritable=both, ambient=both)
    return PAYLOAD.replace(
        uid=1000 if "u" in marks else 0,
        gid=1000 if "u" in marks else 0,
        no_new_privileges="n" in marks,
        filter="f" in marks,
        capabilities=capabilities,
    )


def is_there(when, marks):
    if when == "k":  # for the filter, which without no_new_privs needs SYS_ADMIN
        return "f" in marks and "n" not in marks
    return when == "+" or (when[1:] not in marks if when[0] == "-" else when in marks)


ALL_MARKS = ["".join(m) for n in range(5) for m in itertools.combinations("unfa", n)]


@pytest.mark.parametrize("marks", ALL_MARKS, ids=lambda marks: marks or "plain")
def test_the_exact_list(mile, marks):
    """
    Every call stands where the table says, and no other.
    """
    expected = [(call, args) for when, call, args in TABLE if is_there(when, marks)]

    found = mile(payload_of(marks))

    assert [entry.call for entry in found] == [call for call, _ in expected]
    cut = [(e.call, e.args[: len(args)]) for e, (_, args) in zip(found, expected)]
    assert cut == expected
    assert len(found[0].args) == 5  # prctl is given all its arguments


def index(entries, call, *args):
    """Return where the call is, which must be there once."""
    places = [i for i, e in enumerate(entries) if e.call == call and e.args[: len(args)] == args]
    assert len(places) == 1, (call, args, places)
    return places[0]


@pytest.mark.parametrize("marks", ALL_MARKS, ids=lambda marks: marks or "plain")
def test_what_must_never_change(mile, marks):
    """
    The reasons behind the order, one by one.
    """
    entries = mile(payload_of(marks))
    calls = [entry.call for entry in entries]
    ready = index(entries, "write", "fd:sync", "text:R")
    done = index(entries, "write", "fd:sync", "text:S")
    gate = index(entries, "read", "fd:gate")
    drops = [i for i, e in enumerate(entries) if e.args[:1] == (c.PR_CAPBSET_DROP,)]
    ids = calls.index("setresuid")
    # A host handle must not outlive the word to main.
    assert max(i for i, call in enumerate(calls) if call == "close") < ready
    # Only with CAP_SETPCAP; and what is not needed any more is given up before anybody may look.
    assert max(drops) < calls.index("capset") < ready
    # The directory may be one that only full root may enter.
    assert calls.index("fchdir") < calls.index("capset")
    # Groups and gid need what the uid change takes away.
    assert calls.index("setgroups") < calls.index("setresgid") < ids
    # The id change clears effective and ambient sets, and makes the process dumpable.
    assert ids < calls.index("capset", ready)
    hidden = [i for i, e in enumerate(entries) if e.args[:2] == (c.PR_SET_DUMPABLE, 0)]
    assert hidden[0] == 0 and hidden[-1] > ids
    # A filter may deny these.
    last = calls.index("seccomp") if "seccomp" in calls else done
    for call in ("close_range", "faccessat2", "setresuid", "fchdir"):
        assert max(i for i, name in enumerate(calls) if name == call) < last
    # Only what any filter must allow comes after it.
    assert set(calls[last + 1 :]) <= {"capset", "write", "read", "execve"}
    # All that can fail is told by create, not by start.
    assert done + 1 == gate == len(entries) - 2
    assert calls[gate + 1 :] == ["execve"]
    assert entries[done].want == entries[gate].want == entries[ready].want == 1
    # After main has gone, failures are told to people.
    assert [e.tells for e in entries] == [False] * (len(entries) - 1) + [True]
    assert not any(e.ignore for e in entries)


def sets_of(entry):
    """Return (effective, permitted, inheritable) of a capset."""
    words = unpack("<6I", bytes.fromhex(entry.args[1].removeprefix("hex:")))
    return tuple(low | high << 32 for low, high in zip(words[:3], words[3:]))


HIGH = 1 << 40


@pytest.mark.parametrize(
    ("filter", "nnp", "own", "expected"),
    [
        pytest.param(False, False, 0, [0], id="no-filter"),
        pytest.param(True, True, 0, [0], id="no-new-privs-needs-nothing"),
        pytest.param(True, False, 0, [SYS_ADMIN, 0], id="kept-for-the-filter-then-dropped"),
        pytest.param(True, False, SYS_ADMIN, [SYS_ADMIN], id="the-documents-own"),
        pytest.param(False, False, SYS_ADMIN, [SYS_ADMIN], id="its-own-without-filter"),
    ],
)
def test_sys_admin_is_kept_only_for_the_filter(mile, filter, nnp, own, expected):
    """
    Loading a filter without no_new_privs needs CAP_SYS_ADMIN; nothing extra is left in the end.
    """
    sets = CapabilitySets(effective=KILL | own, permitted=KILL | own | HIGH, inheritable=CHOWN)
    payload = PAYLOAD.replace(capabilities=sets, filter=filter, no_new_privileges=nnp)

    first, *found = [sets_of(entry) for entry in mile(payload) if entry.call == "capset"]

    # For what is still to come: ids, groups and sets, the filter, and what is handed down.
    admin = SYS_ADMIN if filter and not nnp else 0
    rest = KILL | HIGH | CHOWN | own | admin | TO_REDUCE
    assert first == (rest, rest, 0)
    assert found == [(KILL | more, KILL | HIGH | more, CHOWN) for more in expected]


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        pytest.param(None, None, id="denied"),
        pytest.param((), (0, 0), id="none"),
        pytest.param((5, 2**31), (2, "hex:0500000000000080"), id="two"),
    ],
)
def test_groups(groups, expected):
    """
    Groups are set, even to none; only where that is denied they are left alone.
    """
    entries = reduce(PAYLOAD.replace(groups=groups), first_own=3, cwd_late=None)

    found = [entry.args for entry in entries if entry.call == "setgroups"]

    assert found == ([] if expected is None else [expected])


def test_a_working_directory_that_only_the_user_may_enter():
    """
    Then it is entered by name, with the user's credentials, before the filter.
    """
    payload = PAYLOAD.replace(filter=True)
    entries = reduce(payload, first_own=3, cwd_late="/home/me")

    calls = [entry.call for entry in entries]
    opened = calls.index("openat2")
    assert entries[opened].args[1] == "text:/home/me"
    assert calls[opened + 1 : opened + 3] == ["fchdir", "close"]
    assert calls.index("capset") < opened < calls.index("seccomp")
    assert "fchdir" not in [entry.call for entry in shed(payload, cwd_late="/home/me")]


def test_a_full_bounding_set_drops_nothing():
    """
    Only what is not in the set is dropped.
    """
    full = PAYLOAD.capabilities.replace(bounding=2**64 - 1)

    entries = shed(PAYLOAD.replace(capabilities=full), cwd_late=None)

    assert [e for e in entries if e.args[0] == c.PR_CAPBSET_DROP] == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(
            {"pivot": True, "mount_namespace": True, "propagation": None},
            ["fchdir", "pivot_root", "fchdir", "mount", "umount2", "chdir", "close", "close"],
            id="pivot",
        ),
        pytest.param(
            {"pivot": True, "mount_namespace": True, "propagation": c.MS_SHARED},
            ["fchdir", "pivot_root", "fchdir", "mount", "umount2", "chdir", "mount", "close",
             "close"],
            id="pivot-then-propagation",
        ),
        pytest.param(
            {"pivot": False, "mount_namespace": True, "propagation": None},
            ["fchdir", "mount", "chroot", "chdir", "close", "close"], id="move",
        ),
        pytest.param(
            {"pivot": True, "mount_namespace": False, "propagation": None},
            ["fchdir", "chroot", "close"], id="no-mount-namespace",
        ),
    ],
)  # fmt: skip
def test_ways_into_the_root(given, expected):
    """
    By pivot, by moving the mount, or by chroot alone; the host's handles are closed.
    """
    assert [entry.call for entry in enter_root(**given)] == expected


@pytest.mark.parametrize("terminal", [False, True], ids=["-", "terminal"])
def test_a_joined_pid_namespace_is_entered_once_the_host_is_out_of_sight(plan, terminal):
    """
    After the pivot and after what is not needed any more is given up: whoever lives there may look
    at the root of this process, and trace it.  In the child it is hidden again before the session
    begins, and the terminal follows the session.
    """
    plain = plan({"process": {"terminal": terminal}})
    entries = last_mile(plain.replace(namespaces=plain.namespaces.replace(pid="/proc/1/ns/pid")))

    calls = [entry.call for entry in entries]
    joined, forked = calls.index("setns"), calls.index("clone")
    assert entries[joined - 1] == Entry("close", ("fd:root",), "forget the new root")
    assert joined < calls.index("capset") == forked - 1
    assert calls[forked : forked + 3] == ["clone", "prctl", "setsid"]
    assert entries[forked].args[0] == c.CLONE_PARENT and entries[forked].fork
    control = Entry("ioctl", (0, c.TIOCSCTTY, 0), "set the controlling terminal")
    assert (entries[forked + 3] == control) is terminal


def test_an_entry_is_described_and_written():
    """
    A call is shown with its arguments and what it is for; its written form keeps both kinds of
    argument apart.
    """
    entry = wait_and_run()[1]

    assert entry.describe() == "read(fd:gate, buffer:8, 1): wait for start"
    assert Entry.from_json(entry.to_json()) == entry
    with pytest.raises(ValueError):
        Entry.from_json(entry.to_json() | {"args": [1.5]})
