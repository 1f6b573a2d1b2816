"""The bundles: a root file system of one static program, and the documents that use it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import spawn

ROOT = Path(__file__).resolve().parents[2]
DOCKER = ROOT / "libcontainer" / "tests" / "data" / "configs" / "docker-default.json"
# Debian's crun refuses 1.3.0; nothing in these documents is newer than this.
OCI_VERSION = "1.0.2"
APPLETS = ("true", "sleep")


class Unusable(Exception):
    """The benchmark cannot be run here."""


def is_static(program: str) -> bool:
    """Tell whether a 64-bit ELF program needs no interpreter: no PT_INTERP among its headers."""
    data = Path(program).read_bytes()
    table, entry = int.from_bytes(data[32:40], "little"), int.from_bytes(data[54:56], "little")
    count = int.from_bytes(data[56:58], "little")
    kinds = [int.from_bytes(data[table + i * entry :][:4], "little") for i in range(count)]
    return data[:5] == b"\x7fELF\x02" and 3 not in kinds


def find_busybox() -> str:
    """Return the static busybox.  Raises Unusable with what to install."""
    found = shutil.which("busybox")
    if found is None or not is_static(found):
        raise Unusable("needs a static busybox: install busybox-static")
    return found


class Bundles:
    """Bundles that share one root file system, made when they are first asked for."""

    def __init__(self, folder: Path, spec_writer: str) -> None:
        """`spec_writer` is the runtime whose `spec` writes the default document."""
        self.folder, self.spec_writer = folder, spec_writer
        self.rootfs = folder / "rootfs"
        for name in ("proc", "sys", "dev", "tmp", "etc", "bin"):
            (self.rootfs / name).mkdir(parents=True)
        shutil.copy(find_busybox(), self.rootfs / "bin" / "busybox")
        for applet in APPLETS:
            (self.rootfs / "bin" / applet).symlink_to("busybox")
        self._default: dict[str, Any] | None = None

    def true(self) -> str:
        """The default document, running /bin/true."""
        return self._bundle("true", self.default_document())

    def sleep(self) -> str:
        """The default document, running until it is killed."""
        document = self.default_document()
        document["process"]["args"] = ["/bin/sleep", "3600"]
        return self._bundle("sleep", document)

    def limited(self, limit: int) -> str:
        """The default document with a limit of memory, in bytes."""
        document = self.default_document()
        document["linux"].setdefault("resources", {})["memory"] = {"limit": limit}
        return self._bundle(f"limited-{limit}", document)

    def docker(self) -> str:
        """What Docker writes: a network namespace, limits of devices, a filter of 350 calls."""
        document = json.loads(DOCKER.read_text())
        document["ociVersion"] = OCI_VERSION
        document["process"]["args"] = ["/bin/true"]
        document["root"]["path"] = str(self.rootfs)
        del document["linux"]["cgroupsPath"], document["hooks"]
        for mount in document["mounts"]:
            if mount["type"] == "bind":
                file = self.folder / Path(mount["destination"]).name
                file.touch()
                mount["source"] = str(file)
        return self._bundle("docker", document)

    def filter(self) -> str:
        """Return the path of a file with Docker's `linux.seccomp`."""
        path = self.folder / "seccomp.json"
        path.write_text(json.dumps(json.loads(DOCKER.read_text())["linux"]["seccomp"]))
        return str(path)

    def default_document(self) -> dict[str, Any]:
        """What `spec` writes, without a terminal."""
        if self._default is None:
            here = self.folder / "spec"
            here.mkdir()
            spawn.run([self.spec_writer, "spec", "--bundle", str(here)], self.folder / "output")
            self._default = json.loads((here / "config.json").read_text())
        document: dict[str, Any] = json.loads(json.dumps(self._default))
        document["ociVersion"] = OCI_VERSION
        document["process"]["terminal"] = False
        document["process"]["args"] = ["/bin/true"]
        document["root"]["path"] = str(self.rootfs)
        return document

    def _bundle(self, name: str, document: dict[str, Any]) -> str:
        bundle = self.folder / name
        if not bundle.exists():
            bundle.mkdir()
            (bundle / "config.json").write_text(json.dumps(document))
        return str(bundle)
