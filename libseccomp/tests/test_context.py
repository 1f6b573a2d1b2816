"""The binding: contexts, attributes, architectures, rules, names."""

import errno
import pickle

import pytest

from libseccomp import (
    ALLOW,
    ERRNO,
    KILL_PROCESS,
    LOG,
    CallFailed,
    Filter,
    LinuxSeccompArg,
    NotKnown,
    Program,
    SeccompError,
    library,
)
from libseccomp.constants import ARCHITECTURES

NATIVE = library.native_arch()
OTHER = "aarch64" if NATIVE != "SCMP_ARCH_AARCH64" else "x86_64"
AUDIT = ARCHITECTURES[NATIVE]
needs_26 = pytest.mark.skipif(
    not library.has_function("seccomp_precompute"), reason="libseccomp 2.6 is not installed"
)


def run(context, name, *args):
    """Return what the context's program does with a call."""
    return Program(context.bpf()).run(library.syscall_number(name), AUDIT, args)


def test_rules_by_name_and_by_number():
    """
    Rules name a call, or give the native number.
    """
    with Filter(default=ERRNO(errno.EPERM)) as context:
        context.add_rule(ALLOW, "read")
        context.add_rule(LOG, library.syscall_number("write"))

        assert run(context, "read") == ALLOW
        assert run(context, "write") == LOG
        assert run(context, "close") == ERRNO(errno.EPERM)


def test_a_condition_narrows_a_rule():
    """
    A rule with conditions holds for calls that meet all of them.
    """
    with Filter(default=KILL_PROCESS) as context:
        first = LinuxSeccompArg(0, 1, "SCMP_CMP_EQ")
        second = LinuxSeccompArg(1, 0xF0, "SCMP_CMP_MASKED_EQ", 0x30)
        context.add_rule(ALLOW, "write", first, second, exact=True)

        assert run(context, "write", 1, 0x3F) == ALLOW
        assert run(context, "write", 1, 0x4F) == KILL_PROCESS
        assert run(context, "write", 2, 0x3F) == KILL_PROCESS


@pytest.mark.parametrize(
    ("name", "start", "value"),
    [
        ("bad_arch", 0, KILL_PROCESS),
        ("no_new_privs", 1, 0),
        ("tsync", 0, 1),
        ("negative_syscalls", 0, 1),
        ("log", 0, 1),
        ("spec_allow", 0, 1),
        ("optimize", 1, 2),
        ("system_errors", 0, 1),
        pytest.param("wait_killable", 0, 1, marks=needs_26),
    ],
)
def test_attributes_are_properties(name, start, value):
    """
    Every attribute has the library's initial value and keeps what is set.
    """
    with Filter(default=ALLOW) as context:
        assert getattr(context, name) == start
        setattr(context, name, value)
        assert getattr(context, name) == value


def test_the_default_is_changed_by_reset_only():
    """
    The default action can be read, and a reset replaces it with all the rest.
    """
    with Filter(default=ALLOW) as context:
        context.add_rule(LOG, "read")
        assert context.default == ALLOW
        with pytest.raises(CallFailed, match=r"seccomp_attr_set default = 0"):
            context.default = 0

        context.reset(default=KILL_PROCESS)

        assert context.default == run(context, "read") == KILL_PROCESS


def test_architectures_come_and_go():
    """
    A context starts with the native architecture; others are added and removed by name.
    """
    with Filter(default=ALLOW) as context:
        assert context.has_arch(NATIVE) and not context.has_arch(OTHER)
        context.add_arch(OTHER)
        assert context.has_arch(OTHER)
        with pytest.raises(CallFailed) as e:
            context.add_arch(OTHER)
        assert e.value.errno == errno.EEXIST
        context.remove_arch(OTHER)
        assert not context.has_arch(OTHER)


def test_merge_takes_over_architectures_and_rules():
    """
    Merging moves the other context's architectures here and closes it.
    """
    with Filter(default=ALLOW) as context, Filter(default=ALLOW) as other:
        other.add_arch(OTHER)
        other.remove_arch(NATIVE)
        other.add_rule(LOG, "read")
        context.merge(other)

        assert context.has_arch(OTHER)
        number = library.syscall_number("read", OTHER)
        program = Program(context.bpf())
        assert program.run(number, library.arch_token(OTHER)) == LOG
        assert run(context, "read") == ALLOW
        with pytest.raises(SeccompError, match="the context is closed"):
            other.bpf()


def test_merging_a_context_into_itself_is_refused():
    """
    The library would free what it goes on using.
    """
    with Filter(default=ALLOW) as context, pytest.raises(SeccompError, match="into itself"):
        context.merge(context)


def test_merging_twice_the_same_architecture_is_refused_and_keeps_both():
    """
    A merge that fails leaves both contexts usable.
    """
    with Filter(default=ALLOW) as context, Filter(default=ALLOW) as other:
        with pytest.raises(CallFailed) as e:
            context.merge(other)
        assert e.value.errno == errno.EEXIST
        assert other.bpf() and context.bpf()


