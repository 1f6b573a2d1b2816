"""sd_notify through the runtime: what the container says comes with the host's pid."""

import os
import socket
import struct

import pytest


@pytest.fixture
def manager(workshop):
    """The service manager's socket, told to the runtime as systemd would."""
    path = workshop.folder / "manager.sock"
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(path))
    listener.settimeout(20)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    workshop.host["NOTIFY_SOCKET"] = str(path)
    yield listener
    listener.close()


def heard(manager, process):
    """Return what a detaching command says; it stays until its last message is taken."""
    said = manager.recv(4096)
    barrier, ancillary, _, _ = manager.recvmsg(4096, socket.CMSG_SPACE(12) + socket.CMSG_SPACE(4))
    assert barrier == b"BARRIER=1"
    assert process.poll() is None
    (pipe,) = [data for _, kind, data in ancillary if kind == socket.SCM_RIGHTS]
    os.close(struct.unpack("i", pipe)[0])
    return said


# busybox has no client of datagram sockets, so the test is the client, from outside.
def say(workshop, id, text):
    folder = workshop.root / id / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(text, str(folder / "notify.sock"))


def test_ready_is_passed_on_as_our_own_word(workshop, manager):
    """
    The payload is told of a socket of its own; READY=1 said there reaches the manager, from the
    runtime, which is the service's main process: the manager listens to nobody else.
    """
    bundle = workshop.bundle('echo "$NOTIFY_SOCKET"; ls /run/notify; sleep 1000')
    id = workshop.id()
    output = workshop.folder / "output"
    with open(output, "wb") as file:
        process = workshop.spawn("run", "-b", bundle.path, id, stdout=file)
    workshop.until(lambda: "notify.sock\n" in output.read_text(), "the socket")

    say(workshop, id, b"STATUS=starting")
    say(workshop, id, b"STATUS=up\nREADY=1")

    said, ancillary, _, _ = manager.recvmsg(4096, socket.CMSG_SPACE(12))
    ((_, _, sender),) = ancillary
    assert said == b"READY=1\nMAINPID=%d" % process.pid
    assert struct.unpack("3i", sender)[0] == process.pid
    assert output.read_text() == "/run/notify/notify.sock\nnotify.sock\n"
    workshop.pyoci("kill", id, "KILL")
    assert process.wait(timeout=20) == 137
    assert os.listdir(workshop.root) == []


def test_killed_while_it_listens(workshop, manager):
    """
    What `run` leaves is cleared by a forced delete, and the id is free again.
    """
    bundle, id = workshop.bundle("sleep 1000"), workshop.id()
    process = workshop.spawn("run", "-b", bundle.path, id)
    workshop.until(lambda: workshop.pyoci("state", id).status == 0, "the container")
    process.kill()
    process.wait(timeout=20)

    assert workshop.pyoci("delete", "--force", id).status == 0

    assert os.listdir(workshop.root) == []
    second = workshop.spawn("run", "-b", bundle.path, id)
    workshop.until(lambda: '"running"' in workshop.pyoci("state", id).stdout, "the second")
    refused = workshop.pyoci("run", "-b", bundle.path, id)
    assert refused.stderr == "run failed: container with given ID already exists\n"
    workshop.pyoci("kill", id, "KILL")
    assert second.wait(timeout=20) == 137


def test_detached_returns_when_it_is_ready(workshop, manager):
    """`run --detach` holds up who started it until the container is ready."""
    bundle = workshop.bundle("sleep 1000")
    id = workshop.id()
    process = workshop.spawn("run", "--detach", "-b", bundle.path, id)
    workshop.until((workshop.root / id / "notify" / "notify.sock").exists, "the socket")
    workshop.until(lambda: workshop.pyoci("state", id).status == 0, "the container")
    assert process.poll() is None

    say(workshop, id, b"READY=1")

    assert heard(manager, process).startswith(b"READY=1\nMAINPID=")
    assert process.wait(timeout=20) == 0
    assert workshop.pyoci("delete", "--force", id).status == 0


def test_start_of_what_was_created_for_a_manager(workshop, manager):
    """
    `create` prepares the folder, `start` listens there, waits for READY=1, and stays until the
    manager has taken it: a manager asks who the sender is, and one that is gone is nobody.
    """
    container = workshop.create('echo "$NOTIFY_SOCKET"; sleep 1000')
    folder = workshop.root / container.id / "notify"
    assert os.listdir(folder) == []
    process = workshop.spawn("start", container.id)
    workshop.until((folder / "notify.sock").exists, "the socket")
    say(workshop, container.id, b"STATUS=starting")
    assert container.status in ("created", "running")
    say(workshop, container.id, b"READY=1")

    assert heard(manager, process) == b"READY=1\nMAINPID=%d" % container.pid
    assert process.wait(timeout=20) == 0
    assert os.listdir(folder) == []
    assert container.stdout == "/run/notify/notify.sock\n"
    assert container.delete("--force").status == 0
    assert os.listdir(workshop.root) == []


def test_start_of_one_that_ends_without_a_word(workshop, manager):
    """`start` then waits no longer."""
    container = workshop.create("sleep 0.1")

    assert container.start().status == 0

    assert container.wait() == 0
    assert container.delete().status == 0


def test_start_does_not_wait_for_one_that_knows_no_manager(workshop):
    """The variable at `start` alone means nothing: the container has nowhere to say anything."""
    container = workshop.create("sleep 1000")
    workshop.host["NOTIFY_SOCKET"] = str(workshop.folder / "none.sock")

    assert container.start().status == 0

    assert container.delete("--force").status == 0
