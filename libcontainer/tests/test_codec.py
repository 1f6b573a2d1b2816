"""JSON text: what `json` says, stricter, and without importing it."""

import json
import string
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import libcontainer
from libcontainer import codec

SOURCES = str(Path(libcontainer.__file__).parent.parent)
FIXTURES = sorted((Path(__file__).parent / "data/configs").glob("*.json"))

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
scalars = st.none() | st.booleans() | st.integers() | texts
numbers = st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    scalars | numbers,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


@settings(deadline=None)
@given(values, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_good_text_means_what_json_says(value, ascii_only, indent):
    """
    Any text that `json` writes is read as `json` reads it.
    """
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)

    assert codec.loads(text) == json.loads(text)
    assert codec.loads(text.encode()) == json.loads(text)


@settings(deadline=None)
@given(values)
def test_written_text_is_that_of_json(value):
    """
    Compact and indented text is the same, character by character, as `json` writes it.
    """
    assert codec.dumps(value) == json.dumps(value, separators=(",", ":"))
    assert codec.dumps(value, indent="  ") == json.dumps(value, indent=2)


def _verdict(read, text):
    try:
        return read(text)
    except ValueError:
        return "refused"
    except RecursionError:
        return "refused"


def _no_constant(name):
    raise ValueError(name)


@settings(deadline=None)
@given(st.text(st.sampled_from('{}[]",:. \n\\-+0123456789eEtrufalsn'), max_size=30))
def test_odd_text_is_refused_when_json_refuses_it(text):
    """
    Text that is nearly JSON gets the verdict of `json`, except for keys given twice and numbers
    that no float holds.
    """
    ours = _verdict(codec.loads, text)
    theirs = _verdict(lambda t: json.loads(t, parse_constant=_no_constant), text)

    if ours != theirs:
        with pytest.raises(codec.BadJSON, match=r"given twice|is not a number"):
            codec.loads(text)


@settings(deadline=None)
@given(st.text() | st.text(string.printable))
def test_no_text_raises_anything_else(text):
    """
    Whatever the text, the only error is BadJSON.
    """
    try:
        codec.loads(text)
    except codec.BadJSON as e:
        assert e.faults


@pytest.mark.parametrize("path", FIXTURES, ids=lambda p: p.stem)
def test_documents_of_engines_are_read(path):
    """
    What engines write is read the same way as by `json`.
    """
    text = path.read_text()

    assert codec.loads(text) == json.loads(text)


def test_many_keys_are_judged_in_no_time():
    """
    To find the key given twice among many takes no longer than to read them.
    """
    keys = ",".join([f'"k{i}":1' for i in range(100_000)])

    with pytest.raises(codec.BadJSON, match=r"^\$\.k7: given twice$"):
        codec.loads("{" + keys + ',"k7":1}')


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        pytest.param("", ["invalid JSON at line 1, column 1: expecting value"], id="nothing"),
        pytest.param(
            '{"a": [1,\n 2',
            ["invalid JSON at line 2, column 3: expecting ',' delimiter"],
            id="cut-off",
        ),
        pytest.param("{} x", ["invalid JSON at line 1, column 4: extra data"], id="trailing-text"),
        pytest.param(
            '"\t"',
            ["invalid JSON at line 1, column 2: invalid control character"],
            id="control-character",
        ),
        pytest.param('{"a":1,"a":2}', ["$.a: given twice"], id="key-twice"),
        pytest.param(
            '{"l":[{},{"b c":1,"b c":2}]}', ['$.l[1]["b c"]: given twice'], id="key-twice-deep"
        ),
        pytest.param(r'{"a":["x\u0000"]}', ["$.a[0]: NUL in a string"], id="nul"),
        pytest.param(r'{"\u0000":1}', [r'$["\u0000"]: NUL in a key'], id="nul-in-key"),
        pytest.param(r'["\ud800"]', ["$[0]: half of a surrogate pair in a string"], id="surrogate"),
        pytest.param(
            r'["\uDC00\uD800"]', ["$[0]: half of a surrogate pair in a string"], id="wrong-order"
        ),
        pytest.param(
            '["\udcff"]', ["$[0]: half of a surrogate pair in a string"], id="surrogateescape"
        ),
        pytest.param(
            '{"a":NaN,"b":[-Infinity]}',
            [
                "$.a: NaN is not a number that can be used",
                "$.b[0]: -Infinity is not a number that can be used",
            ],
            id="constants",
        ),
        pytest.param(
            "[1e999]", ["$[0]: 1e999 is not a number that can be used"], id="beyond-float"
        ),
        pytest.param(
            "[" + "9" * 5000 + "]",
            ["$[0]: 99999999999999999... is not a number that can be used"],
            id="beyond-int",
        ),
        pytest.param(
            "[" * 513 + "]" * 513, ["invalid JSON: nested deeper than 512 levels"], id="deep"
        ),
        pytest.param("[" * 100_000, ["invalid JSON: nested too deeply"], id="very-deep"),
        pytest.param(
            b'{\n"a": "\xff"}', ["invalid JSON at line 2, byte 7: not UTF-8"], id="not-utf-8"
        ),
    ],
)
def test_bad_text_is_explained(text, faults):
    """
    A fault names its line and column, or its path where the text could be read at all.
    """
    with pytest.raises(codec.BadJSON) as e:
        codec.loads(text)

    assert list(e.value.faults) == faults
    assert str(e.value) == "; ".join(faults)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param(r'"\ud83d\ude00"', "\U0001f600", id="whole-pair"),
        pytest.param(r'"\\u0000 \\ud800"', r"\u0000 \ud800", id="escaped-backslash"),
        pytest.param(" \r\n\t[1] \n", [1], id="blanks"),
        pytest.param('"\u00e9"'.encode(), "\u00e9", id="utf-8"),
        pytest.param("[" * 512 + "]" * 512, None, id="deepest"),
        pytest.param("[" + "[]," * 600 + "[]]", [[]] * 601, id="many-lists"),
    ],
)
def test_text_that_only_looks_bad_is_taken(text, value):
    """
    The quick look for bad text errs on the safe side, and the slow one then decides.
    """
    assert codec.loads(text) == (json.loads(text) if value is None else value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_what_could_not_be_read_back_is_not_written(value):
    """
    NaN and Infinity are no JSON.
    """
    with pytest.raises(ValueError):
        codec.dumps([value])
    with pytest.raises(ValueError):
        codec.dumps([value], indent=" ")


@pytest.mark.parametrize("indent", [None, " "], ids=["compact", "indented"])
def test_values_that_json_does_not_have_are_not_written(indent):
    """
    Only JSON's own types are written; a record is written by its `to_json`.
    """
    with pytest.raises(TypeError):
        codec.dumps([object()], indent=indent)


def test_good_text_never_imports_json():
    """
    `json` costs 11 ms to import; good text goes without.
    """
    program = (
        f"import sys; sys.path.append({SOURCES!r})\n"
        "from libcontainer import codec\n"
        "assert codec.dumps(codec.loads('{\"a\": [1, 2.5, null]}')) == '{\"a\":[1,2.5,null]}'\n"
        "print('json' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-IS", "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
