"""The compiled program against a second reading of the profile.

`expected` below knows the specification and nothing of the compiler: it walks the rules of the
JSON document for one call.  The program is run by the interpreter, whose own tests are in
test_bpf.py.
"""

import errno
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libseccomp import Judge, LinuxSeccomp, library
from libseccomp.errors import ProfileError

DATA = Path(__file__).parent / "data"
PROFILES = sorted(DATA.glob("*.json"))
ALL = 2**64 - 1
X32_BIT = 1 << 30
KILL_THREAD = 0
ACTIONS = {
    "SCMP_ACT_KILL": 0,
    "SCMP_ACT_KILL_THREAD": 0,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x30000,
    "SCMP_ACT_ERRNO": 0x50000,
    "SCMP_ACT_NOTIFY": 0x7FC00000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
NARROW = ("SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM")
# i386 has numbers of its own for these, but programs also reach them through socketcall and ipc,
# and the library names them by a number that is none.
MULTIPLEXED = """socket bind connect listen accept getsockname getpeername socketpair send recv
    sendto recvfrom shutdown setsockopt getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg
    semop semget semctl semtimedop msgsnd msgrcv msgget msgctl shmat shmdt shmget shmctl""".split()


def code(action, value):
    """Return the number of an action."""
    carries = action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
    return ACTIONS[action] | ((errno.EPERM if value is None else value) if carries else 0)


def holds(condition, args, arch):
    """Say whether one condition of the document holds."""
    mask = 2**32 - 1 if arch in NARROW else ALL
    arg = args[condition["index"]] & mask
    value, two = condition["value"] & mask, condition.get("valueTwo", 0) & mask
    match condition["op"].removeprefix("SCMP_CMP_"):
        case "NE":
            return arg != value
        case "LT":
            return arg < value
        case "LE":
            return arg <= value
        case "EQ":
            return arg == value
        case "GE":
            return arg >= value
        case "GT":
            return arg > value
        case "MASKED_EQ":
            return arg & value == two & value


def ways(rule):
    """Return lists of conditions, one of which has to hold.

    An index that comes twice makes every condition a list of its own.  A comparison under an
    empty mask is none.
    """
    conditions = rule.get("args") or []
    indexes = [c["index"] for c in conditions]
    lists = [conditions] if len(set(indexes)) == len(indexes) else [[c] for c in conditions]
    return [[c for c in way if c["op"][9:] != "MASKED_EQ" or c["value"]] for way in lists]


def rule_holds(rule, args, arch):
    """Say whether a rule's conditions hold."""
    return any(all(holds(c, args, arch) for c in way) for way in ways(rule))


class Table:
    """Numbers and names of an architecture, by number only: the compiler goes by name."""

    def __init__(self, arch):
        self.arch = arch
        self.names = dict(library.known_calls(arch))
        base = min(self.names)
        self.numbers = range(
            base - base % 1000 if base < X32_BIT else X32_BIT, max(self.names) + 40
        )

    def newest(self, profile):
        """Return the largest number that the profile names, or None."""
        named = {name for rule in profile["syscalls"] for name in rule["names"]}
        if self.arch == "SCMP_ARCH_X86":
            named -= set(MULTIPLEXED)
        return max((n for n, name in self.names.items() if name in named), default=None)


def expected(profile, table, newest, number, args):
    """Return the possible results: more than one only where rules contradict each other."""
    default = code(profile["defaultAction"], profile.get("defaultErrnoRet"))
    lets_through = profile["defaultAction"] in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_TRACE")
    if newest is not None and number > newest and not lets_through:
        return {ACTIONS["SCMP_ACT_ERRNO"] | errno.ENOSYS}
    name = table.names.get(number)
    rules = [r for r in profile["syscalls"] if name in r["names"]]
    rules = [(r, code(r["action"], r.get("errnoRet"))) for r in rules]
    rules = [(r, action) for r, action in rules if action != default]
    holding = [(r, action) for r, action in rules if rule_holds(r, args, table.arch)]
    plain = [action for r, action in holding if any(not way for way in ways(r))]
    if not plain:
        return {action for _, action in holding} or {default}
    # The first rule without conditions outweighs all with some.  On 32 bits the library also
    # takes a mask of high bits only for no condition.
    empty = {action for r, action in holding if table.arch in NARROW and masks_high_bits(r)}
    return {plain[0]} | empty


def masks_high_bits(rule):
    """Say whether a rule has a comparison that always holds on 32 bits."""
    conditions = [c for way in ways(rule) for c in way if c["op"][9:] == "MASKED_EQ"]
    return any(c["value"] % 2**32 == 0 for c in conditions)


TABLES = {}


def table(arch):
    """Return the table of an architecture, made once."""
    if arch not in TABLES:
        TABLES[arch] = Table(arch)
    return TABLES[arch]


def vectors(profile, name):
    """Return arguments at and beside every value that the profile compares for a call."""
    found = {(0,) * 6, (ALL,) * 6}
    for rule in profile["syscalls"]:
        conditions = (rule.get("args") or []) if name in rule["names"] else []
        meeting = [0] * 6
        for c in conditions:
            masked = c["op"] == "SCMP_CMP_MASKED_EQ"
            meeting[c["index"]] = c.get("valueTwo", 0) if masked else c["value"]
        found.add(tuple(meeting))
        for c in conditions:
            for value in (c["value"], c["value"] + 1, c["value"] - 1, c.get("valueTwo", 0)):
                for high in (0, 1 << 32):
                    changed = list(meeting)
                    changed[c["index"]] = (value ^ high) & ALL
                    found.add(tuple(changed))
    return found


@pytest.mark.parametrize("machine", ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64", "SCMP_ARCH_RISCV64"])
@pytest.mark.parametrize("path", PROFILES, ids=lambda p: p.stem)
def test_every_call_of_an_engines_profile_is_decided_as_it_says(path, machine):
    """
    The profiles that engines write decide every call of every architecture as their text says.
    """
    profile = json.loads(path.read_text())
    judge = Judge(LinuxSeccomp.from_json(profile), machine=machine)
    assert machine in judge.architectures and len(judge.architectures) >= 3

    wrong = []
    for arch in judge.architectures:
        newest = table(arch).newest(profile)
        for number in table(arch).numbers:
            for args in vectors(profile, table(arch).names.get(number)):
                result = judge.run(number, args, arch)
                if {result} != expected(profile, table(arch), newest, number, args):
                    wrong.append((arch, number, table(arch).names.get(number), args, hex(result)))

    assert wrong == []


NAMES = ["read", "write", "openat", "clone", "personality", "statx", "futex_waitv", "mmap", "nope"]
VALUES = st.one_of(
    st.integers(0, 10),
    st.sampled_from([0x7E020000, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**63, ALL]),
    st.integers(0, ALL),
)
OPERATORS = ["NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ"]


def conditions(max_size=3):
    """Return a strategy for the conditions of a rule."""
    condition = st.fixed_dictionaries(
        {
            "index": st.integers(0, 5),
            "value": VALUES,
            "valueTwo": VALUES,
            "op": st.sampled_from(["SCMP_CMP_" + op for op in OPERATORS]),
        }
    )
    return st.lists(condition, max_size=max_size)


@st.composite
def rules(draw):
    """Return a strategy for one rule."""
    action = draw(st.sampled_from(sorted(ACTIONS)))
    rule = {
        "names": draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=4)),
        "action": action,
        "args": draw(conditions()),
    }
    if action in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        rule["errnoRet"] = draw(st.one_of(st.none(), st.integers(0, 4094)))
    return rule


