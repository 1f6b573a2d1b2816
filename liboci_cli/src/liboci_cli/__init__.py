"""The command line of an OCI runtime as data: one table, a reader, a click group."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .args import (
        RECORDS,
        CreateArgs,
        DeleteArgs,
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
    from .people import completion_script, group, help_text, hint, man_page
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
    "FeaturesArgs": "args",
    "GlobalArgs": "args",
    "HelpArgs": "args",
    "Invocation": "args",
    "KillArgs": "args",
    "ListArgs": "args",
    "OCI": "commands",
    "Option": "table",
    "RECORDS": "args",
    "RunArgs": "args",
    "SpecArgs": "args",
    "StartArgs": "args",
    "StateArgs": "args",
    "Table": "table",
    "UsageError": "errors",
    "VersionArgs": "args",
    "completion_script": "people",
    "group": "people",
    "help_text": "people",
    "hint": "people",
    "man_page": "people",
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
    "FeaturesArgs",
    "GlobalArgs",
    "HelpArgs",
    "Invocation",
    "KillArgs",
    "ListArgs",
    "Option",
    "RunArgs",
    "SpecArgs",
    "StartArgs",
    "StateArgs",
    "Table",
    "UsageError",
    "VersionArgs",
    "completion_script",
    "group",
    "help_text",
    "hint",
    "man_page",
    "parse",
    "render",
]

__version__ = "0.1.0"
