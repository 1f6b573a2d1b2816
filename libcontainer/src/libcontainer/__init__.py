"""The life cycle of OCI containers: spec, plan, namespaces, mounts, processes.

    from libcontainer import CreateOptions, create, start, state, delete

Importing this loads nothing: each name below is loaded when it is first used.
"""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .builder import ContainerBuilder
    from .container import Container
    from .errors import (
        BadId,
        ContainerError,
        ContainerExists,
        HookFailed,
        InitFailed,
        NoSuchContainer,
        SpecError,
        StepFailed,
        WrongStatus,
    )
    from .executor import Executor
    from .ops.create import CreateOptions, create
    from .ops.delete import delete
    from .ops.events import events
    from .ops.exec import ExecOptions, exec
    from .ops.kill import kill
    from .ops.list import list_containers
    from .ops.mounts import add_mounts, remove_mounts
    from .ops.pause import pause
    from .ops.ps import ps
    from .ops.resume import resume
    from .ops.run import run
    from .ops.start import start
    from .ops.state import state_document
    from .ops.update import update
    from .plan.host import Host, probe
    from .plan.make import make_plan
    from .plan.plan import Plan
    from .plan.tenant import Changes
else:

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        home = __import__(f"{__name__}.{_HOME[name]}", None, None, (name,))
        globals()[name] = found = getattr(home, name)
        return found

    def __dir__():
        return __all__

    _HOME = {
        "BadId": "errors",
        "Changes": "plan.tenant",
        "Container": "container",
        "ContainerBuilder": "builder",
        "ContainerError": "errors",
        "ContainerExists": "errors",
        "CreateOptions": "ops.create",
        "ExecOptions": "ops.exec",
        "Executor": "executor",
        "HookFailed": "errors",
        "Host": "plan.host",
        "InitFailed": "errors",
        "NoSuchContainer": "errors",
        "Plan": "plan.plan",
        "SpecError": "errors",
        "StepFailed": "errors",
        "WrongStatus": "errors",
        "add_mounts": "ops.mounts",
        "create": "ops.create",
        "delete": "ops.delete",
        "events": "ops.events",
        "exec": "ops.exec",
        "kill": "ops.kill",
        "list_containers": "ops.list",
        "make_plan": "plan.make",
        "pause": "ops.pause",
        "probe": "plan.host",
        "ps": "ops.ps",
        "remove_mounts": "ops.mounts",
        "resume": "ops.resume",
        "run": "ops.run",
        "start": "ops.start",
        "state_document": "ops.state",
        "update": "ops.update",
    }

__all__ = [
    "BadId",
    "Changes",
    "Container",
    "ContainerBuilder",
    "ContainerError",
    "ContainerExists",
    "CreateOptions",
    "ExecOptions",
    "Executor",
    "HookFailed",
    "Host",
    "InitFailed",
    "NoSuchContainer",
    "Plan",
    "SpecError",
    "StepFailed",
    "WrongStatus",
    "add_mounts",
    "create",
    "delete",
    "events",
    "exec",
    "kill",
    "list_containers",
    "make_plan",
    "pause",
    "probe",
    "ps",
    "remove_mounts",
    "resume",
    "run",
    "start",
    "state_document",
    "update",
]
