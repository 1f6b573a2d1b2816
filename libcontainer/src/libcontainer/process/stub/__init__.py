"""The program of the last mile: machine code, and the file that carries it and its list.

code.py     the machine code, from x86_64.S and aarch64.S
image.py    calls in, ELF file out
memfd.py    the file that is exec'ed
report.py   what comes back
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .image import Address, Buffer, Call, Pointers, Result, Struct, build_image
    from .memfd import executable, sealed
    from .report import read_failure, read_pid
else:

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        globals()[name] = found = getattr(import_module("." + _HOME[name], __name__), name)
        return found

    _HOME = {
        "Address": "image",
        "Buffer": "image",
        "Call": "image",
        "Pointers": "image",
        "Result": "image",
        "Struct": "image",
        "build_image": "image",
        "read_failure": "report",
        "read_pid": "report",
        "executable": "memfd",
        "sealed": "memfd",
    }

__all__ = [
    "Address",
    "Buffer",
    "Call",
    "Pointers",
    "Result",
    "Struct",
    "build_image",
    "read_failure",
    "read_pid",
    "executable",
    "sealed",
]
