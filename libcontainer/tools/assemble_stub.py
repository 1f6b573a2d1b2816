"""Write `process/stub/code.py` from the two assembly sources beside it.

Needs binutils for both architectures (Debian: binutils, binutils-aarch64-linux-gnu); the output is
committed, so that nobody else needs them.

    python3 libcontainer/tools/assemble_stub.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

STUB = Path(__file__).parents[1] / "src/libcontainer/process/stub"
PREFIXES = {"x86_64": "x86_64-linux-gnu-", "aarch64": "aarch64-linux-gnu-"}
HEADER = '''\
"""The machine code of the stub.  Written by tools/assemble_stub.py from *.S; do not edit.

The first byte is the entry.  The code works only at the addresses that image.py gives it.
"""

from __future__ import annotations
'''


def assemble(arch: str) -> bytes:
    """Return the machine code of `arch`.  Raises CalledProcessError, FileNotFoundError."""
    prefix = PREFIXES[arch]
    with tempfile.TemporaryDirectory() as folder:
        linked, code = f"{folder}/stub.o", f"{folder}/stub.bin"
        subprocess.run([f"{prefix}as", "-o", linked, str(STUB / f"{arch}.S")], check=True)
        # Without a linker: the sources use no address but those that they define themselves.
        subprocess.run(
            [f"{prefix}objcopy", "-O", "binary", "-j", ".text", linked, code], check=True
        )
        return Path(code).read_bytes()


def literal(name: str, code: bytes) -> str:
    """Return a bytes literal in the formatter's own layout, sixteen bytes a line."""
    rows = [code[i : i + 16] for i in range(0, len(code), 16)]
    lines = ['    b"' + "".join([f"\\x{byte:02x}" for byte in row]) + '"' for row in rows]
    return f"\n# {len(code)} bytes.\n{name} = (\n" + "\n".join(lines) + "\n)\n"


def module() -> str:
    """Return the text of code.py."""
    return HEADER + "".join([literal(arch.upper(), assemble(arch)) for arch in PREFIXES])


def main() -> None:
    try:
        text = module()
    except FileNotFoundError as e:
        sys.exit(f"assemble the stub: no {e.filename}: install binutils for both architectures")
    (STUB / "code.py").write_text(text)


if __name__ == "__main__":
    main()
