"""Records: what a declaration gives."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path

import attrs
import cattrs
import pytest

import libcgroups._record
import libseccomp._record
from libcgroups.resources import LinuxCPU, LinuxResources
from libcontainer._record import BadDocument, Record, faults, i32, key, u16, u64
from libcontainer.spec.document import Spec
from libcontainer.spec.linux import Linux
from libcontainer.spec.process import Process, User
from libseccomp.profile import LinuxSeccomp

FIXTURES = sorted((Path(__file__).parent / "data/configs").glob("*.json"))


class Point(Record):
    """A place."""

    x: i32
    y: i32 = 0


class Named(Point):
    """A place with more."""

    long_name: str | None = None
    id_: str | None = key("ID", default=None)
    weights: tuple[u16, ...] = ()
    near: tuple[Point, ...] | None = None
    by_name: dict[str, Point] | None = None
    ratio: float | None = None
    is_open: bool = False


FULL = Named(
    1,
    2,
    long_name="a",
    id_="b",
    weights=(1, 65535),
    near=(Point(3),),
    by_name={"c": Point(4, 5)},
    ratio=0.5,
    is_open=True,
)


def test_values_are_given_by_name_or_in_order():
    """
    The constructor takes fields by position and by name, and fills in defaults.
    """
    assert Point(1, 2) == Point(x=1, y=2) == Point(1, y=2)
    assert Point(1).y == 0


@pytest.mark.parametrize(
    ("arguments", "named", "text"),
    [
        pytest.param((), {}, r"Point\(\) lacks 'x'", id="missing"),
        pytest.param((1, 2, 3), {}, r"Point\(\) takes 2 values", id="too-many"),
        pytest.param((1,), {"z": 1}, r"Point\(\) has no z", id="unknown"),
    ],
)
def test_wrong_arguments_are_refused(arguments, named, text):
    """
    A constructor call that does not fit the fields is a TypeError that says how.
    """
    with pytest.raises(TypeError, match=text):
        Point(*arguments, **named)


def test_equality_is_by_class_and_value():
    """
    Two records are equal if class and all fields are; equal records have equal hashes.
    """
    assert Point(1) == Point(1) != Point(2)
    assert Point(1) != Named(1)
    assert Point(1) != (1, 0)
    assert hash(Point(1)) == hash(Point(1))
    assert len({Point(1), Point(1), Point(2)}) == 2


def test_records_are_frozen():
    """
    A field can be neither set nor deleted, and no other attribute added.
    """
    for change in (
        lambda p: setattr(p, "x", 2),
        lambda p: setattr(p, "z", 2),
        lambda p: delattr(p, "x"),
    ):
        with pytest.raises(AttributeError, match="Point is frozen"):
            change(Point(1))


def test_repr_is_an_expression():
    """
    The repr can be evaluated to an equal record.
    """
    assert repr(Point(1)) == "Point(x=1, y=0)"
    assert eval(repr(FULL)) == FULL


def test_replace_changes_a_copy():
    """
    `replace` gives another record and leaves the first as it was.
    """
    first = Point(1, 2)

    assert first.replace(y=3) == Point(1, 3)
    assert first == Point(1, 2)


def test_records_match_by_position():
    """
    `match` takes fields in the order of declaration.
    """
    match Point(1, 2):
        case Point(x, 2):
            assert x == 1
        case _:
            pytest.fail("no match")


@pytest.mark.parametrize(
    "again",
    [lambda r: pickle.loads(pickle.dumps(r)), copy.copy, copy.deepcopy],
    ids=["pickle", "copy", "deepcopy"],
)
def test_records_can_be_copied_and_sent(again):
    """
    Pickling and copying give an equal record.
    """
    assert again(FULL) == FULL


def test_attrs_works_on_records():
    """
    attrs sees the fields with their types, defaults and JSON keys.
    """
    fields = attrs.fields(Named)

    assert [f.name for f in fields] == list(Named.__match_args__)
    assert fields.x.type is int
    assert fields.x.default is attrs.NOTHING
    assert fields.id_.metadata == {"key": "ID"}
    assert attrs.has(Named)
    assert attrs.evolve(FULL, x=9) == FULL.replace(x=9)
    assert attrs.asdict(FULL)["near"] == ({"x": 3, "y": 0},)


def test_cattrs_works_on_records():
    """
    A plain converter writes and reads records, by attribute names.
    """
    converter = cattrs.Converter()

    assert converter.structure(converter.unstructure(FULL), Named) == FULL


def test_keys_are_camel_case_or_as_named():
    """
    JSON keys are the fields' names in camel case, unless `key` says otherwise.
    """
    assert FULL.to_json() == {
        "x": 1,
        "y": 2,
        "longName": "a",
        "ID": "b",
        "weights": [1, 65535],
        "near": [{"x": 3, "y": 0}],
        "byName": {"c": {"x": 4, "y": 5}},
        "ratio": 0.5,
        "isOpen": True,
    }


def test_what_is_written_is_read_back():
    """
    `from_json` undoes `to_json`, through text too.
    """
    assert Named.from_json(FULL.to_json()) == FULL
    assert Named.from_json(json.loads(json.dumps(FULL.to_json()))) == FULL


def test_null_is_absent_and_unknown_is_ignored():
    """
    null stands for an absent key, as in Go; keys that nobody declared are passed over.
    """
    assert Named.from_json({"x": 1, "y": None, "longName": None, "z": 3}) == Named(1)


BAD = [
    pytest.param([], ["$: expected object, got []"], id="not-an-object"),
    pytest.param({}, ["$.x: missing"], id="missing"),
    pytest.param({"x": None}, ["$.x: missing"], id="null-for-required"),
    pytest.param({"x": True}, ["$.x: expected i32, got true"], id="bool-for-integer"),
    pytest.param({"x": 1.0}, ["$.x: expected i32, got 1.0"], id="float-for-integer"),
    pytest.param({"x": "1"}, ['$.x: expected i32, got "1"'], id="string-for-integer"),
    pytest.param({"x": 2**31}, ["$.x: expected i32, got 2147483648"], id="above-range"),
    pytest.param({"x": -(2**31) - 1}, ["$.x: expected i32, got -2147483649"], id="below-range"),
    pytest.param({"x": 1, "isOpen": 1}, ["$.isOpen: expected bool, got 1"], id="integer-for-bool"),
    pytest.param({"x": 1, "longName": 1}, ["$.longName: expected str, got 1"], id="not-a-string"),
    pytest.param({"x": 1, "ratio": "1"}, ['$.ratio: expected float, got "1"'], id="not-a-float"),
    pytest.param({"x": 1, "weights": "12"}, ['$.weights: expected list, got "12"'], id="no-list"),
    pytest.param({"x": 1, "byName": []}, ["$.byName: expected object, got []"], id="no-object"),
    pytest.param(
        {"weights": [1, -1, None], "near": [{}, 3], "byName": {"a.b": {"x": "x" * 99}}},
        [
            "$.x: missing",
            "$.weights[1]: expected u16, got -1",
            "$.weights[2]: expected u16, got null",
            "$.near[0].x: missing",
            "$.near[1]: expected object, got 3",
            '$.byName["a.b"].x: expected i32, got "' + "x" * 56 + "...",
        ],
        id="several",
    ),
]


@pytest.mark.parametrize(("document", "lines"), BAD)
def test_a_bad_document_is_refused_and_explained(document, lines):
    """
    `from_json` refuses, `faults` says everything that is wrong and where.
    """
    with pytest.raises(BadDocument):
        Named.from_json(document)

    assert list(faults(Named, document)) == lines


def test_a_whole_number_serves_as_float():
    """
    JSON has one kind of number; where a float is declared, 1 is 1.0.
    """
    assert Named.from_json({"x": 1, "ratio": 1}).ratio == 1.0


@pytest.mark.parametrize(
    ("linux", "lines"),
    [
        pytest.param(
            {"resources": {"blockIO": {"weightDevice": [{"major": 1}]}}},
            ["$.linux.resources.blockIO.weightDevice[0].minor: missing"],
            id="libcgroups",
        ),
        pytest.param(
            {"seccomp": {"syscalls": [{"names": ["read"]}]}},
            [
                "$.linux.seccomp.defaultAction: missing",
                "$.linux.seccomp.syscalls[0].action: missing",
            ],
            id="libseccomp",
        ),
    ],
)
def test_records_of_other_libraries_nest(linux, lines):
    """
    A field may be a record of a library with its own copy of the base: its faults are told with
    the whole path, and its error is a ValueError like ours.
    """
    document = {"ociVersion": "1.3.0", "linux": linux}

    with pytest.raises(ValueError):
        Spec.from_json(document)
    assert list(faults(Spec, document)) == lines


def test_nested_records_of_other_libraries_are_written_and_read_back():
    """
    Writing, reading, attrs and pickling go through all three libraries.
    """
    linux = Linux(
        resources=LinuxResources(cpu=LinuxCPU(shares=2)),
        seccomp=LinuxSeccomp(default_action="SCMP_ACT_ALLOW"),
    )

    assert Linux.from_json(linux.to_json()) == linux
    assert pickle.loads(pickle.dumps(linux)) == linux
    assert attrs.asdict(linux)["resources"]["cpu"]["shares"] == 2
    assert attrs.fields(LinuxSeccomp).default_action.type is str


def test_each_library_has_the_same_base():
    """
    `_record.py` is one text in every library.
    """
    ours = Path(__file__).parents[1] / "src/libcontainer/_record.py"

    for module in (libcgroups._record, libseccomp._record):
        assert Path(module.__file__).read_bytes() == ours.read_bytes()


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_documents_of_engines_survive_every_way(path):
    """
    What engines write is the same record after JSON, pickling, copying and attrs.
    """
    spec = Spec.from_json(json.loads(path.read_text()))

    assert Spec.from_json(spec.to_json()) == spec
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert copy.deepcopy(spec) == spec
    assert attrs.evolve(spec, hostname="x") == spec.replace(hostname="x")
    assert list(faults(Spec, spec.to_json())) == []


def test_a_default_can_be_a_record():
    """
    A frozen record is a safe default: it is shared, never copied.
    """
    assert Process(cwd="/").user == User(uid=0, gid=0)
    assert attrs.fields(Process).user.default == User(0, 0)


@pytest.mark.parametrize(("value", "good"), [(0, True), (2**64 - 1, True), (2**64, False)], ids=str)
def test_the_widest_integers_keep_their_range(value, good):
    """
    The kernel's "unlimited" is the last u64, and nothing is above it.
    """

    assert (list(faults(Wide, {"n": value})) == []) is good


class Wide(Record):
    """One wide field."""

    n: u64
