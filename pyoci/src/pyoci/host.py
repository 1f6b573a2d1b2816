"""What matters here about the host, piece by piece; what cannot be read is left out.

The pieces are youki's, and their labels too.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CGROUPS = "/sys/fs/cgroup"
# Lines of the kernel's configuration that stand for namespaces; youki's names of them.
_NAMESPACES = (
    ("mount", "mnt"),
    ("uts", "uts"),
    ("ipc", "ipc"),
    ("user", "user"),
    ("pid", "pid"),
    ("network", "net"),
    ("cgroup", "cgroup"),
    ("time", "time"),
)
_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc")
_CAPABILITIES = (("CAP_BPF", 39), ("CAP_PERFMON", 38), ("CAP_CHECKPOINT_RESTORE", 40))

Piece = tuple[str, "str | dict[str, str]"]


def pieces() -> Iterator[Piece]:
    """Yield label and text, or label and table, of each piece that can be read."""
    for label, read in _READERS:
        try:
            found = read()
        except (OSError, ValueError, KeyError):
            continue
        if found:
            yield label, found


def _operating_system() -> str:
    for path in ("/etc/os-release", "/usr/lib/os-release"):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines = [line.strip().partition("=") for line in file]
        except OSError:
            continue
        fields = {name: value.strip("\"'") for name, _, value in lines}
        name = f"{fields.get('NAME', '')} {fields.get('VERSION', '')}".strip()
        return fields.get("PRETTY_NAME") or name or "unknown"
    return "unknown"


def _memory() -> str:
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') >> 20} MiB"


def _cgroup_mounts() -> dict[str, str]:
    """Return where each hierarchy is mounted, by its controllers; `unified` is v2."""
    from libcontainer import mountinfo

    found = {}
    for _, place, kind, options in mountinfo.parse(mountinfo.read()):
        if kind == "cgroup2":
            found["unified"] = place
        elif kind == "cgroup":
            own = [o for o in options.split(",") if o not in ("rw", "ro", "xattr", "none")]
            found[",".join(own)] = place
    return dict(sorted(found.items(), key=lambda item: (item[0] == "unified", item[0])))


def _cgroup_setup() -> str:
    mounts = _cgroup_mounts()
    if list(mounts) == ["unified"]:
        return "unified"
    return "hybrid" if "unified" in mounts else "legacy" if mounts else ""


def _controllers() -> dict[str, str]:
    place = _cgroup_mounts().get("unified", _CGROUPS)
    with open(f"{place}/cgroup.controllers", encoding="ascii") as file:
        there = file.read().split()
    found = {name: "attached" if name in there else "detached" for name in _CONTROLLERS}
    # No controller of v2 but a program, which the kernel need not know how to run.
    if (config := _kernel_config()) is not None:
        found["device"] = "attached" if "\nCONFIG_CGROUP_BPF=y\n" in config else "detached"
    return found


def _kernel_config() -> str | None:
    """Return how the running kernel was configured, None if that is nowhere to be read."""
    import gzip

    for path in ("/proc/config.gz", f"/boot/config-{os.uname().release}"):
        try:
            with open(path, "rb") as file:
                text = file.read()
        except OSError:
            continue
        return (gzip.decompress(text) if path.endswith(".gz") else text).decode(errors="replace")
    return None


def _namespaces() -> dict[str, str]:
    found = {}
    for name, file in _NAMESPACES:
        there = os.path.exists(f"/proc/self/ns/{file}")
        found[name] = "enabled" if there else "disabled"
    for switch in ("kernel/unprivileged_userns_clone", "user/max_user_namespaces"):
        try:
            with open(f"/proc/sys/{switch}", encoding="ascii") as text:
                if int(text.read()) == 0:
                    found["user"] = "enabled (root only)"
        except OSError:
            continue
    return found


def _capabilities() -> dict[str, str]:
    with open("/proc/self/status", encoding="utf-8", errors="replace") as file:
        line = next(line for line in file if line.startswith("CapBnd:"))
    bounding = int(line.split()[1], 16)
    return {n: "available" if bounding >> bit & 1 else "unavailable" for n, bit in _CAPABILITIES}


_READERS: tuple[tuple[str, Callable[[], str | dict[str, str]]], ...] = (
    ("Kernel-Release", lambda: os.uname().release),
    ("Kernel-Version", lambda: os.uname().version),
    ("Architecture", lambda: os.uname().machine),
    ("Operating System", _operating_system),
    ("Cores", lambda: str(os.cpu_count() or "")),
    ("Total Memory", _memory),
    ("Cgroup setup", _cgroup_setup),
    ("Cgroup mounts", _cgroup_mounts),
    ("CGroup v2 controllers", _controllers),
    ("Namespaces", _namespaces),
    ("Capabilities", _capabilities),
)
