"""The state document."""

from libcontainer.spec import ContainerProcessState, State

STATE = State(oci_version="1.3.0", id="c", status="created", pid=7, bundle="/b")


def test_what_is_not_there_is_not_written():
    """
    Without annotations, and without a process, those keys are absent.
    """
    assert STATE.to_json() == {
        "ociVersion": "1.3.0",
        "id": "c",
        "status": "created",
        "bundle": "/b",
        "pid": 7,
    }
    assert "pid" not in STATE.replace(pid=None, status="stopped").to_json()


def test_a_listener_gets_the_state_inside():
    """
    The message beside a seccomp listener names its fds in order.
    """
    message = ContainerProcessState(oci_version="1.3.0", fds=("seccompFd",), pid=7, state=STATE)

    assert message.to_json()["fds"] == ["seccompFd"]
    assert ContainerProcessState.from_json(message.to_json()) == message
