"""Network devices of the host that move into a container."""

import json
import os
import shutil
import subprocess

import pytest

MAP = [{"containerID": 0, "hostID": 0, "size": 65536}]


def ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=check)
    return done.stdout


@pytest.fixture
def device():
    """One end of a veth pair, up, with two lasting addresses."""
    if shutil.which("ip") is None:
        pytest.skip("needs ip (iproute2)")
    name = f"e2e{os.getpid() % 100000}"
    ip("link", "add", name, "type", "veth", "peer", "name", f"{name}p")
    ip("addr", "add", "10.99.0.2/24", "dev", name)
    ip("-6", "addr", "add", "fd99::2/64", "dev", name, "nodad")
    ip("link", "set", name, "up")
    yield name
    ip("link", "del", f"{name}p", check=False)


def inside(container):
    """Return the devices of a container's network namespace, by name."""
    text = ip_in(container.pid, "-j", "addr")
    return {found["ifname"]: found for found in json.loads(text)}


def ip_in(pid, *words):
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "ip", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def created(workshop, delete_after, devices, *, user=False):
    config = workshop.config("sleep", "60")
    config["linux"]["netDevices"] = devices
    if user:
        config["linux"].update(uidMappings=MAP, gidMappings=MAP)
        config["linux"]["namespaces"].append({"type": "user"})
    container = workshop.create(config)
    delete_after(container)
    return container


@pytest.mark.parametrize("user", [False, True], ids=["host-user", "new-user"])
@pytest.mark.parametrize(("asked", "name"), [("eth0", "eth0"), (None, None), ("eth%d", "eth0")])
def test_device_moves_with_its_addresses(workshop, delete_after, device, asked, name, user):
    """
    The device is in the container, under its new name, up, with its lasting addresses.
    """
    container = created(
        workshop, delete_after, {device: {"name": asked} if asked else {}}, user=user
    )

    found = inside(container)[name or device]

    assert "UP" in found["flags"]
    addresses = {(a["local"], a["prefixlen"]) for a in found["addr_info"] if a["scope"] == "global"}
    assert addresses == {("10.99.0.2", 24), ("fd99::2", 64)}
    assert device not in {d["ifname"] for d in json.loads(ip("-j", "link"))}


@pytest.mark.parametrize(
    ("suffix", "label"), [("", "eth0"), (":1", "eth0:1"), (":abcdefgh", "eth0:abcdefgh")]
)
def test_labels_follow_the_name(workshop, delete_after, device, suffix, label):
    """
    An old tool knows an address by its label: it begins with the device's name as before.
    """
    name = device[:5]  # short enough for a suffix
    ip("link", "set", device, "down")
    ip("link", "set", device, "name", name)
    ip("addr", "flush", "dev", name)
    ip("addr", "add", "10.99.0.3/24", "dev", name, "label", name + suffix)

    container = created(workshop, delete_after, {name: {"name": "eth0"}})

    [address] = [a for a in inside(container)["eth0"]["addr_info"] if a["family"] == "inet"]
    assert (address["local"], address["label"]) == ("10.99.0.3", label)


