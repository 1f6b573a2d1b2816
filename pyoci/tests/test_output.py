"""Where the state root is."""

import posix

import pytest

from liboci_cli.args import GlobalArgs
from pyoci import output
from pyoci.output import BadOption, made_root, state_root


@pytest.fixture
def host(monkeypatch):
    """A host: who calls, whether in a user namespace, with which environment."""

    def be(*, uid=0, nested=False, **environment):
        monkeypatch.setattr(posix, "geteuid", lambda: uid)
        monkeypatch.setattr(output, "_nested", lambda: nested)
        for name in ("XDG_RUNTIME_DIR", "USER"):
            monkeypatch.delitem(posix.environ, name.encode(), raising=False)
        for name, text in environment.items():
            monkeypatch.setitem(posix.environ, name.encode(), text.encode())

    return be


@pytest.mark.parametrize(
    ("caller", "expected"),
    [
        pytest.param({}, "/run/pyoci", id="root"),
        pytest.param({"XDG_RUNTIME_DIR": "/x"}, "/run/pyoci", id="root with a session"),
        pytest.param({"XDG_RUNTIME_DIR": ""}, "/run/pyoci", id="Podman's empty variable"),
        pytest.param({"uid": 5, "XDG_RUNTIME_DIR": "/x"}, "/x/pyoci", id="user"),
        pytest.param({"uid": 5}, "/run/pyoci", id="user without a session"),
        pytest.param(
            {"nested": True, "XDG_RUNTIME_DIR": "/x", "USER": "me"}, "/x/pyoci", id="rootless"
        ),
        pytest.param(
            {"nested": True, "XDG_RUNTIME_DIR": "/x", "USER": "root"},
            "/run/pyoci",
            id="root in a container",
        ),
    ],
)
def test_default_root(host, caller, expected):
    """It is the same for every call of one user, and one for root with and without a session."""
    host(**caller)

    assert state_root(GlobalArgs()) == expected


@pytest.mark.parametrize(
    ("given", "expected"), [("/a//b/./c/", "/a/b/c"), ("x", "/here/x"), ("./x", "/here/x")]
)
def test_given_root(host, monkeypatch, given, expected):
    """What is asked for is made absolute."""
    host()
    monkeypatch.setattr(posix, "getcwd", lambda: "/here")

    assert state_root(GlobalArgs(root=given)) == expected


@pytest.mark.parametrize("given", ["/", "//", "/./"])
def test_root_of_everything(given):
    """The file system's root would be emptied by mistakes."""
    with pytest.raises(BadOption, match="Option --root argument should not be set to /"):
        state_root(GlobalArgs(root=given))


def test_default_root_of_a_user_is_kept_from_cleaners(host, tmp_path):
    """The first create makes it, for its user alone and with the sticky bit."""
    host(uid=5, XDG_RUNTIME_DIR=str(tmp_path))

    assert made_root(GlobalArgs()) == f"{tmp_path}/pyoci"

    assert (tmp_path / "pyoci").stat().st_mode & 0o7777 == 0o1700
    assert made_root(GlobalArgs(root=f"{tmp_path}/x")) == f"{tmp_path}/x"
    assert not (tmp_path / "x").exists()
