"""Devices that are moved into a network namespace and back.  Needs root and ip (iproute2)."""

import json
import logging
import os
import shutil
import subprocess

import pytest

from libcontainer.errors import InitFailed
from libcontainer.kernel.linux import LinuxKernel
from libcontainer.network import Devices

pytestmark = pytest.mark.root


def ip(*words, pid=None):
    """Run ip, in the network namespace of a process if there is one."""
    enter = [] if pid is None else ["nsenter", f"--net=/proc/{pid}/ns/net"]
    return subprocess.run([*enter, "ip", *words], capture_output=True, text=True, check=True).stdout


def shown(name, pid=None):
    """Return whether a device is up, and its lasting addresses with their labels."""
    [found] = json.loads(ip("-j", "addr", "show", name, pid=pid))
    addresses = [a for a in found["addr_info"] if a["scope"] == "global"]
    return "UP" in found["flags"], [(a["local"], a.get("label")) for a in addresses]


def names(pid=None):
    return {link["ifname"] for link in json.loads(ip("-j", "link", pid=pid))}


@pytest.fixture
def device():
    """One end of a veth pair, up, with an address of each family."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("needs root and ip (iproute2)")
    name = f"n{os.getpid() % 100000}"
    ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
    ip("addr", "add", "10.98.0.2/24", "dev", name)
    ip("-6", "addr", "add", "fd98::2/64", "dev", name, "nodad")
    ip("link", "set", name, "up")
    yield name
    subprocess.run(["ip", "link", "del", f"{name}p"], stderr=subprocess.DEVNULL, check=False)


@pytest.fixture
def init(device):
    """A process with a network namespace of its own."""
    process = subprocess.Popen(
        ["unshare", "-n", "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


@pytest.fixture
def devices(init, device):
    found = Devices({device: "eth0"}, init.pid)
    yield found
    found.close()


def test_a_device_goes_and_comes_back(init, device, devices):
    """
    As it was: its name, its state, its addresses and their labels; also when init has ended.
    """
    before = shown(device)
    assert before == (True, [("10.98.0.2", device), ("fd98::2", None)])

    devices.move(LinuxKernel())
    assert shown("eth0", init.pid) == (True, [("10.98.0.2", "eth0"), ("fd98::2", None)])
    assert device not in names()

    init.kill()
    init.wait()
    devices.move_back(LinuxKernel())
    assert shown(device) == before


def test_a_device_that_was_down_is_down_again(init, device, devices):
    """
    In the container it was up.
    """
    ip("link", "set", device, "down")

    devices.move(LinuxKernel())
    assert shown("eth0", init.pid)[0]
    devices.move_back(LinuxKernel())

    assert not shown(device)[0]


def test_moving_back_is_done_once(init, device, devices, caplog):
    """
    What is back may be used by others; and what was never moved is not touched.
    """
    devices.move_back(LinuxKernel())
    devices.move(LinuxKernel())
    devices.move_back(LinuxKernel())
    with caplog.at_level(logging.WARNING, "libcontainer"):
        devices.move_back(LinuxKernel())

    assert device in names()
    assert caplog.text == ""


@pytest.mark.parametrize("taken", [True, False], ids=["taken", "gone"])
def test_what_cannot_come_back_is_told(init, device, devices, caplog, taken):
    """
    Somebody has taken the name, or a hook has removed the device.
    """
    devices.move(LinuxKernel())
    if taken:
        ip("link", "add", device, "type", "veth", "peer", "name", f"{device}t")
        reason = f"there is a device of that name on the host ({device})"
    else:
        ip("link", "del", "eth0", pid=init.pid)
        reason = "it is not there any more (eth0)"

    with caplog.at_level(logging.WARNING, "libcontainer"):
        devices.move_back(LinuxKernel())
    if taken:
        ip("link", "del", device)

    assert f"move network device {device} back to the host: {reason}" in caplog.text


def test_all_or_none(init, device):
    """
    A device that was moved before another is refused is back.
    """
    before = shown(device)
    both = Devices({device: "eth%d", "nosuchdevice": "eth1"}, init.pid)

    with pytest.raises(InitFailed, match="link not found .*: nosuchdevice$"):
        both.move(LinuxKernel())
    both.close()

    assert shown(device) == before
    assert names(init.pid) == {"lo"}