@st.composite
def profiles(draw):
    """Return a strategy for a whole profile."""
    default = draw(st.sampled_from(sorted(set(ACTIONS) - {"SCMP_ACT_NOTIFY"})))
    profile = {
        "defaultAction": default,
        "architectures": draw(
            st.lists(st.sampled_from(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]))
        ),
        "listenerPath": "/run/agent.sock",
        "syscalls": draw(st.lists(rules(), max_size=6)),
    }
    if default in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        profile["defaultErrnoRet"] = draw(st.one_of(st.none(), st.integers(0, 4094)))
    return profile


@settings(max_examples=400, deadline=None, database=None)
@given(profile=profiles(), args=st.tuples(*[VALUES] * 6))
def test_random_profiles_are_decided_as_they_say(profile, args):
    """
    Any mix of actions, conditions and architectures decides calls as its rules say.
    """
    try:
        judge = Judge(LinuxSeccomp.from_json(profile), machine="SCMP_ARCH_X86_64")
    except ProfileError as e:
        assert e.errno == errno.EEXIST  # two actions for the same conditions
        return

    for arch in judge.architectures:
        newest = table(arch).newest(profile)
        for name in [*NAMES[:-1], "mount", "landlock_restrict_self"]:
            number = next(n for n, known in table(arch).names.items() if known == name)
            for six in {args, *vectors(profile, name)}:
                result = judge.run(number, six, arch)
                assert result in expected(profile, table(arch), newest, number, six), (
                    arch,
                    name,
                    six,
                    hex(result),
                )
