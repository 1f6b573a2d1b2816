"""From a spec's `cgroupsPath` to directories.

Nothing here recurses over the host's tree, and /proc/self/mountinfo, which grows with the number
of containers, is read only when a hierarchy is not mounted at its usual place.
"""

from __future__ import annotations

from .errors import CgroupError
from .files import exists, read_text


class Hierarchy:
    """One mounted v1 hierarchy, or the v2 one ("" is its key), and a cgroup inside it."""

    __slots__ = ("base", "controllers", "inside", "key", "mount")

    def __init__(self, key: str, mount: str, base: str = "/", inside: str = "") -> None:
        self.key = key  # as /proc/self/cgroup spells it: "cpu,cpuacct", "name=systemd", ""
        self.controllers = key.split(",")
        self.mount = mount
        self.base = base  # the cgroup of the calling process
        self.inside = inside  # the cgroup in question, "" until it is resolved

    @property
    def path(self) -> str:
        return self.mount + self.inside

    @property
    def is_root(self) -> bool:
        """Whether the cgroup is the mount point itself, with every process of the hierarchy."""
        return bool(self.mount) and not self.inside.strip("/")

    def refuse_root(self) -> None:
        """Raise CgroupError before a signal to every process, ourselves included."""
        if self.is_root:
            raise CgroupError(
                f"{self.path} is the root of its hierarchy, and no container's cgroup"
            )


def clean(path: str) -> str:
    """Return `path` without empty, "." and ".." parts, absolute; ".." cannot leave the root."""
    if "\0" in path:
        raise CgroupError(f"cgroup path {path!r} contains a NUL byte")
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def join(base: str, path: str) -> str:
    """Return where `path` leads: from the top if it is absolute, else from `base`."""
    return clean(path if path[:1] == "/" else f"{base}/{path}")


def below(sub: str) -> str:
    """Return what a cgroup below a container's adds to its path; "" is the container's own."""
    if ".." in sub.split("/") or "\0" in sub:
        raise CgroupError(f"bad sub cgroup path {sub!r}")
    return clean(sub).rstrip("/")


def is_unified(root: str) -> bool:
    """Tell whether the v2 hierarchy is mounted at `root` itself."""
    return exists(root + "/cgroup.controllers")


def own_cgroups(proc: str) -> dict[str, str]:
    """Return the calling process's cgroup in each hierarchy.  /proc/self/cgroup."""
    found = {}
    # Not splitlines(), here and below: a name may hold what Python takes for the end of a line.
    for line in read_text(proc + "/self/cgroup").split("\n")[:-1]:
        _, key, path = line.split(":", 2)
        found[key] = path.removesuffix(" (deleted)")
    return found


def find_unified(root: str, proc: str, path: str) -> Hierarchy:
    """Resolve `path` in a pure v2 layout.

    A relative path starts beside the caller's own cgroup, not in it: a cgroup with processes
    cannot hand controllers to children.
    """
    base = "/" if path[:1] == "/" else own_cgroups(proc).get("", "/")
    if not exists(root + base):
        base = "/"  # inside a container without a cgroup namespace: its own cgroup is the mount
    return Hierarchy("", root, base, join(base.rpartition("/")[0], path))


def find_hierarchies(root: str, proc: str, path: str) -> list[Hierarchy]:
    """Resolve `path` in every hierarchy of a v1 or hybrid layout.

    A relative path starts in the caller's own cgroup of each hierarchy.
    """
    mounts: list[tuple[set[str], str]] | None = None
    found = []
    for key, base in own_cgroups(proc).items():
        mount = _usual_mount(root, key)
        if mount is None and key and key[:5] != "name=":
            if mounts is None:
                mounts = _mounted(proc)
            mount = _mount_of(key, mounts)
        if mount is None:
            continue
        if path[:1] != "/" and base != "/" and not exists(mount + base):
            base = "/"
        found.append(Hierarchy(key, mount, base, join(base, path)))
    return found


def saved_hierarchy(root: str, key: str, path: str) -> Hierarchy:
    """Return the hierarchy of a cgroup whose path is known, and where it is inside."""
    for mount in _usual_mounts(root, key):
        if f"{path}/".startswith(f"{mount}/"):
            break
    else:
        mount = _mount_of(key, _mounted("/proc")) or ""
        if not f"{path}/".startswith(f"{mount}/"):
            mount = ""  # unmounted by now
    return Hierarchy(key, mount, inside=path.removeprefix(mount))


def _usual_mount(root: str, key: str) -> str | None:
    for mount in _usual_mounts(root, key):
        # Its cgroup.procs, not the folder: an empty folder is no hierarchy.
        if exists(f"{mount}/cgroup.procs"):
            return mount
    return None


def _usual_mounts(root: str, key: str) -> list[str]:
    names = [key.removeprefix("name=")] if key else ["unified"]
    return [f"{root}/{name}" for name in names + (key.split(",") if "," in key else [])]


def _mount_of(key: str, mounts: list[tuple[set[str], str]]) -> str | None:
    return next((mount for words, mount in mounts if set(key.split(",")) <= words), None)


def _mounted(proc: str) -> list[tuple[set[str], str]]:
    """Return the mount point of each v1 hierarchy, wherever it is, with its options."""
    found = []
    for line in read_text(proc + "/self/mountinfo").split("\n")[:-1]:
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if kind == "cgroup":
            # Blanks and the like are written as three octal digits.  No codec: the stock one is
            # a module to import, and takes the bytes of other letters for Latin-1.
            first, *rest = before.split(" ")[4].split("\\")
            mount = first + "".join([chr(int(part[:3], 8)) + part[3:] for part in rest])
            found.append((set(options.split(",")), mount))
    return found
