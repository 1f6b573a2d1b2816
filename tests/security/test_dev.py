"""A hostile /dev: links and wrong nodes where the runtime makes, binds and unlinks."""

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

MASKED = ["/proc/timer_list", "/proc/keys"]
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")
NULLS = ["missing", "sysctl", "canary", "file", "fifo", "zero"]


def without_dev(config):
    config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
    return config


def false_null(folder, kind, canary):
    path = folder / "null"
    if kind == "sysctl":
        path.symlink_to("/proc/sys/kernel/core_pattern")
    elif kind == "canary":
        path.symlink_to(canary.path / "secret")
    elif kind == "file":
        path.touch()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 5))


@pytest.mark.parametrize("kind", NULLS)
@pytest.mark.parametrize("how", ["bound", "image"])
def test_a_false_null_masks_nothing_else(workshop, canary, host_mounts, kind, how):
    """
    Masks are the host's null device, whatever the container's is (CVE-2025-31133, -2025-62161).
    """
    paths = " ".join(MASKED)
    bundle = workshop.bundle(["sh", "-c", f"stat -c %F:%t:%T {paths}; ls /sys/firmware"])
    without_dev(bundle.config)
    bundle.config["linux"]["maskedPaths"] = [*MASKED, MASKED[0], "/sys/firmware", "/link"]
    (bundle.rootfs / "link").symlink_to(MASKED[1])
    folder = bundle.rootfs / "dev"
    if how == "bound":
        folder = workshop.folder / "dev"
        folder.mkdir()
        bundle.config["mounts"].append(
            {"destination": "/dev", "type": "bind", "source": str(folder), "options": ["bind"]}
        )
    false_null(folder, kind, canary)

    result = workshop.run(bundle.write())

    if result.status:  # a wrong node is refused as such
        assert "another file is there" in result.stderr
    else:
        assert result.stdout.split("\n")[:-1] == ["character special file:1:3"] * len(MASKED)


@pytest.mark.parametrize("kind", NULLS)
@pytest.mark.parametrize("stdio", ["null", "pipe", "socket", "file"])
def test_a_false_null_gets_no_stdio(workshop, canary, kind, stdio):
    """
    Stdio that is a device or a file of the host is nobody's to own (CVE-2026-88265).
    """
    bundle = workshop.bundle(["true"])
    bundle.config["process"]["user"] = {"uid": 1000, "gid": 1000}
    folder = workshop.folder / "dev"
    folder.mkdir()
    false_null(folder, kind, canary)
    without_dev(bundle.config)["mounts"].append(
        {"destination": "/dev", "type": "bind", "source": str(folder), "options": ["bind"]}
    )
    before = os.stat("/dev/null")
    held = {
        "null": lambda: [os.open("/dev/null", os.O_RDWR)],
        "pipe": lambda: list(os.pipe()),
        "socket": lambda: [s.detach() for s in socket.socketpair()],
        "file": lambda: [os.open(canary.path / "secret", os.O_RDWR)],
    }[stdio]()
    try:
        result = workshop.run(bundle.write(), stdin=held[0])
    finally:
        for fd in held:
            os.close(fd)

    assert result.status == 0, result
    after = os.stat("/dev/null")
    assert (after.st_uid, after.st_mode) == (before.st_uid, before.st_mode)


@pytest.mark.parametrize("link", ["absolute", "up", "second"])
def test_a_linked_dev_is_filled_inside(workshop, canary, host_mounts, link):
    """
    No node is made and no ptmx is unlinked on the host (CVE-2026-41579, CVE-2026-47766).
    """
    bundle = workshop.bundle(["true"])
    without_dev(bundle.config)
    bundle.config["linux"]["devices"] = [
        {"path": "/dev/x/y", "type": "c", "major": 1, "minor": 3},
        {"path": "/linked/null", "type": "c", "major": 1, "minor": 3},
        {"path": "/etc/passwd", "type": "c", "major": 1, "minor": 3},
    ]
    shutil.rmtree(bundle.rootfs / "dev")
    (bundle.rootfs / "linked").symlink_to(canary.path)
    target = str(canary.path)
    if link == "up":
        target = "../" * 12 + target.lstrip("/")
    elif link == "second":
        (bundle.rootfs / "second").symlink_to(target)
        target = "second"
    (bundle.rootfs / "dev").symlink_to(target)

    result = workshop.run(bundle.write())

    assert result.status == 1  # /etc/passwd is another file
    assert "another file is there" in result.stderr


@pytest.mark.parametrize("controller", ["cpu", "memory", "systemd"])
def test_a_linked_controller_is_made_inside(workshop, canary, host_mounts, controller):
    """
    The links and places of cgroup controllers are made by the same rules.
    """
    bundle = workshop.bundle(["true"])
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/sys"]
    (bundle.rootfs / "sys/fs/cgroup").mkdir(parents=True)
    (bundle.rootfs / "sys/fs/cgroup" / controller).symlink_to(canary.path)

    assert workshop.run(bundle.write()).status == 0


@pytest.mark.parametrize("readonly", [False, True])
@pytest.mark.parametrize("target", ["canary", "sysctl", "missing"])
def test_a_linked_console_is_refused(workshop, canary, host_mounts, readonly, target):
    """
    /dev/console is no link that the terminal is put behind (CVE-2025-52565, CVE-2026-88264).
    """
    bundle = workshop.bundle(["true"])
    kept = ("/dev/pts",)
    bundle.config["mounts"] = [
        m
        for m in bundle.config["mounts"]
        if not m["destination"].startswith("/dev") or m["destination"] in kept
    ]
    bundle.config["process"]["terminal"] = True
    bundle.config["root"]["readonly"] = readonly
    (bundle.rootfs / "dev/console").symlink_to(
        {
            "canary": canary.path / "secret",
            "sysctl": "/proc/sys/kernel/core_pattern",
            "missing": canary.path / "new",
        }[target]
    )
    pattern = CORE_PATTERN.read_text()

    result = console_run(workshop, bundle.write())

    assert result.status == 1
    assert "/dev/console" in result.stderr
    assert CORE_PATTERN.read_text() == pattern


@pytest.mark.parametrize("kind", ["missing", "file", "link", "node"])
def test_a_false_multiplexer_gives_no_terminal(workshop, canary, kind):
    """
    A terminal comes from a devpts, not from what the image calls one.
    """
    bundle = workshop.bundle(["true"])
    without_dev(bundle.config)
    bundle.config["process"]["terminal"] = True
    (bundle.rootfs / "dev/pts").mkdir()
    ptmx = bundle.rootfs / "dev/pts/ptmx"
    if kind == "file":
        ptmx.touch()
    elif kind == "link":
        ptmx.symlink_to(canary.path / "ptmx")
    elif kind == "node":
        os.mknod(ptmx, stat.S_IFCHR | 0o666, os.makedev(5, 2))

    result = console_run(workshop, bundle.write())

    assert result.status == 1


def console_run(workshop, bundle):
    """Create a container with a terminal that nobody takes."""
    path = workshop.folder / "console"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen()
        return workshop.try_create(bundle, "--console-socket", path).created
