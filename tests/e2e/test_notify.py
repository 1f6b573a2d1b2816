"""A filter that notifies: its listener reaches the agent, whatever it notifies."""

import errno
import json
import os
import socket
import threading

import pytest

from libseccomp import Listener

PATIENCE = 20


class Agent(threading.Thread):
    """Takes one listener and answers its calls: `answer` for those named, go on for all others."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(path)
        self.server.listen()
        self.server.settimeout(PATIENCE)
        self.message = None
        self.calls = []
        self.failed = None

    def run(self):
        try:
            with self.server, self.server.accept()[0] as connection:
                text, fds, _, _ = socket.recv_fds(connection, 65536, 1)
                while part := connection.recv(65536):
                    text += part
            self.message = json.loads(text)
            with Listener(fds[0]) as listener:
                self.answer(listener)
        except Exception as e:
            self.failed = e

    def answer(self, listener):
        import select

        poll = select.poll()
        poll.register(listener.fileno(), select.POLLIN)
        while True:
            ready = poll.poll(PATIENCE * 1000)
            if not ready or ready[0][1] & select.POLLHUP:
                return
            try:
                call = listener.receive()
                self.calls.append(call.name)
                if call.name.startswith("mkdir"):
                    listener.respond(call, error=errno.ENOMEDIUM)
                else:
                    listener.respond(call, proceed=True)
            except OSError:
                pass  # the caller has gone meanwhile
            except Exception as e:
                if getattr(e, "errno", None) != errno.ENOENT:
                    raise


@pytest.fixture
def agent(workshop):
    found = Agent(f"{workshop.folder}/agent.sock")
    found.start()
    yield found
    found.server.close()
    found.join(PATIENCE)
    assert found.failed is None


def profile(workshop, *names, **more):
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "listenerPath": f"{workshop.folder}/agent.sock",
        "syscalls": [{"names": list(names), "action": "SCMP_ACT_NOTIFY"}],
        **more,
    }


MKDIR = ("mkdir", "mkdirat")


@pytest.mark.parametrize("no_new_privileges", [True, False], ids=["nnp", "-"])
@pytest.mark.parametrize("uid", [0, 1000])
@pytest.mark.parametrize("user", [False, True], ids=["host-user", "new-user"])
@pytest.mark.parametrize(
    "names", [MKDIR, (*MKDIR, "read", "write", "close", "execve")], ids=["mkdir", "ours"]
)
def test_agent_decides(workshop, agent, names, user, uid, no_new_privileges):
    """
    The agent gets the listener before the payload runs, and answers its calls.
    """
    config = workshop.config("sh", "-c", "mkdir /tmp/x || echo refused")
    config["process"].update(noNewPrivileges=no_new_privileges, user={"uid": uid, "gid": uid})
    config["annotations"] = {"org.example": "x"}
    config["linux"]["seccomp"] = profile(workshop, *names, listenerMetadata="meta")
    if user:
        maps = [{"containerID": 0, "hostID": 0, "size": 65536}]
        config["linux"].update(uidMappings=maps, gidMappings=maps)
        config["linux"]["namespaces"].append({"type": "user"})
    bundle = workshop.bundle(config)
    container = workshop.create(bundle)
    pid = container.pid
    assert container.start().status == 0
    assert container.wait() == 0
    assert container.delete().status == 0

    assert container.stdout == "refused\n"
    assert "No medium found" in container.stderr
    state = agent.message.pop("state")
    assert agent.message == {
        "ociVersion": "1.3.0",
        "fds": ["seccompFd"],
        "pid": pid,
        "metadata": "meta",
    }
    assert state == {
        "ociVersion": "1.3.0",
        "id": container.id,
        "status": "creating",
        "pid": pid,
        "bundle": str(bundle.path),
        "annotations": {"org.example": "x"},
    }


def test_listener_is_nowhere_else(workshop, agent):
    """
    The payload does not have it.
    """
    config = workshop.config("ls", "-l", "/proc/self/fd")
    config["linux"]["seccomp"] = profile(workshop, *MKDIR)

    assert "seccomp" not in workshop.run(config).stdout


def test_preserved_descriptors_come_first(workshop, agent):
    """
    The listener is found above the descriptors that the caller preserves.
    """
    config = workshop.config("sh", "-c", "cat <&3; mkdir /tmp/x 2>&1")
    config["linux"]["seccomp"] = profile(workshop, *MKDIR)
    reader, writer = os.pipe()
    os.write(writer, b"kept\n")
    os.close(writer)
    os.dup2(reader, 3)
    try:
        result = workshop.run(config, "--preserve-fds", "1", pass_fds=(3,))
    finally:
        os.close(reader)

    assert "kept" in result.stdout
    assert "No medium found" in result.stdout


def test_no_agent(workshop):
    """
    Without an agent the container is not created.
    """
    config = workshop.config("true")
    config["linux"]["seccomp"] = profile(workshop, *MKDIR)

    container = workshop.try_create(config)

    assert container.created.status == 1
    assert "send seccomp listener" in container.created.stderr


def test_receiver_by_annotation(workshop, agent):
    """
    `run.oci.seccomp.receiver` stands in for listenerPath.
    """
    config = workshop.config("sh", "-c", "mkdir /tmp/x 2>&1")
    config["linux"]["seccomp"] = profile(workshop, *MKDIR)
    path = config["linux"]["seccomp"].pop("listenerPath")
    config["annotations"] = {"run.oci.seccomp.receiver": path}

    assert "No medium found" in workshop.run(config).stdout


def test_the_listener_of_a_tenant(workshop, agent):
    """
    exec hands over one of its own, with the tenant's pid and the state of the running container.
    """
    config = workshop.config("sleep", "1000")
    config["linux"]["seccomp"] = profile(workshop, *MKDIR)
    container = workshop.create(config)
    assert container.start().status == 0
    os.unlink(f"{workshop.folder}/agent.sock")
    second = Agent(f"{workshop.folder}/agent.sock")
    second.start()

    result = container.pyoci("exec", "sh", "-c", "mkdir /tmp/x 2>&1")

    second.join(PATIENCE)
    assert "No medium found" in result.stdout
    assert second.message["state"]["status"] == "running"
    assert second.message["state"]["pid"] == container.pid
    assert second.message["pid"] != container.pid
    assert second.failed is None
    assert container.delete("--force").status == 0
    container.wait()