def test_priorities_move_calls_to_the_front():
    """
    A call with a higher priority is tested sooner.
    """
    with Filter(default=ALLOW) as context:
        for name in ("read", "write", "close"):
            context.add_rule(LOG, name)
        before = context.bpf()
        context.set_priority("close", 255)
        context.set_priority(library.syscall_number("write"), 200)

        assert context.bpf() != before
        assert run(context, "close") == run(context, "write") == LOG


@pytest.mark.parametrize(
    ("action", "call", "code"),
    [
        pytest.param(ALLOW, "read", errno.EACCES, id="the-default"),
        pytest.param(ERRNO(4095), "read", errno.EINVAL, id="no-action"),
    ],
)
def test_a_refused_rule_says_what_was_asked(action, call, code):
    """
    An error has the call, what it was for, and errno.
    """
    with Filter(default=ALLOW) as context, pytest.raises(CallFailed) as e:
        context.add_rule(action, call)

    assert (e.value.call, e.value.what, e.value.errno) == (
        "seccomp_rule_add_array",
        "for read",
        code,
    )
    assert str(e.value).startswith("seccomp_rule_add_array for read: ")


def test_a_default_action_that_is_none_is_refused():
    """
    The action is named in hexadecimal.
    """
    with pytest.raises(CallFailed, match="seccomp_init default action 0x12345678"):
        Filter(default=0x12345678)


def test_pseudo_code_names_calls():
    """
    The pseudo code is text for people.
    """
    with Filter(default=ALLOW) as context:
        context.add_rule(LOG, "read")

        assert 'filter for syscall "read"' in context.pfc()


def test_a_closed_context_refuses_everything():
    """
    After close, or the end of `with`, there is no context.
    """
    context = Filter(default=ALLOW)
    context.close()
    context.close()

    with pytest.raises(SeccompError, match="the context is closed"):
        context.add_rule(LOG, "read")


@needs_26
def test_a_transaction_adds_all_rules_or_none():
    """
    Rules of a `with` block that raises are forgotten.
    """
    with Filter(default=ALLOW) as context:
        with pytest.raises(KeyError), context.transaction():
            context.add_rule(LOG, "read")
            raise KeyError
        with context.transaction():
            context.add_rule(LOG, "write")
        context.precompute()

        assert (run(context, "read"), run(context, "write")) == (ALLOW, LOG)


@pytest.mark.skipif(
    library.has_function("seccomp_precompute"), reason="this libseccomp has the functions of 2.6"
)
def test_functions_of_a_newer_library_are_refused_by_name():
    """
    What libseccomp 2.5 lacks fails with ENOSYS and says so.
    """
    with Filter(default=ALLOW) as context:
        with pytest.raises(CallFailed, match="seccomp_precompute of libseccomp 2.6") as e:
            context.precompute()
        assert e.value.errno == errno.ENOSYS
        with pytest.raises(CallFailed), context.transaction():
            pass


def test_names_and_numbers_both_ways():
    """
    Calls are looked up by name and by number, natively and for other architectures.
    """
    assert library.syscall_number("read", "x86_64") == 0
    assert library.syscall_number("read", "SCMP_ARCH_AARCH64") == 63
    assert library.syscall_number("read", "x32") == 1 << 30
    assert library.syscall_name(0, "x86_64") == "read"
    assert library.syscall_name(library.syscall_number("futex")) == "futex"
    assert library.syscall_number("socket", "x86") < 0
    assert library.rewritten_number("socket", "x86") == 102
    assert library.real_number("socket", "x86") == 359
    assert (63, "read") in library.known_calls("aarch64")


@pytest.mark.parametrize(
    ("ask", "text"),
    [
        (lambda: library.syscall_number("nope"), "no system call nope is known to libseccomp"),
        (
            lambda: library.syscall_name(9999, "x86"),
            "no system call 9999 of x86 is known to libseccomp",
        ),
        (
            lambda: library.real_number("modify_ldt", "aarch64"),
            "no system call modify_ldt of aarch64 is known to libseccomp",
        ),
        (lambda: library.arch_token("vax"), "no architecture vax is known to libseccomp"),
        (lambda: library.arch_name(7), "no architecture 7 is known to libseccomp"),
    ],
    ids=["name", "number", "other-arch", "arch", "token"],
)
def test_what_the_library_does_not_know(ask, text):
    """
    An unknown name or number is an error that repeats it.
    """
    with pytest.raises(NotKnown) as e:
        ask()
    assert str(e.value) == text


def test_version_and_api_level():
    """
    The library tells its version, at least 2.5, and what it can do with this kernel.
    """
    assert library.version() >= (2, 5, 0)
    assert 1 <= library.api_level() <= 7
    with pytest.raises(CallFailed, match="seccomp_api_set 99"):
        library.set_api_level(99)


@pytest.mark.parametrize(
    "error",
    [
        CallFailed("seccomp_load", "", errno.EACCES),
        NotKnown("system call", "x", "vax"),
        library.LibraryMissing("libseccomp.so.2 is not found"),
    ],
    ids=lambda e: type(e).__name__,
)
def test_errors_survive_pickling(error):
    """
    Errors keep their arguments, text and errno.
    """
    copy = pickle.loads(pickle.dumps(error))

    assert (type(copy), copy.args, str(copy), copy.errno) == (
        type(error),
        error.args,
        str(error),
        error.errno,
    )
