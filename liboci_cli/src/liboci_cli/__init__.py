"""The command line of an OCI runtime as data: one table, a reader, a click group."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._record import Record
    from .args import (
        RECORDS,
        CreateArgs,
        DeleteArgs,
        ExecArgs,
        FeaturesArgs,
        GlobalArgs,
        HelpArgs,
        Invocation,
        KillArgs,
        ListArgs,
        RunArgs,
        SpecArgs,
        StartArgs,
        StateArgs,
        VersionArgs,
        parse,
    )
    from .commands import OCI
    from .errors import UsageError
    from .manual import man_page
    from .people import complete, completion_script, completion_variable, group, help_text, hint
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
    "Command": "table",
    "CreateArgs": "args",
    "DeleteArgs": "args",
    "ExecArgs": "args",
    "FeaturesArgs": "args",
    "GlobalArgs": "args",
    "HelpArgs": "args",
    "Invocation": "args",
    "KillArgs": "args",
    "ListArgs": "args",
    "OCI": "commands",
    "Option": "table",
    "RECORDS": "args",
    "Record": "_record",
    "RunArgs": "args",
    "SpecArgs": "args",
    "StartArgs": "args",
    "StateArgs": "args",
    "Table": "table",
    "UsageError": "errors",
    "VersionArgs": "args",
    "complete": "people",
    "completion_script": "people",
    "completion_variable": "people",
    "group": "people",
    "help_text": "people",
    "hint": "people",
    "man_page": "manual",
    "parse": "args",
    "render": "writer",
}

__all__ = [
    "OCI",
    "RECORDS",
    "Argument",
    "Command",
    "CreateArgs",
    "DeleteArgs",
    "ExecArgs",
    "FeaturesArgs",
    "GlobalArgs",
    "HelpArgs",
    "Invocation",
    "KillArgs",
    "ListArgs",
    "Option",
    "Record",
    "RunArgs",
    "SpecArgs",
    "StartArgs",
    "StateArgs",
    "Table",
    "UsageError",
    "VersionArgs",
    "complete",
    "completion_script",
    "completion_variable",
    "group",
    "help_text",
    "hint",
    "man_page",
    "parse",
    "render",
]

__version__ = "0.1.0"
