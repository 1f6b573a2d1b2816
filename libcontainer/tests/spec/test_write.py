"""Documents for people."""

from libcontainer.spec import Spec, User, load_spec, without_defaults
from libcontainer.spec.hooks import Hook
from libcontainer.spec.process import Process


def test_defaults_are_not_written():
    """
    What an absent key says anyway is left out; required fields always stay.
    """
    process = Process(cwd="/", args=("sh",), user=User(uid=0, gid=1))

    assert without_defaults(process) == {
        "cwd": "/",
        "args": ["sh"],
        "user": {"uid": 0, "gid": 1},
    }


def test_an_empty_list_that_says_something_is_written():
    """
    No environment at all is not the same as the default one.
    """
    assert without_defaults(Hook(path="/x", env=())) == {"path": "/x", "env": []}
    assert without_defaults(Hook(path="/x")) == {"path": "/x"}


def test_documents_of_engines_are_the_same_after_it(engine_text):
    """
    Nothing but defaults is lost.
    """
    spec = load_spec(engine_text)

    assert Spec.from_json(without_defaults(spec)) == spec
