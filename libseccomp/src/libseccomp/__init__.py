"""Binding to libseccomp, and the compiler from an OCI profile to a filter.

    profile.py  faults.py  constants.py     a profile as records, and what can be wrong with one
    compiler.py rules.py   program.py       from a profile to a program
    prefix.py   unknown.py overlap.py       what we put before libseccomp's: ENOSYS, overlaps
    cache.py    soname.py                   compiled profiles on disk
    library.py  context.py kernel.py        libseccomp and seccomp(2) themselves
    notify.py   handover.py                 the listener of NOTIFY, and giving it to an agent
    bpf.py      decision.py difference.py   what a program does with a call, and why
    __main__.py                             python -m libseccomp

Importing the package loads none of it; the names below are loaded when they are first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .bpf import BadProgram, Program
    from .compiler import compile_profile
    from .constants import ALLOW, ERRNO, KILL_PROCESS, KILL_THREAD, LOG, NOTIFY, TRACE, TRAP
    from .context import Filter
    from .decision import Decision, Judge, explain
    from .errors import CallFailed, LibraryMissing, NotKnown, ProfileError, SeccompError
    from .faults import check
    from .handover import ContainerProcessState
    from .kernel import load_program, set_no_new_privs
    from .notify import Listener, Notification
    from .profile import LinuxSeccomp, LinuxSeccompArg, LinuxSyscall
    from .program import CompiledFilter
else:

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        found = getattr(import_module("." + _HOME[name], __name__), name)
        globals()[name] = found
        return found

    _HOME = {
        "ALLOW": "constants",
        "BadProgram": "bpf",
        "CallFailed": "errors",
        "CompiledFilter": "program",
        "ContainerProcessState": "handover",
        "Decision": "decision",
        "ERRNO": "constants",
        "Filter": "context",
        "Judge": "decision",
        "KILL_PROCESS": "constants",
        "KILL_THREAD": "constants",
        "LOG": "constants",
        "LibraryMissing": "errors",
        "LinuxSeccomp": "profile",
        "LinuxSeccompArg": "profile",
        "LinuxSyscall": "profile",
        "Listener": "notify",
        "NOTIFY": "constants",
        "NotKnown": "errors",
        "Notification": "notify",
        "ProfileError": "errors",
        "Program": "bpf",
        "SeccompError": "errors",
        "TRACE": "constants",
        "TRAP": "constants",
        "check": "faults",
        "compile_profile": "compiler",
        "explain": "decision",
        "load_program": "kernel",
        "set_no_new_privs": "kernel",
    }

__all__ = [
    "ALLOW",
    "BadProgram",
    "CallFailed",
    "CompiledFilter",
    "ContainerProcessState",
    "Decision",
    "ERRNO",
    "Filter",
    "Judge",
    "KILL_PROCESS",
    "KILL_THREAD",
    "LOG",
    "LibraryMissing",
    "LinuxSeccomp",
    "LinuxSeccompArg",
    "LinuxSyscall",
    "Listener",
    "NOTIFY",
    "NotKnown",
    "Notification",
    "ProfileError",
    "Program",
    "SeccompError",
    "TRACE",
    "TRAP",
    "check",
    "compile_profile",
    "explain",
    "load_program",
    "set_no_new_privs",
]
