"""One libseccomp context: rules by name, and the program that comes of them.

    with Filter(default=ERRNO(EPERM)) as context:
        context.add_rule(ALLOW, "read")
        context.add_rule(ALLOW, "write", LinuxSeccompArg(0, 1, "SCMP_CMP_EQ"))
        program = context.bpf()

A context belongs to one thread at a time, as in C.  Actions are numbers as in seccomp.h, with
`ERRNO(code)` and `TRACE(message)`; calls are given by name, or by the *native* architecture's
number whatever architectures the filter has.
"""

from __future__ import annotations

import posix

from . import library
from .constants import NOTIFY, OPERATORS
from .errors import CallFailed, SeccompError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from .notify import Listener
    from .profile import LinuxSeccompArg

# enum scmp_filter_attr
_ATTRIBUTES = {
    "default": 1,
    "bad_arch": 2,
    "no_new_privs": 3,
    "tsync": 4,
    "negative_syscalls": 5,
    "log": 6,
    "spec_allow": 7,
    "optimize": 8,
    "system_errors": 9,
    "wait_killable": 10,
}


# libseccomp keeps one listener per process and would hand the same number out again, whoever has
# it by then.  The kernel allows one per task, too (EBUSY).
_listeners: list[int] = []


class _Attribute:
    """A filter attribute as a property; its number comes from the name."""

    def __init__(self, meaning: str) -> None:
        self.__doc__ = meaning

    def __set_name__(self, owner: type, name: str) -> None:
        self.name, self.number = name, _ATTRIBUTES[name]

    def __get__(self, context: Filter | None, owner: type) -> Any:
        if context is None:
            return self
        from ._abi import ffi

        value = ffi.new("uint32_t *")
        context._call("seccomp_attr_get", self.name, self.number, value)
        return value[0]

    def __set__(self, context: Filter, value: int) -> None:
        context._call("seccomp_attr_set", f"{self.name} = {int(value)}", self.number, int(value))


