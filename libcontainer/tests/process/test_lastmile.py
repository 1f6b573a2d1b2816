"""From names to numbers: the list as the stub gets it."""

import posix
from struct import pack

import pytest

from libcontainer.capabilities import CapabilitySets
from libcontainer.kernel.numbers import numbers
from libcontainer.plan.lastmile import (
    Entry,
    Payload,
    enter_root,
    fork_into_pid,
    hide,
    join_pid,
    meet_main,
    reduce,
    shed,
    wait_and_run,
)
from libcontainer.process.init import _place
from libcontainer.process.lastmile import program, system_calls
from libcontainer.process.stub.image import Address, Buffer, Call, Pointers, Struct, build_image

NUMBERS = {name: 1000 + i for i, name in enumerate(["write", "read", "execve", "seccomp", "a"])}


def make(entries, **changes):
    given = {
        "handles": {"sync": 3, "gate": 4, "x": 9},
        "path": "/bin/sh",
        "args": ("sh", "é"),
        "env": ("A=\udcff",),
        "filter": b"",
        "numbers": NUMBERS,
    } | changes
    return program(system_calls(entries, **given), report=3)


def image(calls):
    return build_image(calls, arch=posix.uname().machine, report_fd=3)


@pytest.mark.parametrize(
    ("entry", "call"),
    [
        pytest.param(Entry("a", (1, -100), "x"), Call(1004, [1, -100]), id="numbers"),
        pytest.param(Entry("a", ("fd:x",), "x"), Call(1004, [9]), id="descriptor"),
        pytest.param(Entry("a", ("text:a:b",), "x"), Call(1004, [b"a:b"]), id="text-with-colon"),
        pytest.param(Entry("a", ("hex:00ff",), "x"), Call(1004, [b"\0\xff"]), id="bytes"),
        pytest.param(Entry("a", ("buffer:8",), "x"), Call(1004, [Buffer(8)]), id="buffer"),
        pytest.param(Entry("a", ("data:path",), "x"), Call(1004, [b"/bin/sh"]), id="path"),
        pytest.param(
            Entry("a", ("data:argv", "data:env"), "x"),
            Call(1004, [Pointers([b"sh", "é".encode()]), Pointers([b"A=\xff"])]), id="vectors",
        ),
        pytest.param(
            Entry("a", (), "x", ignore=True), Call(1004, [], ignore=True), id="ignored"
        ),
        pytest.param(Entry("a", (), "x", want=1), Call(1004, [], want=1), id="wanted"),
        pytest.param(Entry("a", (), "x", fork=True), Call(1004, [], fork=True), id="forks"),
        pytest.param(
            Entry("a", (), "x", tells=True), Call(1004, [], text=b"x /bin/sh: "), id="told"
        ),
    ],
)  # fmt: skip
def test_entries_become_calls(entry, call):
    """
    Each way to write an argument has its number or its bytes; text keeps the bytes of its names.
    """
    assert make([entry]) == image([call])


def test_a_filter_is_a_struct_sock_fprog():
    """
    The number of instructions, then their address.
    """
    code = bytes(range(24))
    entry = Entry("seccomp", (1, 0, "data:filter"), "load")

    found = make([entry], filter=code)

    assert found == image([Call(1003, [1, 0, Struct(pack("<H6x", 3), Address(code))])])


def test_waiting_and_running():
    """
    The end of every list, as the stub gets it.
    """
    scratch = Buffer(8)
    argv, env = Pointers([b"sh", "é".encode()]), Pointers([b"A=\xff"])

    assert make(wait_and_run()) == image(
        [
            Call(1000, [3, b"S", 1], want=1),
            Call(1001, [4, scratch, 1], want=1),
            Call(1002, [b"/bin/sh", argv, env], text=b"exec /bin/sh: "),
        ]
    )


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_of_the_last_mile_has_a_number(machine):
    """
    Whatever the list says, the kernel of each architecture has a number for it.
    """
    payload = Payload(
        uid=1, gid=1, groups=(1,), capabilities=CapabilitySets(ambient=1), last_capability=40,
        no_new_privileges=True, filter=True,
    )  # fmt: skip
    entries = [
        *hide(),
        *join_pid(),
        *fork_into_pid(terminal=True),
        *shed(payload, cwd="/", cwd_late=None),
        *enter_root(pivot=True, mount_namespace=True, propagation=1),
        *enter_root(pivot=False, mount_namespace=True, propagation=1),
        *enter_root(pivot=False, mount_namespace=False, propagation=None),
        *meet_main(),
        *reduce(payload, first_own=3, cwd_late="/"),
        *reduce(payload, first_own=3, cwd_late=None),
        *wait_and_run(),
    ]

    assert {entry.call for entry in entries} <= set(numbers(machine))


def test_handles_are_placed_above_what_is_preserved(apart):
    """
    sync and gate come right above the preserved descriptors, the others above those; all of them
    outlive the exec of the stub.
    """

    def body():
        first = 6
        handles = {name: posix.dup(0) for name in ("sync", "gate", "root", "old")} | {"pid": -1}

        placed = _place(handles, first)

        assert (placed["sync"], placed["gate"], placed["pid"]) == (first, first + 1, -1)
        rest = [placed[name] for name in ("root", "old")]
        assert min(rest) >= first + 2 and len(set(rest)) == 2
        for fd in (first, first + 1, *rest):
            assert posix.get_inheritable(fd)

    apart(body)
