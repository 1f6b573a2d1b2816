"""The command line of an OCI runtime as data: one table, a reader, a click group."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._record import Record
    from .args import (
        RECORDS,
        DeleteArgs,
        GlobalArgs,
        Invocation,
        KillArgs,
        ListArgs,
        StartArgs,
        StateArgs,
        parse,
    )
    from .checkpointing import CheckpointArgs, RestoreArgs
    from .commands import OCI
    from .completion import complete, completion_script, completion_variable
    from .errors import UsageError
    from .hosting import (
        CompletionArgs,
        FeaturesArgs,
        HelpArgs,
        InfoArgs,
        SetupArgs,
        SpecArgs,
        VersionArgs,
    )
    from .making import CreateArgs, ExecArgs, RunArgs
    from .manual import man_page, man_pages
    from .people import group, help_text, hint
    from .running import EventsArgs, MountsArgs, PauseArgs, PsArgs, ResumeArgs, UpdateArgs
    from .table import Argument, Command, Option, Table
    from .writer import render
else:

    def __getattr__(name):
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # only for who asks the package, not a module of it

        found = getattr(import_module("." + _HOME[name], __name__), name)
        globals()[name] = found
        return found

    def __dir__():
        return [*globals(), *_HOME]


_HOME = {
    "Argument": "table",
    "CheckpointArgs": "checkpointing",
    "Command": "table",
    "CompletionArgs": "hosting",
    "CreateArgs": "making",
    "DeleteArgs": "args",
    "EventsArgs": "running",
    "ExecArgs": "making",
    "FeaturesArgs": "hosting",
    "GlobalArgs": "args",
    "HelpArgs": "hosting",
    "InfoArgs": "hosting",
    "Invocation": "args",
    "KillArgs": "args",
    "ListArgs": "args",
    "MountsArgs": "running",
    "OCI": "commands",
    "Option": "table",
    "PauseArgs": "running",
    "PsArgs": "running",
    "RECORDS": "args",
    "Record": "_record",
    "RestoreArgs": "checkpointing",
    "ResumeArgs": "running",
    "RunArgs": "making",
    "SetupArgs": "hosting",
    "SpecArgs": "hosting",
    "StartArgs": "args",
    "StateArgs": "args",
    "Table": "table",
    "UpdateArgs": "running",
    "UsageError": "errors",
    "VersionArgs": "hosting",
    "complete": "completion",
    "completion_script": "completion",
    "completion_variable": "completion",
    "group": "people",
    "help_text": "people",
    "hint": "people",
    "man_page": "manual",
    "man_pages": "manual",
    "parse": "args",
    "render": "writer",
}

__all__ = [
    "Argument",
    "CheckpointArgs",
    "Command",
    "CompletionArgs",
    "CreateArgs",
    "DeleteArgs",
    "EventsArgs",
    "ExecArgs",
    "FeaturesArgs",
    "GlobalArgs",
    "HelpArgs",
    "InfoArgs",
    "Invocation",
    "KillArgs",
    "ListArgs",
    "MountsArgs",
    "OCI",
    "Option",
    "PauseArgs",
    "PsArgs",
    "RECORDS",
    "Record",
    "RestoreArgs",
    "ResumeArgs",
    "RunArgs",
    "SetupArgs",
    "SpecArgs",
    "StartArgs",
    "StateArgs",
    "Table",
    "UpdateArgs",
    "UsageError",
    "VersionArgs",
    "complete",
    "completion_script",
    "completion_variable",
    "group",
    "help_text",
    "hint",
    "man_page",
    "man_pages",
    "parse",
    "render",
]

__version__ = "0.1.0"
