"""Plans of the documents that engines write."""

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libcontainer.codec import dumps, loads
from libcontainer.namespaces import KINDS
from libcontainer.plan.host import Host
from libcontainer.plan.make import Options, make_plan
from libcontainer.plan.plan import Plan
from libcontainer.process.init import last_mile
from libcontainer.spec.load import load_spec

OPTIONS = Options(id="box", bundle="/b", rootfs="/b/rootfs")
CGROUPS = {
    "v1": ({"memory": "/sys/fs/cgroup/memory/x", "cpu,cpuacct": "/sys/fs/cgroup/cpu/x"}, False),
    "hybrid": ({"memory": "/sys/fs/cgroup/memory/x", "": "/sys/fs/cgroup/unified/x"}, False),
    "v2": ({"": "/sys/fs/cgroup/x"}, True),
    "none": ({}, False),
}


@st.composite
def hosts(draw, spec):
    """Hosts on which the document is possible, whatever else they are."""
    cgroups, unified = CGROUPS[draw(st.sampled_from(sorted(CGROUPS)))]
    new_user = any(n.type == "user" and not n.path for n in spec.linux.namespaces)
    last = draw(st.integers(min_value=30, max_value=45))
    return Host(
        euid=draw(st.sampled_from([0, 1000])) if new_user else 0,
        user_namespace=draw(st.booleans()),
        setgroups=True,
        bounding=draw(st.integers(min_value=0, max_value=2 ** (last + 1) - 1)),
        last_capability=last,
        namespaces=dict.fromkeys(KINDS, "4:1"),
        joined={n.path: "4:2" for n in spec.linux.namespaces if n.path},
        kcore=draw(st.booleans()),
        unified=unified,
        cgroups=cgroups,
    )


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_the_same_document_and_host_give_the_same_plan(engine_document, data):
    """
    Making a plan twice gives the same, and leaves document and host as they were.
    """
    spec = load_spec(engine_document)
    host = data.draw(hosts(spec))
    kept = copy.deepcopy((spec, host))

    made = make_plan(spec, host, OPTIONS)

    assert make_plan(spec, host, OPTIONS) == made
    assert (spec, host) == kept


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_plan_is_what_its_written_form_says(engine_document, data):
    """
    A plan can be written as JSON and read back, whatever the host was.
    """
    spec = load_spec(engine_document)
    made = make_plan(spec, data.draw(hosts(spec)), OPTIONS)

    assert Plan.from_json(loads(dumps(made.to_json()))) == made


def test_every_step_and_entry_says_what_it_does(engine_document):
    """
    Each step and each call of the last mile describes itself in one line.
    """
    spec = load_spec(engine_document)
    joined = {n.path: "4:2" for n in spec.linux.namespaces if n.path}
    plan = make_plan(spec, Host(joined=joined, namespaces=dict.fromkeys(KINDS, "4:1")), OPTIONS)

    steps = (*plan.setup, *plan.build, *plan.finish, *last_mile(plan))

    assert len(steps) > 40
    for step in steps:
        assert step.describe()
        assert "\n" not in step.describe()


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_namespace_has_a_flag_of_its_own(kind):
    """
    No two kinds share a clone flag.
    """
    assert [k for k, (flag, _) in KINDS.items() if flag == KINDS[kind][0]] == [kind]
