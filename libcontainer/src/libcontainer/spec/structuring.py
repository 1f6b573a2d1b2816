"""cattrs for the records: as strict as `from_json`, with every fault and its path.

For programs that use cattrs already.  `load_spec` needs none of it and imports 60 ms less.
"""

from __future__ import annotations

import json
import typing
from typing import Any

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, make_mapping_structure_fn, override

from .._record import _RANGES  # the ranges are the reader's; a second table would drift

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Hook = Callable[[Any, Any], Any]

_SCALARS = {int: "an integer", str: "a string", bool: "true or false"}


def converter() -> cattrs.Converter:
    """Return a converter that reads and writes records by the keys of the specification."""
    made = cattrs.Converter(detailed_validation=True)
    for kind, words in _SCALARS.items():
        made.register_structure_hook(kind, _exactly(kind, words, lambda value, _: value))
    made.register_structure_hook_factory(attrs.has, lambda cls: _record_hook(made, cls))
    made.register_structure_hook_factory(_is(tuple), lambda t: _list_hook(made, t))
    made.register_structure_hook_factory(_is(dict), lambda t: _object_hook(made, t))
    made.register_unstructure_hook_factory(attrs.has, lambda _: lambda record: record.to_json())
    return made


def explain(error: BaseException, path: str = "$") -> Iterator[str]:
    """Yield one line for each fault in what `structure` raised."""
    if not isinstance(error, cattrs.BaseValidationError):
        yield f"{path}: missing" if isinstance(error, KeyError) else f"{path}: {error}"
        return
    for inner in error.exceptions:
        yield from explain(inner, path + _step(error.cl, inner))


def _step(cls: Any, error: BaseException) -> str:
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, cattrs.AttributeValidationNote):
            return f".{_keys(cls)[note.name]}"
        if isinstance(note, cattrs.IterableValidationNote):
            return f"[{json.dumps(note.index)}]"
    return ""


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda t: typing.get_origin(t) is kind


def _keys(cls: Any) -> dict[str, str]:
    return {field.name: field.metadata["key"] for field in attrs.fields(cls)}


def _exactly(kind: type, words: str, inner: Hook) -> Hook:
    # cattrs alone takes "12" for 12, 7 for "7", and a string for the list of its characters.
    def hook(value: Any, t: Any) -> Any:
        if type(value) is not kind:
            raise TypeError(f"expected {words}, got {json.dumps(value)[:60]}")
        return inner(value, t)

    return hook


def _in_range(name: str) -> Hook:
    low, high = _RANGES[name]

    def hook(value: Any, _: Any) -> Any:
        if not low <= value <= high:
            raise ValueError(f"expected {name}, got {value}")
        return value

    return _exactly(int, "an integer", hook)


def _record_hook(made: cattrs.Converter, cls: Any) -> Hook:
    overrides = {name: override(rename=key) for name, key in _keys(cls).items()}
    for name, key, text, _ in cls._fields:
        # Types at run time are plain int; only the declared text has the range.
        word = text.removesuffix(" | None")
        if word in _RANGES:
            overrides[name] = override(rename=key, struct_hook=_in_range(word))
        elif word[:6] == "tuple[" and word[6:-6] in _RANGES:
            items = _tuple_hook(made, list[int], _in_range(word[6:-6]))
            overrides[name] = override(rename=key, struct_hook=items)
    inner = make_dict_structure_fn(cls, made, **overrides)  # type: ignore[arg-type]

    def hook(value: Any, t: Any) -> Any:
        # null is absent, as in Go.
        return inner({k: v for k, v in value.items() if v is not None}, t)

    return _exactly(dict, "an object", hook)


def _list_hook(made: cattrs.Converter, t: Any) -> Hook:
    items: Any = list[typing.get_args(t)[0]]  # type: ignore[misc]
    return _exactly(list, "a list", lambda value, _: tuple(made.structure(value, items)))


def _tuple_hook(made: cattrs.Converter, t: Any, item: Hook) -> Hook:
    special = made.copy()
    special.register_structure_hook(int, item)
    return _exactly(list, "a list", lambda value, _: tuple(special.structure(value, t)))


def _object_hook(made: cattrs.Converter, t: Any) -> Hook:
    inner: Any = make_mapping_structure_fn(t, made)
    return _exactly(dict, "an object", inner)
