"""What is declared but not acted on yet.  A row goes when its feature comes.

A document that asks for such a thing is refused; to pass over it in silence would make a
container that is less confined than its author believes.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from .document import Spec

    # Whose field, which one, and whether an owner of that kind asks for it.
    Row = tuple[str, str, Callable[[Any], bool]]


ROWS: tuple[Row, ...] = ()


def unsupported(spec: Spec) -> tuple[str, ...]:
    """Return `not supported yet: PATH` for each field that asks for what cannot be done yet."""
    return tuple(_lines(spec))


def is_supported(field: str) -> bool:
    """Tell whether no row is about the field, named like `linux.intelRdt`."""
    return all([f"{owner}.{key}" != field for owner, key, _ in ROWS])


def _lines(spec: Spec) -> Iterator[str]:
    owners = _owners(spec)
    for owner, key, asks in ROWS:
        for path, holder in owners[owner]:
            if asks(holder):
                yield f"not supported yet: $.{path}.{key}"


def _owners(spec: Spec) -> dict[str, list[tuple[str, Any]]]:
    """Return, by the names of the rows' first column, all objects of that kind with their path."""
    linux = spec.linux
    namespaces = linux.namespaces if linux else ()
    found: dict[str, list[tuple[str, Any]]] = {
        "process": [("process", spec.process)],
        "hooks": [("hooks", spec.hooks)],
        "mounts[]": [(f"mounts[{i}]", mount) for i, mount in enumerate(spec.mounts)],
        "linux": [("linux", linux)],
        "linux.namespaces[]": [(f"linux.namespaces[{i}]", n) for i, n in enumerate(namespaces)],
        "linux.resources": [("linux.resources", linux.resources if linux else None)],
    }
    return {
        owner: [(path, holder) for path, holder in holders if holder is not None]
        for owner, holders in found.items()
    }
