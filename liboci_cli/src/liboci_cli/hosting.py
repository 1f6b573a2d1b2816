"""Rows and records of the commands that are about the host, or the program itself.

Loaded when one of them is asked for.
"""

from __future__ import annotations

from ._record import Record
from .table import FLAG, PATH, TEXT, Argument, Command, Option

_SHELLS = ("bash", "zsh", "fish")
_ENGINES = ("podman", "docker", "containerd", "crio")


class SpecArgs(Record):
    """`spec`."""

    bundle: str | None = None  # None: the current directory
    file: str = "config.json"  # seen from the bundle
    rootless: bool = False


class FeaturesArgs(Record):
    """`features`."""


class InfoArgs(Record):
    """`info`."""

    format: str = "text"  # text, json


class CompletionArgs(Record):
    """`completion`."""

    name: str | None = None  # of the shell
    shell: str | None = None  # the same, as an option


class SetupArgs(Record):
    """`setup`."""

    engine: str


class HelpArgs(Record):
    """`help`, `--help`, or nothing at all."""

    topic: str | None = None  # a command; None: the program


class VersionArgs(Record):
    """`version`, or `--version`."""


def spec() -> Command:
    return Command(
        "spec",
        "write a configuration to start from",
        "Writes a configuration that runs sh in a directory named rootfs. A file that exists is"
        " not overwritten.",
        ("spec --bundle /srv/web", "spec --rootless"),
        (
            Option(
                ("bundle", "b"), PATH, "directory of the bundle; by default the current one", "DIR"
            ),
            Option(
                ("file", "f"),
                PATH,
                "file to write, seen from the bundle",
                "FILE",
                default="config.json",
            ),
            Option(("rootless",), FLAG, "for an ordinary user: with a user namespace"),
        ),
    )


def features() -> Command:
    return Command(
        "features",
        "show what this runtime can do",
        "Prints the features document of the OCI runtime specification.",
        ("features",),
    )


def info() -> Command:
    return Command(
        "info",
        "show what matters here about the host",
        "Shows versions, the kernel, cgroups, namespaces and capabilities, for reports of faults.",
        ("info", "info --format json"),
        (
            Option(
                ("format", "f"),
                TEXT,
                "form of the report",
                "FORMAT",
                default="text",
                choices=("text", "json"),
                refusal="invalid format option",
            ),
        ),
    )


def completion() -> Command:
    refusal = "unsupported shell: {}"
    return Command(
        "completion",
        "print what makes a shell complete command lines",
        "Prints a script for the shell to read. Ids of containers are completed too, of those"
        " that the command can act on. bash reads the script from a file in"
        " /etc/bash_completion.d, zsh from _pyoci in /usr/local/share/zsh/site-functions, fish from"
        " pyoci.fish in /etc/fish/completions.",
        ("completion bash", "completion --shell zsh"),
        (Option(("shell", "s"), TEXT, "the shell", "SHELL", choices=_SHELLS, refusal=refusal),),
        (Argument("name", "SHELL", "the shell", required=False, choices=_SHELLS, refusal=refusal),),
    )


def setup() -> Command:
    return Command(
        "setup",
        "make an engine use this runtime",
        "Writes what the engine has to read to find this runtime.",
        ("setup podman",),
        arguments=(
            Argument(
                "engine", "ENGINE", "the engine", choices=_ENGINES, refusal="unknown engine: {}"
            ),
        ),
    )


def version() -> Command:
    return Command(
        "version",
        "show the version",
        "Shows what --version shows: the versions of the program, of the specification that it"
        " follows, and of what it is made with.",
        ("version",),
    )


def help() -> Command:
    return Command(
        "help",
        "show help for the program or a command",
        "Shows what --help shows.",
        ("help create",),
        arguments=(
            Argument("topic", "COMMAND", "what to explain", required=False, offers="commands"),
        ),
    )
