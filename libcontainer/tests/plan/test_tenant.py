"""The plan of a tenant, and the order of its list."""

import pytest

from libcontainer.capabilities import NAMES
from libcontainer.errors import SpecError
from libcontainer.kernel import constants as c
from libcontainer.plan.tenant import (
    Changes,
    TenantHost,
    TenantPlan,
    Way,
    changed,
    handle_names,
    plan_tenant,
    tenant_mile,
)
from libcontainer.spec.linux import Linux
from libcontainer.spec.process import Process

ALL = c.CLONE_NEWNS | c.CLONE_NEWPID | c.CLONE_NEWIPC | c.CLONE_NEWUTS | c.CLONE_NEWNET
USER = ALL | c.CLONE_NEWUSER
PROCESS = {"cwd": "/srv", "args": ["sh"], "env": ["PATH=/bin"], "user": {"uid": 1000, "gid": 1000}}
SECCOMP = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": []}


def process(**changes):
    return Process.from_json(PROCESS | changes)


def plan(linux=None, host=None, *, namespaces=ALL, options=None, **changes):
    host = TenantHost(namespaces=namespaces) if host is None else host
    return plan_tenant(
        process(**changes), Linux.from_json(linux or {}), host, id="box", **(options or {})
    )


def calls(made, way=None, **options):
    return [entry.call for entry in tenant_mile(made, way or Way(), **options)]


def index(entries, call, *args):
    """Where the first such call is; its arguments begin with `args`."""
    return next(i for i, e in enumerate(entries) if e.call == call and e.args[: len(args)] == args)


# -- the process


def test_without_options_only_the_command_is_another():
    """
    A tenant is what the container's own process is, without its terminal.
    """
    base = process(terminal=True)

    assert changed(base, Changes(args=("ls",))) == base.replace(args=("ls",), terminal=False)


@pytest.mark.parametrize(("asked", "expected"), [(None, True), (True, True), (False, False)])
def test_no_new_privileges_may_be_taken_back(asked, expected):
    """
    What is asked for goes before the container's own; None asks for nothing.
    """
    base = process(noNewPrivileges=True)

    found = changed(base, Changes(args=("ls",), no_new_privileges=asked))

    assert found.no_new_privileges is expected


CAPS = {"bounding": ["CAP_CHOWN"], "effective": ["CAP_CHOWN"], "permitted": ["CAP_CHOWN"]}
CHANGED = [
    ({"cwd": "/x"}, lambda p: p.cwd, "/x"),
    ({"env": ("A=b",)}, lambda p: p.env, ("PATH=/bin", "A=b")),
    ({"terminal": True}, lambda p: p.terminal, True),
    ({"uid": 5}, lambda p: (p.user.uid, p.user.gid), (5, 1000)),
    ({"uid": 5, "gid": 6}, lambda p: (p.user.uid, p.user.gid), (5, 6)),
    ({"uid": 0}, lambda p: p.user.uid, 0),
    ({"additional_gids": (7, 8)}, lambda p: p.user.additional_gids, (7, 8)),
    ({"no_new_privileges": True}, lambda p: p.no_new_privileges, True),
    ({"apparmor_profile": "x"}, lambda p: p.apparmor_profile, "x"),
    ({"selinux_label": "x"}, lambda p: p.selinux_label, "x"),
]


@pytest.mark.parametrize(("options", "read", "expected"), CHANGED, ids=[str(c[0]) for c in CHANGED])
def test_options_change_the_process(options, read, expected):
    """
    What an option says counts; environment and groups are added.
    """
    assert read(changed(process(), Changes(args=("ls",), **options))) == expected


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        pytest.param(CAPS, "bounding effective permitted", id="some"),
        pytest.param(None, "bounding effective permitted", id="none"),
        pytest.param(
            CAPS | {"inheritable": ["CAP_CHOWN"]},
            "bounding effective permitted ambient",
            id="inheritable",
        ),
    ],
)
def test_a_capability_is_added_to_some_sets(base, expected):
    """
    Never to the inheritable one; to the ambient one only where that is not empty
    (CVE-2022-29162).
    """
    found = changed(process(capabilities=base), Changes(capabilities=("CAP_KILL",))).capabilities

    kinds = [f[0] for f in found._fields if "CAP_KILL" in getattr(found, f[0])]
    assert sorted(kinds) == sorted(expected.split())


# -- the plan


