"""The binding against the headers, a compiler, and the generator of the cffi module."""

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from libseccomp._abi import ffi

HEADER = Path("/usr/include/seccomp.h")
ROOT = Path(__file__).parents[1]

# Public functions of seccomp.h that are not bound, with the reason.
LEFT_OUT = {
    "seccomp_rule_add": "variadic; seccomp_rule_add_array does the same",
    "seccomp_rule_add_exact": "variadic; seccomp_rule_add_exact_array does the same",
}
# Declared by 2.6, so perhaps not by the header here.
NEWER = {
    "seccomp_export_bpf_mem",
    "seccomp_precompute",
    "seccomp_transaction_commit",
    "seccomp_transaction_reject",
    "seccomp_transaction_start",
}

needs_header = pytest.mark.skipif(
    not HEADER.exists(), reason="seccomp.h is not installed (Debian: libseccomp-dev)"
)


def used():
    """Return the library functions that our source calls."""
    text = "".join(
        path.read_text()
        for path in (ROOT / "src" / "libseccomp").glob("*.py")
        if path.name != "_abi.py"
    )
    return set(re.findall(r"\bseccomp_[a-z_]+", text))


@needs_header
def test_every_function_of_the_header_is_bound_or_left_out_for_a_reason():
    """
    The binding covers the whole public interface, and calls what it declares.
    """
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = set(re.findall(r"\b(seccomp_[a-z_]+)\s*\(", text))

    bound = {name for name in used() | {"seccomp_rule_add"} if name in declared}
    bound -= set(LEFT_OUT)

    assert declared - bound == set(LEFT_OUT)
    assert len(declared) >= 29


@needs_header
def test_constants_are_the_headers():
    """
    Actions, operators, architectures and attributes have the header's values.
    """
    from libseccomp import constants, context

    text = HEADER.read_text()
    numbers = dict(re.findall(r"\b(SCMP_(?:CMP|FLTATR)_\w+)\s*=\s*(\d+)", text))
    actions = re.findall(r"#define (SCMP_ACT_\w+)(?:\(x\))?\s+\(?(0x[0-9a-f]+)U", text)

    assert {k: int(v) for k, v in numbers.items() if "CMP_" in k and "FLT" not in k}.items() <= (
        constants.OPERATORS.items()
    )
    assert {k: int(v, 16) for k, v in actions}.items() <= constants.ACTIONS.items()
    attributes = {int(v) for k, v in numbers.items() if "FLTATR" in k}
    assert attributes <= set(context._ATTRIBUTES.values())


def test_what_is_declared_is_used():
    """
    No declaration of the binding is dead.
    """
    generator = (ROOT / "tools" / "generate_abi.py").read_text()
    declared = set(re.findall(r"\b(seccomp_[a-z_]+)\(", generator))

    assert declared >= NEWER
    assert declared - used() == set()


def test_the_committed_cffi_module_is_what_the_generator_writes(tmp_path):
    """
    `_abi.py` is never edited.
    """
    if importlib.util.find_spec("pycparser") is None:
        pytest.skip("pycparser, which cffi parses declarations with, is not installed")
    spec = importlib.util.spec_from_file_location("generate", ROOT / "tools" / "generate_abi.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)

    generate.generate(str(tmp_path / "_abi.py"))

    committed = (ROOT / "src" / "libseccomp" / "_abi.py").read_text()
    assert (tmp_path / "_abi.py").read_text() == committed


STRUCTURES = {
    "struct seccomp_data": ["nr", "arch", "instruction_pointer", "args"],
    "struct seccomp_notif": ["id", "pid", "flags", "data"],
    "struct seccomp_notif_resp": ["id", "val", "error", "flags"],
    "struct scmp_arg_cmp": ["arg", "op", "datum_a", "datum_b"],
    "struct scmp_version": ["major", "minor", "micro"],
    "struct sock_fprog": ["len", "filter"],
}


@needs_header
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_structures_have_the_compilers_layout(tmp_path):
    """
    In ABI mode nobody checks a structure but this test.
    """
    lines = ["#include <stdio.h>", "#include <stddef.h>", "#include <linux/filter.h>"]
    lines += ["#include <seccomp.h>", "#include <linux/seccomp.h>", "int main(void) {"]
    for struct, fields in STRUCTURES.items():
        lines.append(f'printf("%zu\\n", sizeof({struct}));')
        lines += [f'printf("%zu\\n", offsetof({struct}, {field}));' for field in fields]
    (tmp_path / "layout.c").write_text("\n".join([*lines, "}"]))
    subprocess.run(["cc", "-o", tmp_path / "layout", tmp_path / "layout.c"], check=True)

    done = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True)

    ours = []
    for struct, fields in STRUCTURES.items():
        ours.append(ffi.sizeof(struct))
        ours += [ffi.offsetof(struct, field) for field in fields]
    assert ours == [int(line) for line in done.stdout.split()]


def test_the_ioctl_of_add_fd_has_its_structures_size():
    """
    An ioctl's number has the size of its structure: 24 bytes of seccomp_notif_addfd.
    """
    from struct import calcsize

    from libseccomp.notify import IOCTL_NOTIF_ADDFD

    assert IOCTL_NOTIF_ADDFD >> 16 & 0x3FFF == calcsize("=QIIII")
