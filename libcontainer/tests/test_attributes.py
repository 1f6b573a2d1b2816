"""Steps that give new namespaces what they need."""

import errno
import logging
import os
import socket

import pytest

from libcontainer.attributes import Domainname, Hostname, LoopbackUp, SessionKeyring, Sysctl
from libcontainer.errors import StepFailed
from libcontainer.kernel import constants as c
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.rootfs.root import Rootfs
from libcontainer.step import apply_all


@pytest.fixture
def apply(kernel):
    """Apply steps on the recording kernel."""
    return lambda *steps: apply_all(steps, Rootfs(kernel, "/nowhere"), kernel)


def test_a_session_keyring_can_be_found_by_name(kernel, apply):
    """
    The keyring is joined, then gets its owner's search permission, which a later exec needs.
    """
    kernel.returns["join_session_keyring"] = lambda name: 77

    apply(SessionKeyring(name="_ses.box"))

    assert kernel.calls == [
        ("join_session_keyring", ("_ses.box",)),
        ("keyring_permissions", (77, 0x80000)),
    ]


def test_a_kernel_without_keyrings(kernel, apply, caplog):
    """
    Is told, and is no error.
    """
    kernel.fail["join_session_keyring"] = errno.ENOSYS

    with caplog.at_level(logging.WARNING, "libcontainer"):
        apply(SessionKeyring(name="_ses.box"))

    assert "this kernel has no keyrings" in caplog.text
    assert kernel.names == ["join_session_keyring"]


def test_no_room_for_a_keyring_is_an_error(kernel, apply):
    """
    Without a keyring of its own a container would see the caller's keys.
    """
    kernel.fail["join_session_keyring"] = errno.EDQUOT

    with pytest.raises(StepFailed, match=r"^join session keyring _ses.box: join_session_keyring"):
        apply(SessionKeyring(name="_ses.box"))


@pytest.mark.parametrize(
    ("step", "call", "text"),
    [
        (Hostname("box"), ("sethostname", ("box",)), "set hostname box"),
        (Domainname("dom"), ("setdomainname", ("dom",)), "set domainname dom"),
        (LoopbackUp(), ("link_up", ("lo",)), "bring the interface lo up"),
    ],
    ids=["hostname", "domainname", "loopback"],
)
def test_names_and_loopback(kernel, apply, step, call, text):
    """
    One call each, and a refusal that says what was being done.
    """
    apply(step)
    assert kernel.calls == [call]
    assert step.describe() == text

    kernel.fail[call[0]] = errno.EPERM
    with pytest.raises(StepFailed, match=rf"^{text}: (link_up: )?operation not permitted$"):
        apply(step)


def test_a_sysctl_is_written_through_the_hosts_procfs(kernel, apply, tmp_path, no_leak):
    """
    Below a handle of /proc, without leaving that file system, without magic links.
    """
    target = tmp_path / "value"
    target.write_text("")
    kernel.returns["openat2"] = lambda *_: os.open(target, os.O_WRONLY)

    apply(Sysctl("net.ipv4.conf.eth0/5.forwarding", "1"))

    (call,) = kernel.calls
    rule = c.RESOLVE_BENEATH | c.RESOLVE_NO_XDEV | c.RESOLVE_NO_MAGICLINKS
    flags = os.O_WRONLY | os.O_NOFOLLOW
    assert call[1][1:] == ("sys/net/ipv4/conf/eth0.5/forwarding", flags, rule)
    assert target.read_text() == "1"


@pytest.mark.parametrize(
    ("key", "code"), [("kernel.nosuch", errno.ENOENT), ("kernel.../../self/comm", errno.ENOENT)]
)
def test_a_sysctl_that_is_not_there(apply, no_leak, key, code):
    """
    The key is named.
    """
    with pytest.raises(
        StepFailed, match=r"^write sysctl kernel.* = 1: no such file or directory$"
    ) as e:
        apply(Sysctl(key, "1"))

    assert e.value.errno == code


@pytest.mark.root
def test_a_value_that_the_kernel_refuses(privately):
    """
    The write's errno is that of the step.
    """

    def body():
        kernel = LinuxKernel()
        with pytest.raises(
            StepFailed, match="^write sysctl kernel.shmmni = x: invalid argument$"
        ) as e:
            apply_all([Sysctl("kernel.shmmni", "x")], Rootfs(kernel, "/"), kernel)
        assert e.value.errno == errno.EINVAL

    privately(body, flags=c.CLONE_NEWIPC)


@pytest.mark.root
def test_new_namespaces_get_their_attributes(privately):
    """
    Names, loopback and a setting of the ipc namespace, on the real kernel.
    """

    def body():
        kernel = LinuxKernel()
        steps = [Hostname("box"), Domainname("dom"), LoopbackUp(), Sysctl("kernel/shmmni", "77")]
        apply_all(steps, Rootfs(kernel, "/"), kernel)
        assert os.uname().nodename == "box"
        with open("/proc/sys/kernel/domainname") as file:
            assert file.read() == "dom\n"
        with open("/proc/sys/kernel/shmmni") as file:
            assert file.read() == "77\n"
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            socket.create_connection(server.getsockname(), timeout=5).close()

    privately(body, flags=c.CLONE_NEWUTS | c.CLONE_NEWIPC | c.CLONE_NEWNET)


@pytest.mark.root
def test_a_real_keyring(privately):
    """
    The session keyring has the name asked for and the search permission.
    """

    def body():
        kernel = LinuxKernel()
        try:
            apply_all([SessionKeyring(name="_ses.t")], Rootfs(kernel, "/"), kernel)
        except StepFailed as e:
            assert e.errno in (errno.EDQUOT, errno.EPERM, errno.EACCES), e
            return
        try:
            with open("/proc/keys") as file:
                keys = [line.split() for line in file if "_ses.t" in line]
        except FileNotFoundError:
            return
        assert int(keys[0][4], 16) & 0x80000

    privately(body)
