"""ENOSYS for calls that are newer than the profile."""

import pytest

from libseccomp import Judge, library

X86_64, X86, X32 = "SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"
BIT = 1 << 30


@pytest.mark.parametrize(
    ("machine", "more", "arch", "newest", "first_refused"),
    [
        pytest.param(X86_64, [], X86_64, "statx", 333, id="x86_64"),
        pytest.param(X86_64, [X86, X32], X86_64, "statx", 333, id="x86_64-beside-x32"),
        pytest.param(X86_64, [X86], X86, "statx", 384, id="x86"),
        pytest.param(X86_64, [X32], X32, "statx", BIT + 333, id="x32"),
        pytest.param("SCMP_ARCH_AARCH64", [], "SCMP_ARCH_AARCH64", "statx", 292, id="aarch64"),
        pytest.param("SCMP_ARCH_S390X", [], "SCMP_ARCH_S390X", "statx", 380, id="s390x"),
        pytest.param("SCMP_ARCH_PPC64LE", [], "SCMP_ARCH_PPC64LE", "statx", 384, id="ppc64le"),
    ],
)
def test_calls_above_the_newest_named_one_fail_with_enosys(
    make_profile, machine, more, arch, newest, first_refused
):
    """
    A C library that tries a call newer than the profile is told to fall back, per architecture.
    """
    profile = make_profile("ERRNO", (f"read {newest} nope", "ALLOW"), architectures=more)
    judge = Judge(profile, machine=machine)

    assert library.syscall_number(newest, arch) == first_refused - 1
    assert judge.decide(first_refused - 1, (), arch).result == "SCMP_ACT_ALLOW"
    for number in (first_refused, first_refused + 1000, 2**31 - 1 if arch != X86_64 else 1023):
        assert judge.decide(number, (), arch).result == "SCMP_ACT_ERRNO ENOSYS"
    hole = first_refused - 2
    assert judge.decide(hole, (), arch).result == "SCMP_ACT_ERRNO EPERM"


@pytest.mark.parametrize(
    ("default", "more", "expected"),
    [
        pytest.param("ALLOW", {}, "SCMP_ACT_ALLOW", id="allow"),
        pytest.param("LOG", {}, "SCMP_ACT_LOG", id="log"),
        pytest.param("TRACE", {"defaultErrnoRet": 7}, "SCMP_ACT_TRACE 7", id="trace"),
        pytest.param("ERRNO", {"defaultErrnoRet": 38}, "SCMP_ACT_ERRNO ENOSYS", id="enosys"),
        pytest.param("ERRNO", {"defaultErrnoRet": 13}, "SCMP_ACT_ERRNO ENOSYS", id="eacces"),
        pytest.param("KILL", {}, "SCMP_ACT_ERRNO ENOSYS", id="kill"),
        pytest.param("TRAP", {}, "SCMP_ACT_ERRNO ENOSYS", id="trap"),
    ],
)
def test_the_default_action_decides_whether_newer_calls_are_refused(
    make_profile, default, more, expected
):
    """
    Where the default lets calls through, logs or traces them, newer ones are no exception.
    """
    profile = make_profile(default, ("read statx", "ERRNO", {"errnoRet": 1}), **more)

    judge = Judge(profile, machine=X86_64)

    assert judge.decide(1000, (), X86_64).result == expected
    assert judge.decide("mount", (), X86_64).result.startswith(f"SCMP_ACT_{default}")


def test_a_profile_without_known_calls_has_no_newest(make_profile):
    """
    A profile that names nothing refuses everything by its default.
    """
    judge = Judge(make_profile("ERRNO", ("nope", "ALLOW")), machine=X86_64)

    assert judge.decide(1000, (), X86_64).result == "SCMP_ACT_ERRNO EPERM"


def test_x32_calls_go_to_the_filter_if_the_profile_is_not_for_x32(make_profile):
    """
    Their numbers look large, but are not newer: an architecture without rules is killed.
    """
    judge = Judge(make_profile("ERRNO", ("read", "ALLOW")), machine=X86_64)

    assert judge.decide("read", (), X32).result == "SCMP_ACT_KILL_THREAD"


def test_unknown_calls_of_s390_come_as_number_0(make_profile):
    """
    s390 shows a number that the kernel does not know as 0, which is no call of a program.
    """
    judge = Judge(make_profile("ERRNO", ("read", "ALLOW")), machine="SCMP_ARCH_S390X")

    assert judge.decide(0).result == "SCMP_ACT_ERRNO ENOSYS"
