"""The table that `ps -ef` prints, for some processes only.  ps(1), proc_pid_stat(5).

Read from /proc by ourselves, because minimal hosts have no ps.
"""

from __future__ import annotations

import os
import time

from libcontainer.errors import ContainerError
from libcontainer.status import owner_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_HEADER = ("UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD")
_ROW = "{:<8} {:>5} {:>5} {:>2} {:>5} {:<8} {:>8} {}"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DAY = 86400  # seconds


def table(pids: Iterable[int]) -> str:
    """Return the table; processes that have gone meanwhile are left out."""
    rows: list[tuple[str, ...]] = [_HEADER]
    for pid in pids:
        try:
            rows.append(_row(pid))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "".join([_ROW.format(*row).rstrip() + "\n" for row in rows])


def filtered(pids: Iterable[int], options: Sequence[str]) -> str:
    """Run ps(1) with `options`; return its first line and those about `pids`.

    Raises ContainerError if there is no ps, if it fails, or if it shows no pids.
    """
    import subprocess

    path = {"PATH": _PATH, **os.environ}
    try:
        done = subprocess.run(["ps", *options], capture_output=True, text=True, env=path)
    except FileNotFoundError:
        raise ContainerError('exec: "ps": executable file not found in $PATH') from None
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise ContainerError(f"ps: exit status {done.returncode}: {said}")
    header, *lines = done.stdout.splitlines() or [""]
    if "PID" not in header.split():
        raise ContainerError("couldn't find PID field in ps output")
    column = header.split().index("PID")
    wanted = [[str(pid)] for pid in pids]
    kept = [line for line in lines if line.split()[column : column + 1] in wanted]
    return "".join([line + "\n" for line in (header, *kept)])


def _row(pid: int) -> tuple[str, ...]:
    uid = os.stat(f"/proc/{pid}").st_uid
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        name, _, rest = file.read().partition("(")[2].rpartition(")")
    state, parent, _, _, terminal, *fields = rest.split()
    ticks = os.sysconf("SC_CLK_TCK")
    used = (int(fields[6]) + int(fields[7])) / ticks  # seconds, user and system
    began = int(fields[14]) / ticks  # seconds since boot
    return (
        _user(uid),
        str(pid),
        parent,
        _share(used, time.clock_gettime(time.CLOCK_BOOTTIME) - began),
        _start(_boot_time() + began),
        _terminal(int(terminal)),
        _span(int(used)),
        _command(pid, name, state),
    )


def _share(used: float, age: float) -> str:
    """Return the share of its life that a process has had a CPU, in percent of two digits."""
    return str(min(99, int(100 * used / max(age, 1.0))))


def _boot_time() -> float:
    with open("/proc/stat", encoding="ascii") as file:
        for line in file:
            if line.startswith("btime "):
                return float(line.split()[1])
    return 0.0


def _user(uid: int) -> str:
    name = owner_name(uid).removeprefix("#")
    return name if len(name) <= 8 else name[:7] + "+"


def _start(when: float) -> str:
    then, now = time.localtime(when), time.localtime()
    if (then.tm_year, then.tm_yday) == (now.tm_year, now.tm_yday):
        return time.strftime("%H:%M", then)
    return time.strftime("%b%d" if then.tm_year == now.tm_year else "%Y", then)


def _terminal(number: int) -> str:
    """Name the terminal of a device number.  Documentation/admin-guide/devices.txt."""
    major, minor = number >> 8 & 0xFFF, (number & 0xFF) | (number >> 12 & 0xFFF00)
    if number == 0:
        return "?"
    if 136 <= major <= 143:
        return f"pts/{(major - 136) * 256 + minor}"
    if major == 4:
        return f"tty{minor}" if minor < 64 else f"ttyS{minor - 64}"
    return f"{major},{minor}"


def _span(seconds: int) -> str:
    days, rest = divmod(seconds, _DAY)
    clock = f"{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days}-{clock}" if days else clock


def _command(pid: int, name: str, state: str) -> str:
    if state in ("Z", "X"):
        return f"[{name}] <defunct>"
    with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
        words = file.read().rstrip("\0").split("\0")
    text = " ".join(words) if words != [""] else f"[{name}]"
    # A process chooses its own words; they may not move the reader's cursor.
    return "".join([c if c.isprintable() else "?" for c in text])
