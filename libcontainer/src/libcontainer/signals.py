"""Signals: names, numbers, and what an exec must not inherit.  signal(7)."""

from __future__ import annotations

import _signal  # `signal` imports enum: 9 ms

# Linux, all architectures that pyoci runs on.
NAMES = {
    name: number
    for number, name in enumerate(
        (
            "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD "
            "CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS"
        ).split(),
        start=1,
    )
}
NAMES |= {"IOT": 6, "POLL": 29, "CLD": 17}
_RTMIN, _RTMAX = 34, 64  # as glibc counts: the first two belong to its threads
_GLIBC = (32, 33)
KILL = 9
# What asks a program to stop; its handler may raise, as Python's own for SIGINT does.
STOPS = (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP)


class UnknownSignal(ValueError):
    """Not the name or number of a signal."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'unknown signal "{self.text}"'


def parse_signal(text: str) -> int:
    """Return the number of a signal given as a number, or a name with or without SIG, any case.

    0 is allowed: it signals nobody, and tells whether somebody is there.  Raises UnknownSignal.
    """
    if text.isascii() and text.isdigit() and len(text) < 4 and int(text) <= _RTMAX:
        return int(text)
    name = text.upper().removeprefix("SIG")
    if name in NAMES:
        return NAMES[name]
    for base, start, sign in (("RTMIN", _RTMIN, 1), ("RTMAX", _RTMAX, -1)):
        rest = name.removeprefix(base)
        if rest != name:
            offset = rest[1:] if rest[:1] == ("+" if sign > 0 else "-") else "" if rest else "0"
            if offset.isascii() and offset.isdigit() and len(offset) < 4:
                number = start + sign * int(offset)
                if _RTMIN <= number <= _RTMAX:
                    return number
    raise UnknownSignal(text)


def get_mask() -> set[int]:
    """Return what is blocked."""
    before: set[int] = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    return before


def hold_stops() -> set[int]:
    """Block what asks us to stop, and return the mask before; a handler may raise from here."""
    before: set[int] = _signal.pthread_sigmask(_signal.SIG_BLOCK, STOPS)
    return before


def hold_stops_while_failing() -> None:
    """The same for whoever is clearing up: the failure that it is about is what counts."""
    while True:
        try:
            hold_stops()
        except BaseException:
            continue
        return


def set_mask(before: set[int]) -> None:
    """Block what was blocked before, and no more; what came meanwhile may raise from here."""
    _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def reset_signals() -> None:
    """Let every signal do what it does by default, and block none.

    Python ignores PIPE and XFSZ, and the caller may ignore others: ignored signals and the mask
    survive an exec, and would surprise a payload.
    """
    for number in range(1, _RTMAX + 1):
        try:
            if _signal.getsignal(number) is not _signal.SIG_DFL:
                _signal.signal(number, _signal.SIG_DFL)
        except (ValueError, OSError):
            pass  # the C library's own, reset below
    from .kernel.linux import LinuxKernel  # loaded by whoever makes a container

    # glibc lets nobody touch these, but its posix_spawn leaves them ignored in what it starts: our
    # caller may have been started so.
    kernel = LinuxKernel()
    for number in _GLIBC:
        kernel.default_signal(number)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
