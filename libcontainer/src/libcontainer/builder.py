"""The arguments of `Container.create`, one method each."""

from __future__ import annotations

from .container import DEFAULT_ROOT, Container

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from .executor import Executor
    from .spec.mounts import Mount


class ContainerBuilder:
    """Collects what a container is to be, with a default for everything but id and bundle.

    container = ContainerBuilder("one", "/path/to/bundle").root("/run/mine").build()
    """

    def __init__(self, id: str, bundle: str) -> None:
        self._id = id
        self._given: dict[str, Any] = {"bundle": bundle, "root": DEFAULT_ROOT}

    def root(self, path: str) -> Self:
        """Keep the state below this folder."""
        return self._set(root=path)

    def config(self, name: str) -> Self:
        """Read another document than config.json, seen from the bundle."""
        return self._set(config=name)

    def stdio(
        self, *, stdin: int | None = None, stdout: int | None = None, stderr: int | None = None
    ) -> Self:
        """Give it these descriptors as 0, 1 and 2; None is our own."""
        return self._set(stdin=stdin, stdout=stdout, stderr=stderr)

    def pass_fds(self, *fds: int) -> Self:
        """Give it these descriptors as 3, 4 ..."""
        return self._set(pass_fds=fds)

    def console_socket(self, path: str) -> Self:
        """Send its terminal to this socket."""
        return self._set(console_socket=path)

    def pid_file(self, path: str) -> Self:
        """Write init's pid here, last of all."""
        return self._set(pid_file=path)

    def pidfd_socket(self, path: str) -> Self:
        """Send a pidfd of its init to this socket."""
        return self._set(pidfd_socket=path)

    def env(self, *variables: str) -> Self:
        """Give its process these, NAME=VALUE, after the document's."""
        return self._set(extra_env=(*self._given.get("extra_env", ()), *variables))

    def mount(self, mount: Mount) -> Self:
        """Mount this, after the document's mounts and those that were given before."""
        return self._set(extra_mounts=(*self._given.get("extra_mounts", ()), mount))

    def rootless(self, on: bool = True) -> Self:
        """Say whether the cgroup may be refused us; by default it is found out."""
        return self._set(rootless=on)

    def cgroups_disabled(self, on: bool = True) -> Self:
        """Leave it in the caller's cgroup."""
        return self._set(cgroups_disabled=on)

    def systemd_cgroup(self, on: bool = True) -> Self:
        """Let systemd own its cgroup."""
        return self._set(systemd_cgroup=on)

    def no_pivot(self, on: bool = True) -> Self:
        """Move the root instead of pivoting, for a root on the initial ramfs."""
        return self._set(no_pivot=on)

    def no_new_keyring(self, on: bool = True) -> Self:
        """Leave it the caller's session keyring."""
        return self._set(no_new_keyring=on)

    def executor(self, executor: Executor) -> Self:
        """Let this run what its document is for, after those that were given before."""
        return self._set(executors=(*self._given.get("executors", ()), executor))

    def python(self, path: str) -> Self:
        """Use this interpreter where a fresh one is needed."""
        return self._set(python=path)

    def build(self) -> Container:
        """Create the container.  Raises ContainerError."""
        return Container.create(self._id, **self._given)

    def _set(self, **values: Any) -> Self:
        self._given |= values
        return self
