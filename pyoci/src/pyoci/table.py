"""The command line as help, manual and completion show it: with what is not there yet."""

from __future__ import annotations

from liboci_cli.commands import OCI

MISSING = ("checkpoint", "restore", "setup")

TABLE = OCI.noted(dict.fromkeys(MISSING, "not built yet"))
