"""What a shell is told while a command line is typed."""

import subprocess

import pytest

from liboci_cli import complete, completion_script, completion_variable


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(shell):
    """
    The script of each shell asks the program by its variable.
    """
    assert completion_variable("oci-run") == "_OCI_RUN_COMPLETE"
    assert f"{completion_variable('oci')}={shell}_complete" in completion_script(shell, "oci")


def test_completion_script_is_bash():
    """
    bash accepts its script.
    """
    script = completion_script("bash", "oci")

    assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0


def test_unknown_shell():
    """
    Only known shells can be completed.
    """
    with pytest.raises(KeyError, match="tcsh"):
        completion_script("tcsh", "oci")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("oci sta", ["plain,start", "plain,state"], id="command"),
        pytest.param("oci create --bu", ["plain,--bundle"], id="option"),
        pytest.param("oci list --format j", ["plain,json"], id="choice"),
        pytest.param("oci list --format=j", ["plain,json"], id="choice after ="),
        pytest.param("oci list --format=", ["plain,table", "plain,json"], id="nothing after ="),
        pytest.param("oci list --format ", ["plain,table", "plain,json"], id="nothing yet"),
        pytest.param("oci --root=/x", ["file,/x"], id="path after ="),
        pytest.param("oci create --bundle /", ["file,/"], id="path"),
        pytest.param("oci start we", ["plain,web1", "plain,web2"], id="id"),
        pytest.param("oci --root=/x start we", ["plain,web1", "plain,web2"], id="id, globals"),
        pytest.param("oci -root /x start d", ["plain,db"], id="id, one dash"),
        pytest.param("oci --debug=false start d", ["plain,db"], id="id, a flag taken back"),
        pytest.param("oci --log journald:x state d", ["plain,db"], id="id, a colon"),
        pytest.param("oci exec -e A=1 d", ["plain,db"], id="id, = in a value"),
        pytest.param("oci exec --env=A=1 d", ["plain,db"], id="id, two ="),
        pytest.param("oci exec -u 1:2 d", ["plain,db"], id="id, a colon in a command's option"),
        pytest.param("oci exec -e 'A=1 2' d", ["plain,db"], id="id, quotes"),
        pytest.param("oci exec -e 'A b", [], id="an open quote"),
        pytest.param("oci delete db --fo", ["plain,--force"], id="option after the id"),
        pytest.param("oci create we", [], id="a new id"),
        pytest.param("oci kill web1 K", ["plain,KILL"], id="signal"),
        pytest.param("oci exec --cap CAP_KI", ["plain,CAP_KILL"], id="capability"),
        pytest.param("oci exec web1 K", [], id="another program's word"),
        pytest.param("oci help che", ["plain,checkpoint"], id="topic"),
        pytest.param("oci mounts re", ["plain,remove"], id="word of an argument"),
        pytest.param("oci mounts add web1 /", ["file,/"], id="file as an argument"),
        pytest.param("oci completion z", ["plain,zsh"], id="shell"),
    ],
)
def test_completion(monkeypatch, line, expected):
    """
    Commands, options, their words, files, signals and ids are completed.
    """
    monkeypatch.setenv("COMP_LINE", line)

    found = complete("bash_complete", "oci", complete_id=lambda *_: ["web1", "web2", "db"])

    assert found.splitlines() == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_says_what_a_word_means(monkeypatch, shell):
    """
    zsh and fish show what an option or a command does, whole.
    """
    monkeypatch.setenv("COMP_LINE", "oci list --qu")

    assert complete(f"{shell}_complete", "oci") == "plain,--quiet\tids only, one a line"


def test_completion_of_ids_knows_what_was_typed(monkeypatch):
    """
    Who completes ids is told the command and the options before.
    """
    monkeypatch.setenv("COMP_LINE", "oci -root /run/web --debug=false delete --force w")
    asked = []

    complete("bash_complete", "oci", complete_id=lambda *given: asked.append(given) or [])

    ((command, options),) = asked
    assert (command, options["root"], options["force"]) == ("delete", "/run/web", True)
