"""The documents of runtime-spec 1.3.0 as records: config.json, state, features.

Reading is strict and tells every fault at once; `validate`, in the module of its name, judges what
the types cannot say.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .default import default_spec
    from .document import Spec
    from .features import Features
    from .hooks import Hook, Hooks
    from .idmapping import LinuxIDMapping
    from .linux import (
        Linux,
        LinuxDevice,
        LinuxIntelRdt,
        LinuxMemoryPolicy,
        LinuxNamespace,
        LinuxNetDevice,
        LinuxPersonality,
        LinuxTimeOffset,
    )
    from .load import load_process, load_spec
    from .mounts import Mount, Root
    from .process import (
        Box,
        CPUAffinity,
        LinuxCapabilities,
        LinuxIOPriority,
        POSIXRlimit,
        Process,
        Scheduler,
        User,
    )
    from .state import ContainerProcessState, State
    from .structuring import converter
    from .write import without_defaults
else:

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        globals()[name] = found = getattr(import_module("." + _HOME[name], __name__), name)
        return found

    _HOME = {
        "Box": "process",
        "CPUAffinity": "process",
        "ContainerProcessState": "state",
        "Features": "features",
        "Hook": "hooks",
        "Hooks": "hooks",
        "Linux": "linux",
        "LinuxCapabilities": "process",
        "LinuxDevice": "linux",
        "LinuxIDMapping": "idmapping",
        "LinuxIOPriority": "process",
        "LinuxIntelRdt": "linux",
        "LinuxMemoryPolicy": "linux",
        "LinuxNamespace": "linux",
        "LinuxNetDevice": "linux",
        "LinuxPersonality": "linux",
        "LinuxTimeOffset": "linux",
        "Mount": "mounts",
        "POSIXRlimit": "process",
        "Process": "process",
        "Root": "mounts",
        "Scheduler": "process",
        "Spec": "document",
        "State": "state",
        "User": "process",
        "converter": "structuring",
        "default_spec": "default",
        "load_process": "load",
        "load_spec": "load",
        "without_defaults": "write",
    }

__all__ = [
    "Box",
    "CPUAffinity",
    "ContainerProcessState",
    "Features",
    "Hook",
    "Hooks",
    "Linux",
    "LinuxCapabilities",
    "LinuxDevice",
    "LinuxIDMapping",
    "LinuxIOPriority",
    "LinuxIntelRdt",
    "LinuxMemoryPolicy",
    "LinuxNamespace",
    "LinuxNetDevice",
    "LinuxPersonality",
    "LinuxTimeOffset",
    "Mount",
    "POSIXRlimit",
    "Process",
    "Root",
    "Scheduler",
    "Spec",
    "State",
    "User",
    "converter",
    "default_spec",
    "load_process",
    "load_spec",
    "without_defaults",
]
