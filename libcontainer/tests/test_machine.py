"""Whose machine it is: the interpreter's, whatever uname says."""

import os

import pytest

from libcontainer import _machine as module


@pytest.mark.parametrize(
    ("uname", "pointer", "expected"),
    [
        ("x86_64", 8, "x86_64"),
        ("i686", 8, "x86_64"),
        ("i386", 8, "x86_64"),
        ("i686", 4, "i686"),
        ("aarch64", 8, "aarch64"),
        ("armv8l", 8, "aarch64"),
        ("armv7l", 4, "armv7l"),
        ("ia64", 8, "ia64"),
        ("riscv64", 8, "riscv64"),
    ],
)
def test_the_machine_is_the_interpreters_own(monkeypatch, uname, pointer, expected):
    """
    Under a 32-bit personality uname names a machine that a 64-bit interpreter cannot be on.
    """
    host = os.uname_result(("Linux", "host", "6.18", "#1", uname))
    monkeypatch.setattr(module.posix, "uname", lambda: host)
    monkeypatch.setattr(module, "calcsize", {"P": pointer}.get)

    assert module.machine() == expected
