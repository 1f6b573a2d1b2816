"""What an engine's document mounts is what it mounts under runc, but for what is named here.

The differences are rules of this file, each with its reason; docs/differences.md tells them to
people.  Whatever else differs fails.
"""

import importlib.util
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.root]

FIXTURES = Path(__file__).with_name("test_fixtures.py")
NAMES = [
    path.stem
    for path in sorted((FIXTURES.parents[2] / "libcontainer/tests/data/configs").glob("*.json"))
    if "rootless" not in path.stem
]
PROPAGATION = ("shared", "master", "propagate_from", "unbindable")


@pytest.fixture(scope="module")
def fixtures():
    """The module that fits the engines' documents to this machine."""
    spec = importlib.util.spec_from_file_location("parity_fixtures", FIXTURES)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def neighbour(workshop):
    """The container whose namespaces members of a pod join."""
    container = workshop.create(("sleep", "1000"))
    container.start()
    yield container
    assert container.delete("--force").status == 0


def normalised(mountinfo, id):
    """Return the mounts by place, without what is another for each container."""
    found = {}
    for line in mountinfo.splitlines():
        first, _, system = line.partition(" - ")
        _, _, _, root, place, options, *tags = first.split()
        kind, source, superblock = system.split()
        root = re.sub(r"/[^/]*" + re.escape(id) + r"[^/]*", "/ID", root)
        root = re.sub(r".*/rootfs$", "/rootfs", root)
        found.setdefault(place, []).append(
            {
                "root": root,
                "options": sorted(options.split(",")),
                "propagation": sorted({tag.partition(":")[0] for tag in tags} & {*PROPAGATION}),
                "kind": kind,
                "source": source,
                "superblock": sorted(superblock.split(",")),
            }
        )
    for entries in found.values():
        entries.sort(key=json.dumps)  # the kernel's order tells when a source was opened
    return found


def without_known_differences(mounts, config):
    """Take away what differs on purpose."""
    masked = config["linux"].get("maskedPaths", ())
    copied = [m["destination"] for m in config["mounts"] if "tmpcopyup" in m.get("options", ())]
    for place, entries in mounts.items():
        for entry in entries:
            # runc says `ro` to mount(2), which makes the file system read-only with the mount; we
            # make the mount read-only, so that an instance that others share stays as it is.
            if entry["kind"] in ("sysfs", "proc", "mqueue", "cgroup", "cgroup2", "tmpfs"):
                entry["superblock"] = [w for w in entry["superblock"] if w not in ("ro", "rw")]
            if place in copied:
                # The mode of the directory below: ours is an option, runc changes it afterwards.
                entry["superblock"] = [w for w in entry["superblock"] if w[:5] != "mode="]
            if place in masked:
                # runc binds the /dev/null of the container, which the image may have made; we the
                # host's, checked.  Directories: both an empty tmpfs, ours without room for a file.
                kept = entry["kind"] == "tmpfs" and entry["root"] == "/"
                entry.clear()
                entry["mask"] = "directory" if kept else "file"
            elif place == "/sys/fs/cgroup" and entry["kind"] == "tmpfs":
                # With `ro` runc leaves the tmpfs above the hierarchies writable; its name differs.
                entry["source"] = "tmpfs"
                entry["options"] = [w for w in entry["options"] if w not in ("ro", "rw")]
    # runc 1.1 does not show the v2 tree of a hybrid host, later versions and crun do.
    mounts.pop("/sys/fs/cgroup/unified", None)
    return mounts


def prepared(workshop, fixtures, neighbour, name):
    text = (FIXTURES.parents[2] / f"libcontainer/tests/data/configs/{name}.json").read_text()
    config = fixtures.adapt(json.loads(text), workshop, neighbour)
    config["process"].update(terminal=False, args=["/bin/cat", "/proc/self/mountinfo"])
    # Not about mounts, and some of it is newer than the runc of a distribution.
    config["linux"].pop("seccomp", None)
    config.pop("hooks", None)
    config["ociVersion"] = "1.0.2"
    bundle = workshop.bundle(config)
    for destination in ("host", "mnt", "vol"):
        (bundle.rootfs / destination).mkdir()
    if config["linux"].get("uidMappings"):
        fixtures.give_away(bundle.rootfs, fixtures.FIRST_ID)
    return bundle


def run_with_runc(workshop, bundle):
    id = workshop.id()
    argv = ["runc", "--root", workshop.folder / "runc", "run", "-b", bundle.path, id]
    result, _ = workshop.command(argv)
    subprocess.run(["runc", "--root", workshop.folder / "runc", "delete", "-f", id], check=False,
                   capture_output=True)  # fmt: skip
    return result


@pytest.mark.parametrize("name", NAMES)
def test_the_same_mounts_as_under_runc(workshop, fixtures, neighbour, name):
    """
    Place for place: what is mounted, with which options, file system and propagation.
    """
    if shutil.which("runc") is None:
        pytest.skip("needs runc")
    theirs = run_with_runc(workshop, prepared(workshop, fixtures, neighbour, name))
    if theirs.status:
        pytest.skip(f"runc does not run it here: {theirs.stderr.splitlines()[-1][-200:]}")
    # A bundle of its own: what a runtime makes in the root is there the next time.
    bundle = prepared(workshop, fixtures, neighbour, name)
    ours = workshop.run(bundle)
    assert ours.status == 0, ours

    mine = without_known_differences(normalised(ours.stdout, workshop.token), bundle.config)
    runcs = without_known_differences(normalised(theirs.stdout, workshop.token), bundle.config)

    different = {p for p in (*mine, *runcs) if mine.get(p) != runcs.get(p)}
    assert {p: mine.get(p) for p in different} == {p: runcs.get(p) for p in different}