def test_hooks_see_it(workshop, delete_after, device):
    """
    The device is there before the first hook.
    """
    config = workshop.config("true")
    script = "pid=$(sed 's/.*\"pid\":\\([0-9]*\\).*/\\1/'); grep -q eth9 /proc/$pid/net/dev"
    config["hooks"] = {"prestart": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
    config["linux"]["netDevices"] = {device: {"name": "eth9"}}

    assert workshop.inside(config) == ""


@pytest.mark.parametrize(
    ("devices", "text"),
    [
        ({"nosuchdevice": {}}, "link not found for interface on runtime namespace: nosuchdevice"),
        ({"DEVICE": {"name": "lo"}}, "there is a device of that name in the container: lo"),
        ({"lo": {"name": "lo9"}}, "move network device: "),
    ],
    ids=["missing", "taken", "local"],
)
def test_refusals(workshop, device, devices, text):
    """
    What cannot be moved fails create, and the device stays on the host.
    """
    config = workshop.config("true")
    config["linux"]["netDevices"] = {
        device if name == "DEVICE" else name: new for name, new in devices.items()
    }

    result = workshop.run(config)

    assert result.status == 1
    assert text in result.stderr
    assert device in {d["ifname"] for d in json.loads(ip("-j", "link"))}
    assert "LOOPBACK,UP" in ip("link", "show", "lo")


def test_what_was_moved_before_a_refusal_goes_back(workshop, device):
    """
    The devices before the one that cannot be moved are on the host again, with their addresses.
    """
    before = ip("-j", "addr", "show", device)
    config = workshop.config("true")
    config["linux"]["netDevices"] = {device: {"name": "eth0"}, "nosuchdevice": {}}

    result = workshop.run(config)

    assert (result.status, result.stderr.count("\n")) == (1, 1)
    assert "link not found for interface on runtime namespace: nosuchdevice" in result.stderr
    assert lasting(ip("-j", "addr", "show", device)) == lasting(before)


def lasting(shown):
    """Return the state of a device, and its addresses but that which the kernel makes itself."""
    [found] = json.loads(shown)
    addresses = [a for a in found["addr_info"] if a["scope"] == "global"]
    return "UP" in found["flags"], [(a["local"], a["prefixlen"], a.get("label")) for a in addresses]


def bad_command(config):
    config["process"]["args"] = ["nosuch"]


def failing_hook(config):
    config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}


def refused_scheduler(config):
    config["process"]["scheduler"] = {"policy": "SCHED_DEADLINE", "runtime": 1, "deadline": 1}


@pytest.mark.parametrize("spoil", [bad_command, failing_hook, refused_scheduler])
def test_a_failed_create_moves_it_back(workshop, device, spoil):
    """
    A virtual device would end with the namespace that it was moved into.
    """
    before = lasting(ip("-j", "addr", "show", device))
    config = workshop.config("true")
    config["linux"]["netDevices"] = {device: {"name": "eth0"}}
    spoil(config)

    result = workshop.try_create(config).created

    assert (result.status, result.stderr.count("\n")) == (1, 1)
    assert lasting(ip("-j", "addr", "show", device)) == before


def test_a_late_failure_moves_it_back(workshop, device):
    """
    The pid file is the last thing that can be refused.
    """
    config = workshop.config("true")
    config["linux"]["netDevices"] = {device: {"name": "eth0"}}

    options = ("-b", workshop.bundle(config).path, "--pid-file", "/nowhere/pid")

    result = workshop.pyoci("create", *options, workshop.id())

    assert result.status == 1
    assert device in {d["ifname"] for d in json.loads(ip("-j", "link"))}


def test_nothing_holds_the_namespace(workshop, device):
    """
    It ends with the container, also while the runtime waits for that in the foreground.
    """
    config = workshop.config("sleep", "5")
    config["linux"]["netDevices"] = {device: {"name": "eth0"}}
    bundle = workshop.bundle(config)

    with workshop.spawn("run", "-b", bundle.path, workshop.id()) as running:
        workshop.until(lambda: f" {device}@" not in ip("link"), "the move")
        workshop.until(lambda: "sleep" in command_lines(running.pid), "the program")
        network = os.readlink("/proc/self/ns/net")
        held = [os.readlink(f"/proc/{running.pid}/fd/{fd}") for fd in descriptors(running.pid)]
        assert [path for path in held if path.startswith("net:") and path != network] == []
        assert running.wait(timeout=30) == 0


def descriptors(pid):
    return os.listdir(f"/proc/{pid}/fd")


def command_lines(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        children = file.read().split()
    found = []
    for child in children:
        with open(f"/proc/{child}/cmdline") as file:
            found.append(file.read())
    return " ".join(found)
