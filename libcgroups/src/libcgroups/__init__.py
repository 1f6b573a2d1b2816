"""Linux control groups: make, limit, measure, freeze and kill groups of processes."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .entry import Entry
    from .errors import BusError, CgroupError, ControlFileError, ControllerMissing
    from .events import Events, PressureTrigger
    from .manager import load_manager, open_manager
    from .protocol import CgroupManager
    from .resources import (
        LinuxBlockIO,
        LinuxCPU,
        LinuxDeviceCgroup,
        LinuxHugepageLimit,
        LinuxInterfacePriority,
        LinuxMemory,
        LinuxNetwork,
        LinuxPids,
        LinuxRdma,
        LinuxResources,
        LinuxThrottleDevice,
        LinuxWeightDevice,
    )
    from .state import CgroupState
    from .stats import Stats
else:

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        # Not importlib.import_module: that costs an import of its own.
        module = __import__(f"{__name__}.{_HOME[name]}", None, None, (name,))
        globals()[name] = found = getattr(module, name)
        return found

    _HOME = {
        "BusError": "errors",
        "CgroupError": "errors",
        "CgroupManager": "protocol",
        "CgroupState": "state",
        "ControlFileError": "errors",
        "ControllerMissing": "errors",
        "Entry": "entry",
        "Events": "events",
        "LinuxBlockIO": "resources",
        "LinuxCPU": "resources",
        "LinuxDeviceCgroup": "resources",
        "LinuxHugepageLimit": "resources",
        "LinuxInterfacePriority": "resources",
        "LinuxMemory": "resources",
        "LinuxNetwork": "resources",
        "LinuxPids": "resources",
        "LinuxRdma": "resources",
        "LinuxResources": "resources",
        "LinuxThrottleDevice": "resources",
        "LinuxWeightDevice": "resources",
        "PressureTrigger": "events",
        "Stats": "stats",
        "load_manager": "manager",
        "open_manager": "manager",
    }

__all__ = [
    "BusError",
    "CgroupError",
    "CgroupManager",
    "CgroupState",
    "ControlFileError",
    "ControllerMissing",
    "Entry",
    "Events",
    "LinuxBlockIO",
    "LinuxCPU",
    "LinuxDeviceCgroup",
    "LinuxHugepageLimit",
    "LinuxInterfacePriority",
    "LinuxMemory",
    "LinuxNetwork",
    "LinuxPids",
    "LinuxRdma",
    "LinuxResources",
    "LinuxThrottleDevice",
    "LinuxWeightDevice",
    "PressureTrigger",
    "Stats",
    "load_manager",
    "open_manager",
]

__version__ = "0.1.0"
