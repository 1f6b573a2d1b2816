import pathlib
import subprocess
import sys

import pytest

import libcgroups

SOURCE = pathlib.Path(libcgroups.__file__).parents[1]
# What a bare `python -IS` may load beside our own modules, on the path of every container.
ALLOWED = set(
    "sys posix time errno stat select fcntl resource struct marshal __future__ _signal _socket "
    "_json _blake2 _posixsubprocess _cffi_backend _struct _stat _posixsubprocess gc".split()
)

LIFE = """
from libcgroups import LinuxResources, open_manager, load_manager
from libcgroups.controllers import split
resources = LinuxResources.from_json({
    "devices": [{"allow": False, "access": "rwm"}],
    "memory": {"limit": 67108864, "swap": 134217728, "disableOOMKiller": False},
    "cpu": {"shares": 0, "quota": 50000, "period": 100000, "cpus": "0"},
    "pids": {"limit": 20},
    "blockIO": {"weight": 0},
    "unified": UNIFIED,
})
manager = open_manager("/box", container_id="box", root=ROOT, proc=PROC)
manager.create(resources)
manager.open_entry().close()
for part in split(resources):
    APPLY
state = type(manager.to_state()).from_json(manager.to_state().to_json())
manager = load_manager(state)
manager.is_frozen(), manager.oom_kills(), manager.pids(), manager.thaw()
"""
UPDATE_WITHOUT_DEVICES = "manager.apply(part.replace(devices=None))"


def modules_after(code):
    """Run code in a bare interpreter and return the modules that it loaded."""
    code = (
        f"import sys; sys.path.append({str(SOURCE)!r}); before = set(sys.modules)\n{code}\n"
        "print(*sorted(set(sys.modules) - before))"
    )
    result = subprocess.run(
        [sys.executable, "-ISB", "-c", code], capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def test_package_alone():
    """
    `import libcgroups` loads no submodule.
    """
    assert set(modules_after("import libcgroups")) <= {"libcgroups", "__future__"}


@pytest.mark.parametrize(
    ("fixture", "apply", "unified"),
    [("v1", "manager.apply(part)", "None"), ("v2", UPDATE_WITHOUT_DEVICES, '{"cpu.idle": "0"}')],
    ids=["v1", "v2"],
)
def test_whole_life(request, fixture, apply, unified):
    """
    Creating, limiting and finding a cgroup again costs no import of the standard library.
    """
    tree = request.getfixturevalue(fixture)
    tree.make("/box")
    code = LIFE.replace("APPLY", apply).replace("UNIFIED", unified)
    loaded = modules_after(f"ROOT, PROC = {tree.root!r}, {tree.proc!r}\n{code}")

    assert [m for m in loaded if m not in ALLOWED and m.split(".")[0] != "libcgroups"] == []
    assert "libcgroups.systemd.manager" not in loaded
    assert "libcgroups.stats" not in loaded


def test_devices_of_v2_need_only_cffi():
    """
    bpf(2) is called without ctypes and without parsing declarations.
    """
    pytest.importorskip("_cffi_backend")
    import _cffi_backend

    folder = str(pathlib.Path(_cffi_backend.__file__).parent)
    code = f"sys.path.append({folder!r})\nfrom libcgroups.bpf import Bpf; Bpf()"

    loaded = modules_after(code)

    assert [m for m in loaded if m not in ALLOWED and m.split(".")[0] != "libcgroups"] == []


def test_state_of_a_container():
    """
    Whoever only wants to know whether a container is frozen loads a handful of modules.
    """
    code = (
        "from libcgroups.state import CgroupState, is_frozen\n"
        "is_frozen(CgroupState(manager='v1', paths={'freezer': '/nosuch'}).paths)"
    )

    loaded = {m for m in modules_after(code) if m.startswith("libcgroups.")}

    assert loaded == {"libcgroups._record", "libcgroups.state"}


def test_declarations_are_current():
    """
    The committed `_abi.py` is what its script writes.
    """
    script = pathlib.Path(__file__).parents[1] / "tools" / "abi.py"

    assert subprocess.run([sys.executable, script, "--check"], capture_output=True).returncode == 0
