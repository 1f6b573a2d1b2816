"""Cache and memory bandwidth by resctrl: `linux.intelRdt`.

Kernel: Documentation/filesystems/resctrl.rst.  A group is a directory below the mount, with the
processes in `tasks` and what they get in `schemata`; a monitoring group lies below it, in
`mon_groups`.  All of it is main's work, in the runtime's own namespaces.
"""

from __future__ import annotations

import posix

from . import mountinfo
from .adjustments import Adjustment
from .errors import InitFailed, SpecError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .kernel import Kernel
    from .spec.linux import LinuxIntelRdt


class Rdt(Adjustment):
    """A group that a process is put in, and is made first where that is ours to do."""

    mount: str  # of resctrl
    group: str  # directory of the group
    made: bool  # by us and for us alone: removed with the container
    lines: tuple[str, ...] = ()  # for `schemata`, one write each
    monitor: str | None = None  # directory of the monitoring group, ours too

    def describe(self) -> str:
        """Name the group."""
        return f"enter the resctrl group {self.group}"

    def directories(self) -> tuple[str, ...]:
        """Return the groups that are ours, the inner one first."""
        return tuple([d for d in (self.monitor, self.group if self.made else None) if d])

    def apply(self, pid: int, kernel: Kernel) -> None:
        """Do both, and the monitoring group below.  Raises InitFailed."""
        exists = _is_directory(self.group)
        if exists and not self.made:
            self._compare()
        elif not exists:
            if not self.lines and not self.made:
                raise InitFailed("intelRdt", None, f"intelRdt: no such group: {self.group}")
            self._try(posix.mkdir, self.group)
        if self.made or not exists:
            for line in self.lines:
                self._try(_write, f"{self.group}/schemata", line + "\n")
        self._try(_write, f"{self.group}/tasks", str(pid))
        if self.monitor is not None:
            if not _is_directory(self.monitor):
                self._try(posix.mkdir, self.monitor)
            self._try(_write, f"{self.monitor}/tasks", str(pid))

    def change(self) -> None:
        """Give a group that is there its lines anew.  Raises InitFailed."""
        for line in self.lines:
            self._try(_write, f"{self.group}/schemata", line + "\n")

    def _compare(self) -> None:
        """Refuse a group of others that gives something else than was asked for."""
        there = _parse(_read(f"{self.group}/schemata"))
        for name, domains in _parse("\n".join(self.lines)).items():
            for domain, value in domains.items():
                found = there.get(name, {}).get(domain)
                if found != value:
                    text = f"intelRdt: {self.group} has another schema for {name} {domain}"
                    raise InitFailed("intelRdt", None, text)

    def _try(self, act: object, *arguments: str) -> None:
        try:
            act(*arguments)  # type: ignore[operator]
        except OSError as e:
            said = _read(f"{self.mount}/info/last_cmd_status").strip()
            why = (e.strerror or "").lower() + (f" ({said})" if said not in ("", "ok") else "")
            raise InitFailed("intelRdt", e.errno, f"intelRdt: {arguments[0]}: {why}") from e


def plan_rdt(rdt: LinuxIntelRdt, id: str, mount: str | None) -> Rdt:
    """Return the group of a container.  Raises SpecError where there is no resctrl."""
    if mount is None:
        text = "intelRdt is specified in config, but Intel RDT is not enabled"
        raise SpecError((text,))
    name = rdt.clos_id or id
    group = mount if name == "/" else f"{mount}/{name}"
    lines = []
    if cache := rdt.l3_cache_schema:
        # What is about bandwidth has its own field.
        kept = [line for line in cache.split("\n") if line and not line.startswith("MB:")]
        lines += kept
    if rdt.mem_bw_schema:
        lines.append(rdt.mem_bw_schema)
    return Rdt(
        mount=mount,
        group=group,
        made=rdt.clos_id is None,
        lines=(*lines, *rdt.schemata),
        monitor=f"{group}/mon_groups/{id}" if rdt.enable_monitoring else None,
    )


def mount_point(text: str) -> str | None:
    """Return where resctrl is mounted, from a text like /proc/self/mountinfo."""
    found = [place for _, place, kind, _ in mountinfo.parse(text) if kind == "resctrl"]
    return found[0] if found else None


def remove(directories: tuple[str, ...]) -> None:
    """Remove groups; the kernel moves what is still inside to the group above.  Raises OSError."""
    for path in directories:
        try:
            posix.rmdir(path)
        except FileNotFoundError:
            pass


def _parse(text: str) -> dict[str, dict[str, int]]:
    """Return values by resource and domain: masks are hexadecimal, bandwidths decimal."""
    found: dict[str, dict[str, int]] = {}
    for line in text.splitlines():
        name, _, rest = line.strip().partition(":")
        base = 10 if name.startswith(("MB", "SMBA")) else 16
        for part in rest.split(";"):
            domain, _, value = part.strip().partition("=")
            try:
                found.setdefault(name, {})[domain] = int(value, base)
            except ValueError:
                continue  # nothing to compare: a domain without a number
    return found


def _is_directory(path: str) -> bool:
    try:
        posix.close(posix.open(path, posix.O_RDONLY | posix.O_DIRECTORY | posix.O_CLOEXEC))
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    fd = posix.open(path, posix.O_WRONLY | posix.O_TRUNC | posix.O_CLOEXEC)
    try:
        posix.write(fd, text.encode())
    finally:
        posix.close(fd)


def _read(path: str) -> str:
    try:
        fd = posix.open(path, posix.O_RDONLY | posix.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return posix.read(fd, 1 << 16).decode()
    finally:
        posix.close(fd)
