import importlib.util
import shutil
from pathlib import Path

import pytest

from libcontainer.process.stub import code

TOOL = Path(__file__).parents[3] / "tools/assemble_stub.py"
COMMITTED = {"x86_64": code.X86_64, "aarch64": code.AARCH64}


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("assemble_stub", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def require_binutils(tool, *arches):
    for arch in arches:
        for program in (f"{tool.PREFIXES[arch]}as", f"{tool.PREFIXES[arch]}objcopy"):
            if shutil.which(program) is None:
                pytest.skip(f"no {program} to assemble the stub with")


@pytest.mark.parametrize("arch", COMMITTED)
def test_committed_bytes_are_the_source(tool, arch):
    """
    Assembling the source gives exactly the machine code that is committed.
    """
    require_binutils(tool, arch)

    assert tool.assemble(arch) == COMMITTED[arch]


def test_module_is_what_the_tool_writes(tool):
    """
    code.py is generated as a whole; nobody has edited it.
    """
    require_binutils(tool, *COMMITTED)

    assert Path(code.__file__).read_text() == tool.module()


@pytest.mark.parametrize("arch", COMMITTED)
def test_code_is_small(arch):
    """
    The code is a fraction of a page: the list is what a waiting container costs.
    """
    assert len(COMMITTED[arch]) <= 500


def test_aarch64_code_is_whole_instructions():
    """
    An instruction of aarch64 has four bytes.
    """
    assert len(code.AARCH64) % 4 == 0
