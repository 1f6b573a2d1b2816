"""Unit properties from annotations: `org.systemd.property.NAME`.

An annotation comes from whoever may describe a container, who is not always trusted to give
orders to the host's systemd.  So the names are a closed list: nothing that starts a program,
reboots the machine or loads a file.
"""

from __future__ import annotations

from ..errors import CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Property = tuple[str, str, Any]  # name, D-Bus signature, value

_PREFIX = "org.systemd.property."
_FAMILIES = (
    "CPU", "StartupCPU", "Memory", "StartupMemory", "DefaultMemory", "IO", "StartupIO", "BlockIO",
    "StartupBlockIO", "Tasks", "Allowed", "StartupAllowed", "ManagedOOM",
)  # fmt: skip
_NAMES = (
    "After", "Before", "BindsTo", "CollectMode", "Conflicts", "DefaultDependencies", "Description",
    "DisableControllers", "Documentation", "FinalKillSignal", "IPAccounting", "IgnoreOnIsolate",
    "KillMode", "KillSignal", "OOMPolicy", "PartOf", "PropagatesReloadTo", "PropagatesStopTo",
    "Requires", "RequiresMountsFor", "Requisite", "RuntimeMaxUSec", "SendSIGHUP", "SendSIGKILL",
    "StopWhenUnneeded", "TimeoutStopUSec", "Upholds", "Wants",
)  # fmt: skip
_INTEGERS = {"byte": "y", "int32": "i", "uint32": "u", "int64": "x", "uint64": "t"}


def properties(annotations: dict[str, str]) -> list[Property]:
    """Return the unit properties that the annotations ask for.

    Raises CgroupError for a name that is not allowed or a value that is not GVariant text.
    """
    return [_property(key, text) for key, text in annotations.items() if key.startswith(_PREFIX)]


def _property(key: str, text: str) -> Property:
    name = key.removeprefix(_PREFIX)
    if len(name) < 3 or not (name.isascii() and name.isalpha()):
        raise CgroupError(f"annotation {key} name incorrect: at least 3 letters are needed")
    try:
        signature, value = parse_value(text)
    except ValueError as e:
        raise CgroupError(f"annotation {key}={text} value parse error: {e}") from None
    if name.endswith("Sec") and name[-4:-3].islower():
        if signature not in "iuxtd":
            raise CgroupError(f"annotation {key}={text} value parse error: not a number")
        # systemctl's spelling is in seconds, the bus's in microseconds
        name, signature, value = name[:-3] + "USec", "t", int(value * 1_000_000)
    if name not in _NAMES and not name.startswith(_FAMILIES):
        raise CgroupError(f"annotation {key} name incorrect: {name} is not allowed in annotations")
    return name, signature, value


def parse_value(text: str) -> tuple[str, Any]:
    """Read a GVariant in text form: booleans, numbers, strings and lists of strings."""
    text = text.strip()
    if text in ("true", "false"):
        return "b", text == "true"
    if text[:1] == "[" and text[-1:] == "]":
        items = [parse_value(item) for item in _items(text[1:-1])]
        if not items or {signature for signature, _ in items} != {"s"}:
            raise ValueError("only lists of strings are understood")
        return "as", [value for _, value in items]
    if text[:1] in ("'", '"'):
        return "s", _unquote(text)
    word, _, rest = text.partition(" ")
    if word in _INTEGERS:
        return _INTEGERS[word], int(rest, 0)
    if "." in text:
        return "d", float(text)
    return "i", int(text, 0)


def _unquote(text: str) -> str:
    if len(text) < 2 or text[-1] != text[0]:
        raise ValueError("a quote is not closed")
    inner, value, at = text[1:-1], "", 0
    while at < len(inner):
        if inner[at] == text[0]:
            raise ValueError("text after the closing quote")
        at += inner[at] == "\\"
        value += inner[at : at + 1]
        at += 1
    return value


def _items(text: str) -> list[str]:
    """Split at the commas that are not in quotes."""
    found, start, quote, at = [], 0, "", 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
        elif quote:
            quote = "" if text[at] == quote else quote
        elif text[at] in "'\"":
            quote = text[at]
        elif text[at] == ",":
            found.append(text[start:at])
            start = at + 1
        at += 1
    return [item for item in [*found, text[start:]] if item.strip()]