class Filter:
    """A filter under construction.  Releases the context at the end of a `with`, or by `close`."""

    default = _Attribute("The action for calls that no rule matches; set by `reset` only.")
    bad_arch = _Attribute("The action for calls of other architectures.  Starts as KILL_THREAD.")
    no_new_privs = _Attribute("Whether `load` sets no_new_privs.  Starts as 1.")
    tsync = _Attribute("Whether `load` covers all threads.  API level 2.")
    negative_syscalls = _Attribute("Whether rules for call -1, a tracer's skip, are taken.")
    log = _Attribute("Whether all actions but ALLOW are logged.  API level 3.")
    spec_allow = _Attribute("Whether the SSB mitigation is left off.  API level 4.")
    optimize = _Attribute("1: rules by priority; 2: a binary tree, for many rules.")
    system_errors = _Attribute("Whether failures keep the kernel's errno, not ECANCELED.")
    wait_killable = _Attribute("Whether only fatal signals end a notified call.  libseccomp 2.6.")

    def __init__(self, *, default: int) -> None:
        from ._abi import ffi

        self._library = library.open_library()
        context = self._library.seccomp_init(default)
        if not context:
            from errno import EINVAL

            # The library says only NULL: an action that it, or the kernel, does not know.
            raise CallFailed("seccomp_init", f"default action {default:#010x}", EINVAL)
        self._context: Any = ffi.gc(context, self._library.seccomp_release)
        self._notifies = default == NOTIFY

    def close(self) -> None:
        """Release the context.  A filter that was loaded stays in force."""
        from ._abi import ffi

        if self._context is not None:
            ffi.release(self._context)
            self._context = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, call: str, what: str, *args: Any) -> int:
        return library.check(call, what, self._function(call)(self._handle(), *args))

    def _handle(self) -> Any:
        if self._context is None:
            raise SeccompError("the context is closed")
        return self._context

    def _function(self, call: str) -> Callable[..., Any]:
        if not library.has_function(call):
            from errno import ENOSYS

            raise CallFailed(call, "of libseccomp 2.6", ENOSYS)
        found: Callable[..., Any] = getattr(self._library, call)
        return found

    def reset(self, *, default: int) -> None:
        """Forget all rules, architectures and attributes and begin again."""
        self._call("seccomp_reset", f"default action {default:#010x}", default)
        self._notifies = default == NOTIFY

    def merge(self, other: Filter) -> None:
        """Take over the architectures of `other`, with their rules, and close it.

        Both need the same attributes and no architecture in common.
        """
        from ._abi import ffi

        if other is self:
            raise SeccompError("a filter cannot be merged into itself")
        self._call("seccomp_merge", "", other._handle())
        ffi.gc(other._context, None)  # released by the merge
        other._context = None
        self._notifies |= other._notifies

    def has_arch(self, name: str) -> bool:
        """Tell whether the filter has rules for an architecture, `aarch64` or SCMP_ARCH_AARCH64."""
        code = self._library.seccomp_arch_exist(self._handle(), library.arch_token(name))
        return bool(code == 0)

    def add_arch(self, name: str) -> None:
        """Add an architecture; only rules added later hold for it.  EEXIST if it is there."""
        self._call("seccomp_arch_add", name, library.arch_token(name))

    def remove_arch(self, name: str) -> None:
        """Remove an architecture with its rules."""
        self._call("seccomp_arch_remove", name, library.arch_token(name))

    def add_rule(
        self, action: int, syscall: str | int, *args: LinuxSeccompArg, exact: bool = False
    ) -> None:
        """Decide a call by `action` if all `args` hold.

        A rule without conditions outweighs those with.  `exact` refuses what an architecture
        cannot express (conditions on a call that goes through socketcall), which otherwise is
        adapted or left out there.  EEXIST: the same conditions lead to another action; EACCES:
        the action is the default.
        """
        from ._abi import ffi

        call = "seccomp_rule_add_exact_array" if exact else "seccomp_rule_add_array"
        number = library.syscall_number(syscall) if isinstance(syscall, str) else syscall
        conditions = [(a.index, OPERATORS[a.op], a.value, a.value_two) for a in args]
        array = ffi.new("struct scmp_arg_cmp[]", conditions)
        self._call(call, f"for {syscall}", action, number, len(conditions), array)
        self._notifies |= action == NOTIFY

    def set_priority(self, syscall: str | int, priority: int) -> None:
        """Move a call to the front of the program: the higher, 0 to 255, the sooner tested."""
        number = library.syscall_number(syscall) if isinstance(syscall, str) else syscall
        self._call("seccomp_syscall_priority", f"for {syscall}", number, priority)

    def transaction(self) -> Transaction:
        """Return a `with` block whose rules are added all, or none if it raises.  2.6."""
        return Transaction(self)

    def precompute(self) -> None:
        """Generate the program now, so that `load` need not allocate.  2.6."""
        self._call("seccomp_precompute", "")

    def bpf(self) -> bytes:
        """Return the program: an array of struct sock_filter in the target's byte order."""
        if library.has_function("seccomp_export_bpf_mem"):
            return self._bpf_from_memory()
        return self._exported("seccomp_export_bpf")

    def _bpf_from_memory(self) -> bytes:
        from ._abi import ffi

        size = ffi.new("size_t *")
        self._call("seccomp_export_bpf_mem", "the size", ffi.NULL, size)
        room = ffi.new("char[]", size[0])
        self._call("seccomp_export_bpf_mem", "", room, size)
        return bytes(ffi.buffer(room, size[0]))

    def pfc(self) -> str:
        """Return the filter as pseudo code, for people."""
        return self._exported("seccomp_export_pfc").decode()

    def _exported(self, call: str) -> bytes:
        # A memory file, not a pipe: the library writes all before anybody could read.
        fd = posix.memfd_create("seccomp", posix.MFD_CLOEXEC)
        try:
            self._call(call, "", fd)
            return posix.pread(fd, posix.fstat(fd).st_size, 0)
        finally:
            posix.close(fd)

    def load(self) -> Listener | None:
        """Put the calling thread under the filter, for ever.

        Returns the listener if a rule notifies; a process gets one, once.  Raises CallFailed;
        EACCES: no_new_privs was switched off and the caller lacks CAP_SYS_ADMIN.
        """
        from ._abi import ffi
        from .notify import Listener

        if self._notifies and _listeners:
            from errno import EBUSY

            raise CallFailed("seccomp_load", "with a second listener", EBUSY)
        ffi.errno = 0
        self._call("seccomp_load", "")
        if not self._notifies:
            return None
        _listeners.append(self._call("seccomp_notify_fd", ""))
        return Listener(_listeners[0])


class Transaction:
    """Rules that take effect together.  Made by `Filter.transaction`."""

    def __init__(self, context: Filter) -> None:
        self._filter = context

    def __enter__(self) -> Filter:
        self._filter._call("seccomp_transaction_start", "")
        return self._filter

    def __exit__(
        self, kind: type[BaseException] | None, e: BaseException | None, at: TracebackType | None
    ) -> None:
        if e is None:
            self._filter._call("seccomp_transaction_commit", "")
        else:
            self._filter._function("seccomp_transaction_reject")(self._filter._handle())
