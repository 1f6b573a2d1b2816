"""startContainer hooks: tenants of `start`, right before the container's program.

They run inside, as the program will: its ids, capabilities, filter, label, limits and cgroup.  What
the image has at their paths is what is executed, so nothing of the runtime may be near.
"""

from __future__ import annotations

import posix

from ..errors import HookFailed, InitFailed
from ..hooks import Watch, end
from ..kernel.linux import LinuxKernel
from ..plan.running import probe_container
from ..plan.tenant import plan_tenant
from ..status import CREATED, hook_document
from .enter import annotated, enter
from .tenant import Inside, Program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..plan.tenant import TenantHost
    from ..spec.document import Spec
    from ..spec.hooks import Hook
    from ..spec.process import Process
    from ..state import SavedState


class StartHooks:
    """The hooks of one container that waits to be started."""

    def __init__(
        self, spec: Spec, saved: SavedState, *, root: str, output: tuple[int, int]
    ) -> None:
        """`root` is the state root; `output` is where they write, -1 for what we keep."""
        self.spec, self.wishes = annotated(spec)
        self.saved, self.root, self.output = saved, root, output
        self.kernel = LinuxKernel()

    def run(self) -> None:
        """Run them in order; stop at the first that fails.  Raises HookFailed, WrongStatus."""
        hooks, process, saved = self.spec.hooks, self.spec.process, self.saved
        if hooks is None or process is None:
            return
        with Inside(saved.id, saved.pid, saved.start_time) as inside:
            host = probe_container(saved.pid, process, self.spec.linux)
            state = hook_document(saved.replace(pid=_inner_pid(saved.pid)), CREATED).encode()
            for index, hook in enumerate(hooks.start_container):
                if reason := self._run(hook, _tenant(process, hook), host, inside, state):
                    raise HookFailed("startContainer", index, reason)

    def _run(
        self, hook: Hook, process: Process, host: TenantHost, inside: Inside, state: bytes
    ) -> str:
        """Run one; return why it failed, or nothing."""
        saved = self.saved
        plan = plan_tenant(
            process, self.spec.linux, host, id=saved.id, keyring=saved.keyring, **self.wishes
        )
        try:
            program = Program(plan, inside, self.kernel, path=hook.path, env=hook.env)
        except InitFailed as e:
            return f"fork/exec {hook.path}: {posix.strerror(e.errno or 0).lower()}"
        reader, stdin = posix.pipe2(posix.O_CLOEXEC)
        output, writer = posix.pipe2(posix.O_CLOEXEC)
        pid = 0
        try:
            try:
                stdout, stderr = [fd if fd >= 0 else writer for fd in self.output]
                stdio = (reader, stdout, stderr)
                pid = enter(plan, program, saved, inside, self.kernel, root=self.root, stdio=stdio)
            finally:
                posix.close(reader)
                posix.close(writer)
            return Watch(pid, hook, state, stdin, output).until_it_ends()
        except BaseException:
            end(pid)
            raise
        finally:
            posix.close(stdin)
            posix.close(output)


def _tenant(process: Process, hook: Hook) -> Process:
    """Return the container's process with the hook's program instead of its own."""
    return process.replace(
        args=hook.args or (hook.path,), cwd="/", terminal=False, exec_cpu_affinity=None
    )


def _inner_pid(pid: int) -> int:
    """Return the pid that the container sees."""
    fd = posix.open(f"/proc/{pid}/status", posix.O_RDONLY | posix.O_CLOEXEC)
    try:
        text = posix.read(fd, 8192).decode(errors="replace")
    finally:
        posix.close(fd)
    return int(text[text.index("\nNSpid:") + 7 :].split("\n", 1)[0].split()[-1])
