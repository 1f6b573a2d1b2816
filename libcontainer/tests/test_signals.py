"""Signals by name and number."""

import signal
import subprocess
import sys

import pytest

from libcontainer.signals import NAMES, UnknownSignal, parse_signal

KNOWN = {
    name.removeprefix("SIG"): member.value
    for name, member in signal.Signals.__members__.items()
    if not name.startswith("SIGRT")
}


@pytest.mark.parametrize("name", sorted(KNOWN))
@pytest.mark.parametrize("form", ["{0}", "SIG{0}", "sig{1}", "{1}", "Sig{0}"])
def test_every_name_of_this_system(name, form):
    """
    With or without SIG, in any case, a name is the number that the C library gives it.
    """
    assert parse_signal(form.format(name, name.lower())) == KNOWN[name]


def test_no_other_names():
    """
    The table has the names of this system and no more.
    """
    assert NAMES.keys() >= KNOWN.keys()
    assert set(NAMES) - set(KNOWN) <= {"STKFLT"}  # Python names it from 3.11 on


@pytest.mark.parametrize("number", range(65))
def test_numbers(number):
    """
    0 to 64; 0 only asks whether somebody is there.
    """
    assert parse_signal(str(number)) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("RTMIN", 34),
        ("SIGRTMIN", 34),
        ("rtmin+0", 34),
        ("RTMIN+1", 35),
        ("sigrtmin+30", 64),
        ("RTMAX", 64),
        ("RTMAX-0", 64),
        ("SIGRTMAX-30", 34),
        ("RTMAX-1", 63),
        ("007", 7),
    ],
)
def test_real_time_signals(text, number):
    """
    Counted from either end, as glibc does.
    """
    assert parse_signal(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "SIG", "nosuch", "SIGSIGTERM", "TERM ", " TERM", "-1", "+9", "65", "1.5", "0x9",
        "9 ", "RTMIN+", "RTMIN+31", "RTMIN-1", "RTMIN1", "RTMAX+1", "RTMAX-31", "RTMAX-",
        "RTMIN++1", "RTMIN+1.0", "\u0669", "RTMIN+\u00b2", "TERM\0", "KILL\n",
    ],
)  # fmt: skip
def test_what_is_no_signal(text):
    """
    The error quotes what was given.
    """
    with pytest.raises(UnknownSignal) as e:
        parse_signal(text)

    assert str(e.value) == f'unknown signal "{text}"'


def test_an_exec_inherits_nothing():
    """
    Ignored signals and the mask survive an exec; after the reset there are none.
    """
    body = (
        "import os, signal\n"
        "signal.signal(signal.SIGUSR1, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGUSR2, lambda *_: None)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, 40])\n"
        "from libcontainer.signals import reset_signals\n"
        "reset_signals()\n"
        "os.execv('/bin/grep', ['grep', '^Sig[BI]', '/proc/self/status'])\n"
    )

    said = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True)

    zero = "0" * 16
    assert said.stdout == f"SigBlk:\t{zero}\nSigIgn:\t{zero}\n"
