"""Records: values with declared fields that are cheap to import.

This file is copied unchanged into each library (they stand alone); `just generate` copies it and
a test compares the copies.  A runtime is started several times per container, so what is on its
path must not cost an import of attrs (45 ms) or typing (17 ms).  A record is declared like an
attrs class and gives the same: slots, a keyword constructor with defaults, equality, hash, repr,
pickling, matching and JSON.  attrs and cattrs work on records, and only then attrs is imported.

    class LinuxCPU(Record):
        shares: u64 | None = None
        cpus: str | None = None

Rules, all of them checked when the class is made or first read:

* every module that declares records has the `__future__` import of annotations;
* a field's type is one of str, bool, float, i32, i64, u16, u32, u64, a record, `tuple[X, ...]` or
  `dict[str, X]`, each optionally followed by `| None`;
* the JSON key is the name in camel case; `key("containerID")` names another one.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar, Self, TypeAlias, dataclass_transform

    u16: TypeAlias = int
    i32: TypeAlias = int
    u32: TypeAlias = int
    i64: TypeAlias = int
    u64: TypeAlias = int
else:

    def dataclass_transform(**_):
        return lambda cls: cls

    # Integers to a type checker and at run time; only the reader below keeps their ranges.
    u16 = i32 = u32 = i64 = u64 = int

_RANGES = {
    "u16": (0, 2**16 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u32": (0, 2**32 - 1),
    "i64": (-(2**63), 2**63 - 1),
    "u64": (0, 2**64 - 1),
}
# Ellipsis is one object for all copies of this file, and no value of a document.
_REQUIRED: Any = ...


class BadDocument(ValueError):
    """A value is not of the declared shape; `faults` says where."""


def key(name: str, *, default: Any = _REQUIRED) -> Any:
    """Name the JSON key of a field whose own name does not give it."""
    return (key, name, default)


class _AttrsFields:
    """`__attrs_attrs__`, made when somebody asks: `attrs.fields`, `attrs.evolve`, cattrs."""

    def __get__(self, record: object, cls: Any) -> Any:
        import typing

        import attrs

        hints = typing.get_type_hints(cls)
        own = {
            name: attrs.field(
                type=hints[name],
                default=attrs.NOTHING if default is _REQUIRED else default,
                metadata={"key": key},
            )
            for name, key, _, default in cls._fields
        }
        cls.__attrs_attrs__ = found = attrs.fields(attrs.make_class(cls.__name__, own, frozen=True))
        return found


@dataclass_transform(frozen_default=True, field_specifiers=(key,))
class _RecordType(type):
    def __new__(mcs, name: str, bases: tuple[type, ...], ns: dict[str, Any]) -> _RecordType:
        fields = [f for base in bases for f in getattr(base, "_fields", ())]
        own = ns.get("__annotations__", {})
        for field, text in own.items():
            first, *rest = field.rstrip("_").split("_")
            json_key = first + "".join([word.capitalize() for word in rest])
            default = ns.pop(field, _REQUIRED)
            if type(default) is tuple and default[:1] == (key,):
                _, json_key, default = default
            fields.append((field, json_key, text, default))
        ns |= {
            "__slots__": tuple(own),
            "__match_args__": tuple([f[0] for f in fields]),
            "_fields": fields,
            "_readers": None,
        }
        return super().__new__(mcs, name, bases, ns)


class Record(metaclass=_RecordType):
    """A frozen value with named fields; see the module's text for how to declare one."""

    if TYPE_CHECKING:
        __attrs_attrs__: ClassVar[Any]
        __match_args__: ClassVar[Any]
        _fields: ClassVar[Any]
        _readers: ClassVar[Any]
    else:
        __attrs_attrs__ = _AttrsFields()

        def __init__(self, *args, **given):
            if args:
                if len(args) > len(self._fields):
                    raise TypeError(f"{type(self).__name__}() takes {len(self._fields)} values")
                given |= zip(self.__match_args__, args)
            for name, _, _, default in self._fields:
                if (value := given.pop(name, default)) is _REQUIRED:
                    raise TypeError(f"{type(self).__name__}() lacks {name!r}")
                object.__setattr__(self, name, value)
            if given:
                raise TypeError(f"{type(self).__name__}() has no {', '.join(given)}")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def _values(self) -> tuple[Any, ...]:
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        fields = ", ".join([f"{name}={getattr(self, name)!r}" for name in self.__match_args__])
        return f"{type(self).__name__}({fields})"

    def __reduce__(self) -> Any:
        return type(self), self._values()

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some fields changed."""
        return type(self)(**dict(zip(self.__match_args__, self._values())) | changes)

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read a value that came from JSON.  null is absent, unknown keys are ignored.

        Raises BadDocument, without saying where: that is the work of `faults`.
        """
        if type(data) is not dict:
            raise BadDocument(cls.__name__)
        record = cls.__new__(cls)
        for put, json_key, read, default in cls._readers or _make_readers(cls):
            if (value := data.get(json_key)) is not None:
                put(record, read(value))
            elif default is _REQUIRED:
                raise BadDocument(json_key)
            else:
                put(record, default)
        return record

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads; fields that are None are left out."""
        return {
            json_key: _plain(value)
            for name, json_key, _, _ in self._fields
            if (value := getattr(self, name)) is not None
        }


def _plain(value: Any) -> Any:
    # By what it can do, not by its class: a record may come from another library's copy.
    if hasattr(value, "to_json"):
        return value.to_json()
    if type(value) is tuple:
        return [_plain(item) for item in value]
    if type(value) is dict:
        return {name: _plain(item) for name, item in value.items()}
    return value


def _make_readers(cls: Any) -> Any:
    cls._readers = [
        (
            getattr(cls, name).__set__,
            json_key,
            _PLAIN.get(text) or _reader(text, _names(cls, name)),
            None if _may_be_absent(text, default) else default,
        )
        for name, json_key, text, default in cls._fields
    ]
    return cls._readers


def _may_be_absent(text: str, default: Any) -> bool:
    # None is written as absence, so absence is read as None, whatever the constructor demands.
    return default is _REQUIRED and text.endswith(" | None")


def _names(cls: Any, field: str) -> Any:
    """Return the names in whose sight `field` was declared, perhaps by a base class elsewhere."""
    home = next(base for base in cls.__mro__ if field in vars(base).get("__slots__", ()))
    return vars(sys.modules[home.__module__])


def _reader(text: str, names: Any) -> Callable[[Any], Any]:
    text = text.removesuffix(" | None")
    if (plain := _PLAIN.get(text)) is not None:
        return plain
    if text[:6] == "tuple[":
        return _list_reader(_reader(text[6:-6], names))
    if text[:5] == "dict[":
        return _object_reader(_reader(text[10:-1], names))
    found: Callable[[Any], Any] = names[text].from_json
    return found


def _list_reader(item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not list:
            raise BadDocument
        return tuple([item(v) for v in value])

    return read


def _object_reader(item: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is not dict:
            raise BadDocument
        return {k: item(v) for k, v in value.items()}

    return read


def _integer_reader(low: int, high: int) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        # `type is`, not isinstance: True is an int, and 1.0 is no integer of a document.
        if type(value) is int and low <= value <= high:
            return value
        raise BadDocument

    return read


def _scalar_reader(want: type) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if type(value) is want:
            return value
        raise BadDocument

    return read


def _float_reader(value: Any) -> Any:
    if type(value) in (float, int):
        return float(value)
    raise BadDocument


# What a type's name alone decides, the same reader for every field.
_PLAIN: dict[str, Callable[[Any], Any]] = {
    **{name: _integer_reader(low, high) for name, (low, high) in _RANGES.items()},
    "str": _scalar_reader(str),
    "bool": _scalar_reader(bool),
    "float": _float_reader,
}


def faults(cls: type[Record], value: Any, path: str = "$") -> Iterator[str]:
    """Say everything that keeps `value` from being a `cls`, one line each, with its path.

    Walks the same table that `from_json` reads by, so the two cannot disagree; yields nothing
    exactly when `from_json` succeeds.
    """
    if type(value) is not dict:
        yield f"{path}: expected object, got {_shown(value)}"
        return
    for name, json_key, text, default in cls._fields:
        item = value.get(json_key)
        if item is not None:
            yield from _faults(text, _names(cls, name), item, f"{path}.{json_key}")
        elif default is _REQUIRED and not _may_be_absent(text, default):
            yield f"{path}.{json_key}: missing"


def _faults(text: str, names: Any, value: Any, path: str) -> Iterator[str]:
    text = text.removesuffix(" | None")
    if text[:6] == "tuple[":
        if type(value) is not list:
            yield f"{path}: expected list, got {_shown(value)}"
            return
        for i, item in enumerate(value):
            yield from _faults(text[6:-6], names, item, f"{path}[{i}]")
    elif text[:5] == "dict[":
        if type(value) is not dict:
            yield f"{path}: expected object, got {_shown(value)}"
            return
        for name, item in value.items():
            yield from _faults(text[10:-1], names, item, f"{path}[{_shown(name)}]")
    elif hasattr(names.get(text), "_fields"):
        yield from faults(names[text], value, path)
    else:
        try:
            _reader(text, names)(value)
        except ValueError:
            yield f"{path}: expected {text}, got {_shown(value)}"


def _shown(value: Any) -> str:
    import json

    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."
