"""Another container changes a shared folder between any two calls of the runtime.

Each test runs a container once without an attack, to count the windows, and then once for each
window.  A container may fail; it must not reach, change or show anything of the host.
"""

import json
import os

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root, pytest.mark.slow]

PLACES = ["mkdirat", "mknodat", "openat2", "open_tree", "move_mount", "mount_setattr"]
FEWEST = 12  # windows: fewer means that the gate does not see the calls any more
MOST = 60  # attacks of one test, spread over all windows


class Attacker:
    """Exchanges two names at one window; or at every one from there on."""

    def __init__(self, swap, one, other, *, window, flip=False):
        self.swap, self.one, self.other = swap, one, other
        self.window, self.flip = window, flip

    def __call__(self, count):
        if count == self.window or (self.flip and count > self.window):
            try:
                self.swap(self.one, self.other)
            except OSError:
                pass  # not there yet


def spread(count):
    step = max(1, -(-count // MOST))
    return range(1, count + 1, step)


def evil(folder, name, target):
    """Make a link beside a directory, to be exchanged with it."""
    path = folder / f"evil-{name}"
    path.symlink_to(target)
    return path


def targets(canary):
    """Where an attacker would lead the runtime."""
    return {
        "absolute": str(canary.path),
        "up": "../" * 12 + str(canary.path).lstrip("/"),
        "magic": f"/proc/self/root{canary.path}",
    }


def check(result, canary, allowed=(0, 1)):
    status, stdout, stderr = result
    assert status in allowed, result
    assert not canary.shown_in(stdout), result
    return status


@pytest.mark.parametrize("kind", ["absolute", "up", "magic"])
@pytest.mark.parametrize("flip", [False, True], ids=["once", "flip"])
def test_places_in_a_shared_volume(workshop, gated, swap, canary, volume, host_mounts, kind, flip):
    """
    A place that becomes a link after it was looked at leads nowhere else (CVE-2021-30465).
    """
    inner = volume / "x"
    (inner / "y").mkdir(parents=True)
    link = evil(volume, "x", targets(canary)[kind])
    config = workshop.config(
        "sh", "-c", "cat /proc/self/mountinfo; cat /data/*/secret 2>/dev/null; true"
    )
    config["mounts"] += [
        {"destination": "/data", "type": "bind", "source": str(volume), "options": ["rbind"]},
        {"destination": "/data/x/y", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/data/x/z", "type": "bind", "source": str(inner / "y"),
         "options": ["bind", "ro"]},
        {"destination": "/data/x/f", "type": "bind", "source": "/etc/hostname",
         "options": ["bind"]},
    ]  # fmt: skip
    bundle = workshop.bundle(config)
    result, seen = gated(bundle, lambda count: None, *PLACES)
    windows = seen.count
    assert (check(result, canary), windows >= FEWEST) == (0, True)

    ended = set()
    for window in spread(windows)[:: 3 if kind != "absolute" else 1]:
        attacker = Attacker(swap, inner, link, window=window, flip=flip)
        ended.add(check(gated(bundle, attacker, *PLACES)[0], canary))
        if not inner.is_symlink():
            continue
        swap(inner, link)

    assert ended


def test_missing_places_in_a_shared_volume(workshop, gated, swap, canary, volume, host_mounts):
    """
    No empty file or folder is made on the host (CVE-2024-45310).
    """
    (volume / "a").mkdir()
    link = evil(volume, "a", targets(canary)["absolute"])
    config = workshop.config("true")
    config["mounts"] += [
        {"destination": "/vol", "type": "bind", "source": str(volume), "options": ["rbind"]},
        {"destination": "/vol/a/b/c", "type": "tmpfs", "source": "tmpfs"},
        {"destination": "/vol/a/b/f", "type": "bind", "source": "/etc/hostname",
         "options": ["bind"]},
    ]  # fmt: skip
    calls = ["mkdirat", "mknodat", "openat2"]
    bundle = workshop.bundle(config)
    windows = gated(bundle, lambda count: None, *calls)[1].count
    assert windows >= FEWEST

    for window in spread(windows):
        for path in (volume / "a/b/c", volume / "a/b/f", volume / "a/b"):
            if path.is_dir():
                path.rmdir()
            elif path.exists():
                path.unlink()
        check(gated(bundle, Attacker(swap, volume / "a", link, window=window), *calls)[0], canary)
        if (volume / "a").is_symlink():
            swap(volume / "a", link)


@pytest.mark.parametrize("list", ["maskedPaths", "readonlyPaths"])
def test_covers_in_a_shared_volume(workshop, gated, swap, canary, volume, host_mounts, list):
    """
    A path is covered, or there is no container (GHSA-3q8j-pf29-vwv8).
    """
    for name in ("dir", "evil-dir"):
        (volume / name).mkdir()
        (volume / name / "file").write_text("hidden")
    (volume / "secret").write_text("hidden")
    (volume / "evil-secret").write_text("hidden")
    cover = {
        "maskedPaths": "cat /data/secret /data/dir/* 2>/dev/null",
        "readonlyPaths": "echo x >/data/secret && echo hidden; touch /data/dir/n && echo hidden",
    }[list]
    config = workshop.config("sh", "-c", f"{cover}; true")
    config["mounts"].append(
        {"destination": "/data", "type": "bind", "source": str(volume), "options": ["rbind"]}
    )
    config["linux"][list] = ["/data/secret", "/data/dir"]
    calls = ["openat2", "open_tree", "move_mount", "mount_setattr", "fsmount"]
    bundle = workshop.bundle(config)
    (bundle.rootfs / "data").mkdir()  # so that each run has the same windows
    result, seen = gated(bundle, lambda count: None, *calls)
    windows = seen.count
    assert (check(result, canary), windows >= FEWEST) == (0, True)

    # What is exchanged after it was looked at for the last time fools nobody but the container
    # itself: what lies in a shared volume is never sure to stay where it is.
    last = min([windows - seen.paths[::-1].index(f"/data/{name}") for name in ("dir", "secret")])
    assert last > windows - 40
    for window in spread(last):
        for name in ("dir", "secret"):
            attacker = Attacker(swap, volume / name, volume / f"evil-{name}", window=window)
            status, stdout, _ = gated(bundle, attacker, *calls)[0]
            assert (status, stdout) in ((0, ""), (1, "")), (window, last, status, stdout)


def test_proc_becomes_a_link(workshop, gated, swap, canary, host_mounts):
    """
    Where the root itself is shared, /proc is a procfs or there is no container (CVE-2019-19921).
    """
    bundle = workshop.bundle(["sh", "-c", "cat /proc/self/mountinfo; test -d /proc/1"])
    (bundle.rootfs / "forged").mkdir()
    link = evil(bundle.rootfs, "proc", "forged")
    calls = ["openat2", "mkdirat", "move_mount", "fsmount"]
    result, seen = gated(bundle, lambda count: None, *calls)
    windows = seen.count
    assert (check(result, canary), windows >= FEWEST) == (0, True)

    for window in spread(windows):
        attacker = Attacker(swap, bundle.rootfs / "proc", link, window=window)
        check(gated(bundle, attacker, *calls)[0], canary)
        if (bundle.rootfs / "proc").is_symlink():
            swap(bundle.rootfs / "proc", link)
        assert os.listdir(bundle.rootfs / "forged") == []


def test_dev_becomes_a_link(workshop, gated, swap, canary, host_mounts):
    """
    Nodes and links are made below one handle of /dev (CVE-2026-41579).
    """
    bundle = workshop.bundle(["true"])
    config = bundle.config
    config["mounts"] = [m for m in config["mounts"] if not m["destination"].startswith("/dev")]
    bundle.write()
    link = evil(bundle.rootfs, "dev", str(canary.path))
    calls = ["openat2", "mknodat", "symlinkat", "unlinkat"]
    windows = gated(bundle, lambda count: None, *calls)[1].count
    assert windows >= FEWEST

    for window in spread(windows):
        check(
            gated(bundle, Attacker(swap, bundle.rootfs / "dev", link, window=window), *calls)[0],
            canary,
        )
        if (bundle.rootfs / "dev").is_symlink():
            swap(bundle.rootfs / "dev", link)


def test_a_source_becomes_a_link(workshop, gated, swap, canary, volume, host_mounts):
    """
    What is bound was opened once; a mount of the container cannot lead a later source away.
    """
    (volume / "source").mkdir()
    (volume / "source/file").write_text("own")
    config = workshop.config("sh", "-c", "cat /mnt/file; cat /mnt/secret 2>/dev/null; true")
    config["mounts"].append(
        {"destination": "/mnt", "type": "bind", "source": str(volume / "source"),
         "options": ["bind"]}
    )  # fmt: skip
    bundle = workshop.bundle(config)
    link = evil(volume, "source", str(canary.path))
    calls = ["openat2", "open_tree", "move_mount", "mount_setattr"]
    windows = gated(bundle, lambda count: None, *calls)[1].count

    seen = []
    for window in spread(windows):
        attacker = Attacker(swap, volume / "source", link, window=window)
        status, stdout, _ = gated(bundle, attacker, *calls)[0]
        seen.append(stdout)
        if (volume / "source").is_symlink():
            swap(volume / "source", link)

    # The path belongs to the document: before it is opened it means whatever is there.  From the
    # window on in which it was opened the container has what was opened.
    assert seen[-1] == "own"
    assert json.dumps(seen).count("own") > len(seen) // 2