def test_a_user_namespace_gives_all_capabilities():
    """
    Whatever the runtime itself has; without one only that can be passed on.
    """
    asked = {"bounding": ["CAP_SYS_ADMIN"], "permitted": ["CAP_SYS_ADMIN"]}
    host = TenantHost(namespaces=ALL, bounding=1)
    bit = 1 << NAMES.index("SYS_ADMIN")

    assert plan(host=host, capabilities=asked).payload.capabilities.bounding == 0
    inside = host.replace(namespaces=USER)
    assert plan(host=inside, capabilities=asked).payload.capabilities.bounding == bit


def test_groups_that_cannot_be_set_are_an_error():
    """
    In a user namespace that denies setgroups; none asked for, the call is left out.
    """
    host = TenantHost(namespaces=USER, setgroups=False)

    assert "setgroups" not in calls(plan(host=host))
    with pytest.raises(SpecError, match="cannot set any additional groups"):
        plan(host=host, user={"uid": 1, "gid": 1, "additionalGids": [5]})


@pytest.mark.parametrize(
    ("affinity", "expected"),
    [
        pytest.param(None, (None, ["Affinity"]), id="none"),
        pytest.param({"initial": "0", "final": "1"}, ("0", ["Affinity"]), id="both"),
        pytest.param({"initial": "0"}, ("0", []), id="initial"),
        pytest.param({"final": "1"}, (None, ["Affinity"]), id="final"),
    ],
)
def test_the_cpus_of_a_tenant(affinity, expected):
    """
    All of the cgroup's unless something is asked for, before or after it is entered.
    """
    made = plan(execCPUAffinity=affinity)

    assert (made.affinity, [type(a).__name__ for a in made.adjustments]) == expected


def test_a_plan_is_read_as_it_is_written():
    """
    Like every record's, its written form is JSON.
    """
    made = plan({"seccomp": SECCOMP}, rlimits=[{"type": "RLIMIT_CPU", "soft": 1, "hard": 1}])

    assert TenantPlan.from_json(made.to_json()) == made


# -- the list


def test_the_whole_list_in_order():
    """
    Hidden, into the cgroup, into the namespaces, out of the host, forked, hidden; then what
    belongs to the tenant; then as in create.
    """
    made = plan({"seccomp": SECCOMP}, namespaces=USER, noNewPrivileges=True, oomScoreAdj=5)
    bounding = [call for call in calls(made) if call == "prctl"]

    found = calls(made, Way(born=True, tasks=2))

    assert len(bounding) > 40
    assert [call for call in found if call != "prctl"] == [
        *("openat", "write"),  # oom_score_adj: a hidden process may not write it
        *("rt_sigaction", "rt_sigaction"),
        "close_range",  # what the caller left open
        *("clone3", "write", "write"),
        "setns",
        *("setgroups", "setresgid", "setresuid"),  # root of the container
        "close_range",  # the host's handles
        *("openat2", "fchdir", "close"),  # the working directory, as full root
        "capset",  # and from here on no more than is needed
        "clone",
        *("keyctl", "setsid", "umask"),
        *("write", "read"),  # R, g
        *("setgroups", "setresgid", "setresuid", "capset"),
        "faccessat2",
        *("close_range", "close_range"),
        *("seccomp", "write", "execve"),  # S
    ]


def test_it_is_hidden_before_it_is_anywhere_else():
    """
    And again after the join and the fork, which change credentials.
    """
    entries = tenant_mile(plan(namespaces=USER), Way(born=True))
    hide = [i for i, e in enumerate(entries) if e.args[:2] == (c.PR_SET_DUMPABLE, 0)]

    assert hide[0] < index(entries, "clone3")
    assert index(entries, "clone") + 1 in hide
    assert any(index(entries, "write", "fd:sync", "text:R") < i for i in hide)


def test_after_the_last_fork_nothing_of_the_host_is_open():
    """
    All handles but the two pipes are closed before there is a child inside.
    """
    entries = tenant_mile(plan(options={"preserve_fds": 2}), Way(born=True, tasks=3))
    inside = index(entries, "clone")

    assert index(entries, "close_range", 7, 0xFFFFFFFF, 0) < inside  # 3 + 2 preserved, sync, go
    opened = [i for i, e in enumerate(entries) if e.call == "openat2"]
    assert entries[opened[-1] + 2].call == "close"
    for entry in entries[inside:]:
        handles = {a for a in entry.args if str(a).startswith("fd:")}
        assert handles <= {"fd:sync", "fd:go"}


