"""main: makes init, gives it what only the host can give, and sees it to the start barrier."""

from __future__ import annotations

import errno
import posix
import struct

from libcgroups.errors import CgroupError

from .. import identity
from ..adjustments import adjust
from ..errors import ContainerError, InitFailed
from ..hooks import run_hooks
from ..idmap import write_maps
from ..kernel import constants as c
from ..namespaces import Join, open_namespace
from ..signals import hold_stops, set_mask
from ..step import reason
from . import channel as ch
from .clone import clone_init
from .command import load_for
from .init import Belongings, last_mile, run_init
from .refusal import call_failed
from .stub.memfd import Spare, is_refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from libcgroups.protocol import CgroupManager

    from ..kernel.linux import LinuxKernel
    from ..network import Devices
    from ..plan.plan import Plan


_EARLY = (ch.HOOKS, ch.CWD_LATE, ch.SOURCES)  # of the interpreter, before the last mile


class Main:
    """The conversation with one init, from its clone to `S`."""

    def __init__(
        self,
        plan: Plan,
        kernel: LinuxKernel,
        cgroup: CgroupManager,
        own: Belongings,
        *,
        save: Callable[[int, int], None],
        as_sibling: bool = False,
    ) -> None:
        """`save` keeps pid and start time of init, so that whoever finds us killed can clear up.

        `as_sibling` makes init, and what comes before it, children of our parent.
        """
        self.plan, self.kernel, self.cgroup, self.own, self.save = plan, kernel, cgroup, own, save
        self.as_sibling = as_sibling
        self.children: list[int] = []  # all that we have made, init last
        self._there: list[int] = []  # those of them that we have not seen gone
        self.pid = 0
        self.started = 0
        self.cwd_late: str | None = None
        self.devices: Devices | None = None  # of the network, that have been moved in
        self.cgroup_made = False  # else it may be somebody's, and is not to be cleared

    def create(self) -> int:
        """Return init's pid; it waits at the start barrier.

        Raises ContainerError or OSError; then nothing of the process is left.
        """
        talk = ch.Channel()
        try:
            self._prepare_cgroup()
            self._clone(talk)
            talk.in_main()
            if not self.pid:
                self._meet_init(talk)
            self._let_go(talk)
            self._converse(talk)
        except BaseException as e:
            self.kill()
            raise self._explained(e) from e
        finally:
            talk.close()
            self.own.close_in_main()
        return self.pid

    def _prepare_cgroup(self) -> None:
        """Make the cgroup, and open the quick way into it where there is one."""
        self.cgroup_made = True  # before: we may be interrupted
        try:
            fd = self.cgroup.create(self.plan.early)
        except CgroupError:
            self.cgroup_made = False  # what was made of it is gone again
            raise
        if fd is not None:
            posix.close(fd)  # the entry has its own
        self.own.entry = self.cgroup.open_entry()

    def _clone(self, talk: ch.Channel) -> None:
        """Make init; or what makes it, or becomes it, and then tells its pid."""
        self._open_namespaces()
        for step in (*self.plan.setup, *self.plan.build, *self.plan.finish):
            step.load()
        load_for(self.plan.command)
        if self.plan.labels and self.plan.namespaces.pid is not None:
            from . import attributes  # noqa: F401  # rare, as the next
        if is_refused():
            self.own.spare = Spare()
        if self.own.executor is not None:
            from . import walk  # noqa: F401  # rare; and nothing can be imported after the clone
        if _may_need_sources(self.plan):
            from . import sources  # rare; and nothing can be imported after the clone

            if sources.needed(self.plan):
                self.own.sources = sources.Sources(self.plan, self.kernel)
        flags = self.plan.namespaces.clone
        beside = self.plan.namespaces.needs_intermediate()
        entry = self.own.entry
        into = entry.directory if entry is not None else None
        if beside:
            flags = 0
        elif self.plan.namespaces.cgroup and into is not None and not (entry and entry.tasks):
            # Born in all of its cgroup, so the namespace is rooted there.  Not with a new user
            # namespace: what is made in the same call belongs to nobody.
            if not flags & c.CLONE_NEWUSER:
                flags |= c.CLONE_NEWCGROUP
                self.own.born_in_namespace = True
        # init gets the root folder as its working directory: in its own mount namespace, and
        # whatever the permissions on the way there.
        here = posix.open(".", c.O_PATH | posix.O_DIRECTORY | posix.O_CLOEXEC)
        run = run_init
        if beside:
            from .join import run_intermediate  # rare

            run = run_intermediate
        before = hold_stops()  # who has been made must be known
        try:
            posix.chdir(self.plan.rootfs)
            pid = clone_init(
                self.kernel,
                lambda: run(self.plan, self.kernel, talk, self.own),
                flags=flags,
                cgroup=into,
                parent=self.as_sibling,
            )
            self._adopt(pid)
            if not beside:
                self.pid = pid
        finally:
            posix.fchdir(here)
            posix.close(here)
            set_mask(before)
        if entry is not None:
            entry.close()
        if self.own.spare is not None:
            self.own.spare.close()  # before init is told to go on: no writer may be left

    def _adopt(self, pid: int) -> None:
        self.children.append(pid)
        self._there.append(pid)

    def _meet_init(self, talk: ch.Channel) -> None:
        """Learn who init is, and see the intermediate off, if that is another."""
        middle = self.children[0]
        kind, content = talk.hear()
        if kind == ch.PID:
            (self.pid,) = struct.unpack("<I4x", content)
        if self.pid != middle:
            self._reap(middle)
        if kind == ch.ERROR:
            raise ch.received_error(content)
        if kind != ch.PID:
            raise self._ended()
        if self.pid != middle:
            self._adopt(self.pid)

    def _open_namespaces(self) -> None:
        joins = list(self.plan.namespaces.join)
        if self.plan.namespaces.pid:
            joins.append(Join("pid", self.plan.namespaces.pid))
        for join in joins:
            self.own.namespaces[join.kind] = open_namespace(join)
        if self.plan.namespaces.pid:
            from .procfs import make_procs  # rare

            self.own.mounts.update(make_procs(self.plan, self.kernel, self.own.namespaces["pid"]))

    def _let_go(self, talk: ch.Channel) -> None:
        """Do what init waits for, and no more."""
        plan = self.plan
        self._set_oom_score()
        if plan.mapping is not None:
            euid, egid = posix.geteuid(), posix.getegid()
            write_maps(self.pid, plan.mapping, self.kernel, euid=euid, egid=egid)
        self.started = identity.start_time(self.pid) or 0
        self.save(self.pid, self.started)
        if self.own.entry is None:
            # The slow way; before the cgroup namespace, so that its root is right.
            self.cgroup.add(self.pid)
        if not talk.tell_init(ch.GO):
            raise InitFailed("", None, "container init died before it was set up")
        # Beside init, which is busy with the mounts: all that it does not have to wait for.
        if not plan.meet:
            self._apply_early()

    def _converse(self, talk: ch.Channel) -> None:
        plan = self.plan
        # With a joined pid namespace the stub's parent reports the child, which may be heard
        # before it: what `R` starts needs both.
        awaited = {ch.READY, ch.PID} if plan.namespaces.pid else {ch.READY}
        # Each in its time: in a joined pid namespace others may have a hold on who speaks last.
        early = {ch.CWD_LATE, ch.SOURCES, *([ch.HOOKS] if plan.meet else [])}
        while True:
            kind, content = talk.hear()
            if (kind in _EARLY and kind not in early) or (kind == ch.SET and awaited):
                raise InitFailed("", None, ch.OUT_OF_TURN)
            if kind == ch.HOOKS:
                early.discard(kind)
                self._apply_early()
                if self.plan.net_devices:
                    from ..network import Devices  # rare

                    # Now that init has its network namespace, and before the hooks look at it.
                    self.devices = Devices(self.plan.net_devices, self.pid)
                    self.devices.move(self.kernel)
                self._run_hooks()
                talk.tell_init(ch.DONE)
            elif kind == ch.CWD_LATE:
                self.cwd_late = plan.command.cwd
            elif kind == ch.SOURCES and self.own.sources is not None:
                self.own.sources.serve(content, self.pid)
            elif kind in awaited:
                awaited.discard(kind)
                early.clear()
                if kind == ch.PID:
                    self._becomes(*struct.unpack("<I4x", content))
                if not awaited:
                    self._limit()
                    talk.tell_init(ch.LIMITED)
                    if self.own.notifies:
                        self._hand_over_listener(talk)
            elif kind == ch.SET:
                return
            elif kind == ch.ERROR:
                raise ch.received_error(content)
            elif kind == ch.FAILED:
                if ch.PID in awaited:
                    self._find_child(talk)
                raise self._failed_call(*struct.unpack("<II", content))
            else:
                raise self._ended()

    def _hand_over_listener(self, talk: ch.Channel) -> None:
        from ..codec import loads
        from ..seccomp import hand_over  # rare

        profile = self.plan.seccomp
        if profile is not None:
            state = loads(self.own.hook_state) | {"pid": self.pid}
            # Above what stays open while the filter is loaded: see `reduce`.
            number = 3 + self.plan.preserve_fds + 2
            hand_over(profile, self.pid, number, state, self.kernel, talk.reader)

    def _limit(self) -> None:
        """What must wait for the end of Python in init, but not for the loss of its rights."""
        if self.plan.delegate is not None:
            # After init has made its cgroup namespace, which is rooted in the cgroup above.
            self.cgroup.chown(self.plan.delegate_uid, self.plan.delegate)
            self.cgroup.add(self.pid, self.plan.delegate)
        if self.plan.late is not None:
            self.cgroup.apply(self.plan.late)
        # After the limits: real-time policies of v1 take a share of the cgroup's.
        adjust(self.plan.adjustments, self.pid, self.kernel)
        if not identity.is_alive(self.pid, self.started):
            raise self._ended()

    def _apply_early(self) -> None:
        if self.plan.early is not None:
            self.cgroup.apply(self.plan.early)

    def _run_hooks(self) -> None:
        hooks = self.plan.hooks
        if hooks is None:
            return
        state = self.own.hook_state.replace('"pid":0', f'"pid":{self.pid}')
        cwd, output = self.plan.bundle, self.own.hook_output
        run_hooks("prestart", hooks.prestart, state, cwd=cwd, output=output)
        run_hooks("createRuntime", hooks.create_runtime, state, cwd=cwd, output=output)

    def _set_oom_score(self) -> None:
        score = self.plan.oom_score_adj
        if score is None:
            return
        try:
            self.kernel.write_file(f"/proc/{self.pid}/oom_score_adj", str(score))
        except OSError as e:
            if e.errno not in (errno.EACCES, errno.EPERM) or not self.plan.oom_score_optional:
                text = f"set oom_score_adj to {score}: {reason(e)}"
                raise InitFailed("attributes", e.errno, text) from e

    def _becomes(self, pid: int) -> None:
        """The stub has forked into a pid namespace; the child is the container's process."""
        ours = posix.getppid() if self.as_sibling else posix.getpid()
        if identity.parent(pid) != ours:
            raise InitFailed("", None, ch.OUT_OF_TURN)
        forked, self.pid = self.pid, pid
        self._adopt(pid)
        self.started = identity.start_time(pid) or 0
        self.save(self.pid, self.started)
        self._reap(forked)  # it ends with its report

    def _find_child(self, talk: ch.Channel) -> None:
        """The child may have told its failure before its parent could tell of the child."""
        while True:
            kind, content = talk.hear()
            if kind == ch.PID:
                return self._becomes(*struct.unpack("<I4x", content))
            if not kind:
                return None  # there is none

    def _failed_call(self, step: int, code: int) -> ContainerError:
        """Put words to a call of the last mile that failed."""
        mile = last_mile(self.plan, cwd_late=self.cwd_late)
        if step >= len(mile):
            return InitFailed("", None, ch.OUT_OF_TURN)
        return call_failed(mile[step], code, self.plan.command)

    def _ended(self) -> ContainerError:
        if self.cgroup.oom_kills():
            text = "container init was OOM-killed (memory limit too low?)"
            return InitFailed("", None, text)
        return InitFailed("", None, "container init ended unexpectedly")

    def _explained(self, error: BaseException) -> BaseException:
        if isinstance(error, OSError) and not isinstance(error, ContainerError):
            what = f" ({error.filename})" if error.filename is not None else ""
            text = f"{reason(error).lower()}{what}"
            return InitFailed("", error.errno, text)
        return error

    def kill(self) -> None:
        """End all that we have made and see it gone, once: nothing may keep the caller's stdio."""
        if self.devices is not None:
            self.devices.move_back(self.kernel)  # virtual ones would end with their namespace
        self.pid = 0
        for pid in tuple(self._there):
            try:
                posix.kill(pid, 9)
            except ProcessLookupError:
                pass
            self._reap(pid)

    def close(self) -> None:
        """Let go what was held so that `kill` could undo it."""
        if self.devices is not None:
            self.devices.close()

    def _reap(self, pid: int) -> None:
        """See a process gone, unless it is a sibling: then it is its parent's to see."""
        if pid in self._there:
            self._there.remove(pid)
        if self.as_sibling:
            return
        try:
            posix.waitpid(pid, 0)
        except ChildProcessError:
            pass


def _may_need_sources(plan: Plan) -> bool:
    idmapped = any([getattr(step, "idmap", None) is not None for step in plan.build])
    return idmapped or plan.namespaces.own("user")
