"""Containers without a container: a kernel that only records, and bundles.

    kernel = FakeKernel()
    kernel.fail["mount_setattr"] = errno.EPERM
    ...
    assert kernel.names == ["open_tree", "mount_setattr"]

`FakeKernel` has every method of the `Kernel` protocol.  Nothing is mounted, joined or limited; but
descriptors are real ones, because the code looks at them and closes them.
"""

from __future__ import annotations

import json
import posix
import stat
from typing import TYPE_CHECKING

from .kernel import constants as c
from .kernel.linux import LinuxKernel
from .spec.default import default_spec
from .spec.write import without_defaults

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any, TypeAlias

    # What to refuse a call with: always, or what is asked with the arguments as recorded.
    Refusal: TypeAlias = int | Callable[..., int | None]
    Tree: TypeAlias = Mapping[str, "str | bytes | Link | Tree"]

NOBODY = 1 << 22  # a pid that no process can have: /proc/sys/kernel/pid_max is at most this


class FakeKernel:
    """Records calls in order, and refuses what it is told to.

    `calls` has `(name, args)` for each call, keywords in the order of the protocol.  A descriptor
    is written as what it is: `cwd`, `open PATH` for openat2, `tree PATH` for open_tree, `fs NAME`
    and `mount NAME` for a new file system.

    `fail[name]` is an errno, or a callable that gets the recorded arguments and returns one, or
    None to let the call pass.  `returns[name]` gives a call's result instead; it, too, gets the
    recorded arguments.

    openat2 and file_system are the kernel's own, which need no privilege.  mknodat leaves an empty
    regular file.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.fail: dict[str, Refusal] = {}
        self.returns: dict[str, Callable[..., int]] = {}
        self._real = LinuxKernel()
        self.number = self._real.number
        self._what: dict[int, str] = {c.AT_FDCWD: "cwd"}

    @property
    def names(self) -> list[str]:
        """The names of the calls, in order."""
        return [name for name, _ in self.calls]

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """Return the arguments of each call of that name."""
        return [args for called, args in self.calls if called == name]

    def _call(self, name: str, *args: Any, result: Callable[[], int] = lambda: 0) -> int:
        self.calls.append((name, args))
        refusal = self.fail.get(name)
        code = refusal(*args) if callable(refusal) else refusal
        if code:
            raise OSError(code, f"{name}: {posix.strerror(code).lower()}")
        return self.returns[name](*args) if name in self.returns else result()

    def _fd(self, what: str, name: str, *args: Any, result: Callable[[], int] | None = None) -> int:
        """Record a call that returns a descriptor."""
        fd = self._call(name, *args, result=result or _null)
        self._what[fd] = what
        return fd

    def _name(self, fd: int) -> str | int:
        return self._what.get(fd, fd)

    def clone3(self, flags: int, *, cgroup: int | None = None, signal: int = 17) -> int:
        return self._call("clone3", flags, cgroup, signal, result=lambda: NOBODY)

    def fork(self, body: Callable[[], None]) -> int:
        return self._call("fork", result=lambda: NOBODY)

    def unshare(self, flags: int) -> None:
        self._call("unshare", flags)

    def setns(self, fd: int, kind: int, what: str) -> None:
        self._call("setns", kind, what)

    def setsid(self) -> None:
        self._call("setsid")

    def default_signal(self, number: int) -> None:
        self._call("default_signal", number)

    def close_at_exec(self, first: int) -> None:
        self._call("close_at_exec", first)

    def prctl(self, option: int, arg2: int = 0, arg3: int = 0) -> int:
        return self._call("prctl", option, arg2, arg3)

    def become(self, uid: int, gid: int, groups: tuple[int, ...] | None) -> None:
        self._call("become", uid, gid, groups)

    def raise_ambient(self) -> None:
        self._call("raise_ambient")

    def join_session_keyring(self, name: str) -> int:
        return self._call("join_session_keyring", name, result=lambda: 1)

    def keyring_permissions(self, keyring: int, added: int) -> None:
        self._call("keyring_permissions", keyring, added)

    def sethostname(self, name: str) -> None:
        self._call("sethostname", name)

    def setdomainname(self, name: str) -> None:
        self._call("setdomainname", name)

    def link_up(self, name: str) -> None:
        self._call("link_up", name)

    def openat2(self, fd: int, path: str, flags: int, resolve: int) -> int:
        args = (self._name(fd), path, flags, resolve)
        real = self._real.openat2
        result = lambda: real(fd, path, flags, resolve)  # noqa: E731
        return self._fd(f"open {path}", "openat2", *args, result=result)

    def open_tree(self, fd: int, path: str, flags: int) -> int:
        def result() -> int:
            if not path:
                return posix.dup(fd)
            opened = c.O_PATH | posix.O_CLOEXEC
            opened |= posix.O_NOFOLLOW if flags & c.AT_SYMLINK_NOFOLLOW else 0
            return posix.open(path, opened, dir_fd=None if fd == c.AT_FDCWD else fd)

        what = path or str(self._name(fd)).partition(" ")[2]
        return self._fd(f"tree {what}", "open_tree", self._name(fd), path, flags, result=result)

    def fsopen(self, name: str) -> int:
        return self._fd(f"fs {name}", "fsopen", name)

    def fsconfig_flag(self, fd: int, name: str) -> None:
        self._call("fsconfig_flag", self._name(fd), name)

    def fsconfig_string(self, fd: int, name: str, value: str) -> None:
        self._call("fsconfig_string", self._name(fd), name, value)

    def fsconfig_create(self, fd: int) -> None:
        self._call("fsconfig_create", self._name(fd))

    def fsconfig_fd(self, fd: int, name: str, value: int) -> None:
        self._call("fsconfig_fd", self._name(fd), name, self._name(value))

    def fsconfig_reconfigure(self, fd: int) -> None:
        self._call("fsconfig_reconfigure", self._name(fd))

    def fspick(self, fd: int) -> int:
        what = str(self._name(fd)).partition(" ")[2]
        return self._fd(f"fs {what}", "fspick", self._name(fd))

    def fsmount(self, fd: int, attributes: int) -> int:
        what = "mount " + str(self._name(fd)).partition(" ")[2]
        return self._fd(what, "fsmount", self._name(fd), attributes)

    def mount_setattr(
        self,
        fd: int,
        *,
        set: int = 0,
        clear: int = 0,
        propagation: int = 0,
        recursive: bool,
        userns: int | None = None,
    ) -> None:
        given = () if userns is None else (self._name(userns),)
        self._call("mount_setattr", self._name(fd), set, clear, propagation, recursive, *given)

    def move_mount(self, mount: int, target: int, path: str = "") -> None:
        self._call("move_mount", self._name(mount), self._name(target), path)

    def file_system(self, fd: int) -> int:
        return self._call("file_system", self._name(fd), result=lambda: self._real.file_system(fd))

    def mount(self, source: str, target: str, kind: str, flags: int, data: str = "") -> None:
        self._call("mount", source, target, kind, flags, data)

    def umount2(self, target: str, flags: int) -> None:
        self._call("umount2", target, flags)

    def mknodat(self, fd: int, name: str, mode: int, device: int) -> None:
        def result() -> int:
            posix.mknod(name, stat.S_IFREG | 0o644, dir_fd=fd)
            return 0

        self._call("mknodat", self._name(fd), name, mode, device, result=result)

    def fchownat(self, fd: int, name: str, uid: int, gid: int) -> None:
        self._call("fchownat", self._name(fd), name, uid, gid)

    def fchown(self, fd: int, uid: int, gid: int) -> None:
        self._call("fchown", self._name(fd), uid, gid)

    def prlimit(self, pid: int, kind: int, soft: int, hard: int) -> None:
        self._call("prlimit", pid, kind, soft, hard)

    def sched_setaffinity(self, pid: int, mask: bytes) -> None:
        self._call("sched_setaffinity", pid, mask)

    def sched_setattr(self, pid: int, attributes: bytes) -> None:
        self._call("sched_setattr", pid, attributes)

    def ioprio_set(self, pid: int, level_class: int, level: int) -> None:
        self._call("ioprio_set", pid, level_class, level)

    def pidfd_getfd(self, pidfd: int, number: int) -> int:
        return self._fd(f"copy of {number}", "pidfd_getfd", pidfd, number)

    def socketpair(self) -> tuple[int, int]:
        self._call("socketpair")
        return self._real.socketpair()

    def send(self, socket: int, content: bytes, fd: int | None = None) -> None:
        self._call("send", content, None if fd is None else self._name(fd))
        self._real.send(socket, content, fd)

    def receive(self, socket: int) -> tuple[bytes, int | None]:
        self._call("receive")
        return self._real.receive(socket)

    def write_file(self, path: str, text: str) -> None:
        self._call("write_file", path, text)


def _null() -> int:
    """Return a descriptor that stands for one that only a real kernel could give."""
    return posix.open("/dev/null", posix.O_RDONLY | posix.O_CLOEXEC)


class Link:
    """A symbolic link in a tree."""

    def __init__(self, target: str) -> None:
        self.target = target


def make_tree(folder: Path, tree: Tree) -> Path:
    """Make a folder with what a literal says, and return it.

    A mapping is a directory, text or bytes a file (executable if it begins with `#!` or as an ELF
    file does), a Link a symbolic link.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in tree.items():
        path = folder / name
        if isinstance(content, Link):
            path.symlink_to(content.target)
        elif isinstance(content, str | bytes):
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
            path.chmod(0o755 if data.startswith((b"#!", b"\x7fELF")) else 0o644)
        else:
            make_tree(path, content)
    return folder


def make_bundle(folder: Path, *, tree: Tree | None = None, **changes: Any) -> Path:
    """Make a bundle in `folder` and return it.

    The document is the default one without a terminal.  `changes` are merged into it by its own
    keys: objects key by key, None takes a key away, all else replaces.  `tree` is the root.
    """
    document = without_defaults(default_spec(rootless=False, cgroup2=False, uid=0, gid=0))
    _merge(document, {"process": {"terminal": False}})
    _merge(document, changes)
    make_tree(folder / "rootfs", tree or {})
    (folder / "config.json").write_text(json.dumps(document, indent=1))
    return folder


def _merge(document: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        if value is None:
            document.pop(name, None)
        elif isinstance(value, dict) and isinstance(document.get(name), dict):
            _merge(document[name], value)
        else:
            document[name] = value
