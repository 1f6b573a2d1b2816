"""Errors travel: between processes, into copies, with everything they know."""

import copy
import importlib
import importlib.util
import inspect
import pickle

import pytest

PACKAGES = ("libcgroups", "libseccomp", "libcontainer", "liboci_cli", "pyoci")

# One value for each type that an error's constructor may take, by how it is written.
SAMPLES = {
    "str": "text",
    "int": 13,
    "int | None": 13,
    "str | None": "text",
    "bool": True,
    "object": "text",
    "str | int": 13,
    "tuple[str, ...]": ("one", "two"),
    "tuple[tuple[str, str], ...]": (("$.one", "text"), ("$.two", "text")),
}


def public_errors():
    """The exception classes of each package's table and of its `errors` module."""
    found = {}
    for package in PACKAGES:
        module = importlib.import_module(package)
        places = [(module, getattr(module, "__all__", []))]
        if importlib.util.find_spec(f"{package}.errors"):
            errors = importlib.import_module(f"{package}.errors")
            places.append((errors, [name for name in vars(errors) if name[0] != "_"]))
        for place, names in places:
            for name in names:
                value = getattr(place, name)
                if isinstance(value, type) and issubclass(value, Exception):
                    found[f"{value.__module__}.{value.__name__}"] = value
    return found


def sample(cls):
    """An error of the class with something in each field."""
    if "__init__" not in {name for base in cls.__mro__[:-3] for name in vars(base)}:
        return cls("text")
    parameters = inspect.signature(cls).parameters.values()
    # A record of another module has a default, since most who raise the error have none at hand.
    values = [(p, SAMPLES.get(p.annotation, p.default)) for p in parameters]
    positional = [value for p, value in values if p.kind is not p.KEYWORD_ONLY]
    keyword = {p.name: value for p, value in values if p.kind is p.KEYWORD_ONLY}
    return cls(*positional, **keyword)


ERRORS = public_errors()


@pytest.mark.parametrize("cls", ERRORS.values(), ids=ERRORS)
def test_error_can_be_pickled_and_copied(cls):
    """
    Process pools send errors by pickle: type, text and every field arrive.
    """
    error = sample(cls)

    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is cls
        assert str(other) == str(error)
        assert vars(other) == vars(error)


@pytest.mark.parametrize("cls", ERRORS.values(), ids=ERRORS)
def test_error_text_is_one_plain_line(cls):
    """
    An error is one line without a full stop, so that engines and logs can carry it.
    """
    text = str(sample(cls))

    assert text
    assert "\n" not in text
    assert not text.endswith(".")


@pytest.mark.parametrize("cls", ERRORS.values(), ids=ERRORS)
def test_error_has_errno(cls):
    """
    Whoever catches an error can ask what the kernel said, also if it was not asked.
    """
    assert isinstance(sample(cls).errno, int | None)