def test_the_callers_descriptors_are_closed_first():
    """
    Above our own handles, before the first fork.
    """
    made = plan(options={"preserve_fds": 1})
    way = Way(born=True, tasks=2)
    entries = tenant_mile(made, way)
    first = next(i for i, e in enumerate(entries) if e.call == "close_range")

    assert handle_names(made, way) == ("sync", "go", "init", "cgroup", "tasks0", "tasks1")
    assert entries[first].args == (4 + 6, 0xFFFFFFFF, 0)
    assert first < index(entries, "clone3")


@pytest.mark.parametrize(
    ("namespaces", "forks"),
    [(ALL, 1), (ALL & ~c.CLONE_NEWPID, 0)],
    ids=["own-pid", "shared-pid"],
)
def test_it_forks_only_into_a_pid_namespace(namespaces, forks):
    """
    Without one to join, the process that joined is the tenant.
    """
    entries = tenant_mile(plan(namespaces=namespaces), Way())

    assert len([e for e in entries if e.fork]) == forks
    assert index(entries, "setns", "fd:init", namespaces) >= 0


def test_with_nothing_to_join_only_the_root_is_changed():
    """
    A container that shares every namespace is no more than that.
    """
    made = plan(namespaces=0)
    found = calls(made)

    assert "setns" not in found
    assert found.index("chroot") == found.index("fchdir") + 1
    assert "root" in handle_names(made, Way())


def test_a_user_namespace_without_root():
    """
    There is no root to become; the ids are set at once.
    """
    host = TenantHost(namespaces=USER, root_mapped=False)

    assert calls(plan(host=host)).count("setresuid") == 1


def test_a_keyring_of_its_own_is_joined_by_name():
    """
    Unless the container has the caller's.
    """
    entries = tenant_mile(plan(), Way())

    assert entries[index(entries, "keyctl")].args[:2] == (1, "text:_ses.box")
    assert "keyctl" not in calls(plan(options={"keyring": False}))


def test_a_terminal_becomes_the_controlling_one():
    """
    Of the session that it has just begun, and its own.
    """
    found = calls(plan(terminal=True), channels=(0,))

    start = found.index("setsid")
    assert found[start : start + 2] == ["setsid", "ioctl"]
    # While it may still change what is others'.
    assert found.index("setns") < found.index("fchown") < found.index("capset")


def test_a_label_is_written_by_the_tenant_itself():
    """
    After the fork, through a handle that is gone before main hears of it.
    """
    host = TenantHost(namespaces=ALL, apparmor="apparmor/exec")
    made = plan(host=host, apparmorProfile="box")
    entries = tenant_mile(made, Way(tasks=1))
    written = index(entries, "openat2", "fd:attr", "text:self/attr/apparmor/exec")

    assert handle_names(made, Way(tasks=1)) == ("sync", "go", "attr", "init", "tasks0")
    assert index(entries, "close_range", 6, 0xFFFFFFFF, 0) < index(entries, "clone") < written
    assert index(entries, "close", "fd:attr") < index(entries, "write", "fd:sync", "text:R")


def test_a_label_that_the_host_cannot_give_is_refused():
    """
    Its author counts on being confined.
    """
    with pytest.raises(SpecError, match="apparmor is disabled"):
        plan(apparmorProfile="box")


def test_main_moves_what_cannot_move_itself():
    """
    Between a letter and an answer, before the namespaces.
    """
    entries = tenant_mile(plan(), Way(moved=True))

    asked = index(entries, "write", "fd:sync", "text:C")
    assert entries[asked + 1].call == "read"
    assert asked < index(entries, "setns")


def test_the_cpus_are_set_before_the_cgroup():
    """
    Those that were asked for first.
    """
    found = calls(plan(execCPUAffinity={"initial": "1"}), Way(born=True))

    assert found.index("sched_setaffinity") < found.index("clone3")


def test_the_working_directory_is_opened_inside():
    """
    With root's rights there, or late with the payload's, and by no magic link.
    """
    early = tenant_mile(plan(), Way())
    late = tenant_mile(plan(), Way(), cwd_late="/srv")

    assert index(early, "openat2", c.AT_FDCWD, "text:/srv") < index(early, "setresuid")
    assert index(late, "openat2", c.AT_FDCWD, "text:/srv") > index(late, "setresuid")
