"""libseccomp.so.2 opened: which version it is, and which names it knows.

It is opened at run time, so that installing needs neither a compiler nor headers.
"""

from __future__ import annotations

from . import soname
from .constants import ARCHITECTURES
from .errors import CallFailed, LibraryMissing, NotKnown

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

OLDEST = (2, 5, 0)  # notify, and numbers of 32-bit calls on x32
NOT_FOUND = -1  # __NR_SCMP_ERROR; numbers below it stand for calls that the architecture lacks

_opened: list[Any] = []  # the library, once: cffi builds its function table per handle


def open_library() -> Any:
    """Return the opened library.  Raises LibraryMissing."""
    if not _opened:
        _opened.append(_open())
    return _opened[0]


def _open() -> Any:
    from ._abi import ffi

    # An unusable file (another machine's) leaves it to the loader, which goes on looking.
    for name in (soname.find(), soname.SONAME):
        try:
            library = ffi.dlopen(name) if name else None
        except OSError:
            continue
        if library is not None:
            return _checked(library)
    raise LibraryMissing(f"{soname.SONAME} is not found")


def _checked(library: Any) -> Any:
    from ._abi import ffi

    try:
        has = _version(library)
    except ffi.error:
        raise LibraryMissing("libseccomp is older than 2.3") from None
    if has < OLDEST:
        raise LibraryMissing(f"libseccomp {'.'.join(map(str, has))} is too old")
    return library


def _version(library: Any) -> tuple[int, int, int]:
    found = library.seccomp_version()
    return found.major, found.minor, found.micro


def version() -> tuple[int, int, int]:
    """Return the library's version.  Raises LibraryMissing."""
    return _version(open_library())


def api_level() -> int:
    """Return what library and kernel can do together.

    2: TSYNC; 3: LOG and KILL_PROCESS; 4: SPEC_ALLOW; 5: NOTIFY; 6: NOTIFY with TSYNC; 7:
    WAIT_KILLABLE_RECV (libseccomp 2.6).  Asked of the kernel at the first call in a process.
    """
    level: int = open_library().seccomp_api_get()
    return level


def set_api_level(level: int) -> None:
    """Make the library believe in `level`, for the whole process.  For tests."""
    check("seccomp_api_set", str(level), open_library().seccomp_api_set(level))


def has_function(name: str) -> bool:
    """Tell whether the library has a function; those of 2.6 are missing from 2.5."""
    from ._abi import ffi

    try:
        getattr(open_library(), name)
    except (AttributeError, ffi.error):
        return False
    return True


def check(call: str, what: str, code: int) -> int:
    """Return `code` if it is no failure.  Raises CallFailed.

    ECANCELED is the library's word for a refusal by the kernel; errno still has the reason.
    """
    from errno import ECANCELED

    from ._abi import ffi

    if code >= 0:
        return code
    raise CallFailed(call, what, ffi.errno if code == -ECANCELED and ffi.errno else -code)


def native_arch() -> str:
    """Return the architecture of this process, such as SCMP_ARCH_X86_64."""
    return arch_name(open_library().seccomp_arch_native())


def arch_name(token: int) -> str:
    """Return the name of an architecture token.  Raises NotKnown."""
    for name, known in ARCHITECTURES.items():
        if known == token:
            return name
    raise NotKnown("architecture", token)


def arch_token(name: str) -> int:
    """Return the token of `SCMP_ARCH_AARCH64` or `aarch64`.

    Raises NotKnown also for those of ARCHITECTURES that only a newer library has.
    """
    plain = name.removeprefix("SCMP_ARCH_").lower()
    token: int = open_library().seccomp_arch_resolve_name(plain.encode())
    if not token:
        raise NotKnown("architecture", name)
    return token


def syscall_number(name: str, arch: str | None = None) -> int:
    """Return the number of a call; negative numbers stand for calls that `arch` lacks.

    A name that no architecture has raises NotKnown.  None is the native architecture, whose
    numbers, pseudo numbers included, are those that rules take.
    """
    library, text = open_library(), name.encode("utf-8", "surrogateescape")
    if arch is None:
        number: int = library.seccomp_syscall_resolve_name(text)
    else:
        number = library.seccomp_syscall_resolve_name_arch(arch_token(arch), text)
    if number == NOT_FOUND:
        raise NotKnown("system call", name, arch)
    return number


def rewritten_number(name: str, arch: str) -> int:
    """Return the number that a filter for `arch` really tests, socketcall's for `socket`, say."""
    text = name.encode("utf-8", "surrogateescape")
    number: int = open_library().seccomp_syscall_resolve_name_rewrite(arch_token(arch), text)
    if number == NOT_FOUND:
        raise NotKnown("system call", name, arch)
    return number


def real_number(name: str, arch: str) -> int:
    """Return the number by which a program calls, never a pseudo number.  Raises NotKnown.

    The library gives calls that are also reached through another one (`socket` through
    `socketcall` on x86) a pseudo number, so the table is searched the other way round.
    """
    number = syscall_number(name, arch)
    if number >= 0:
        return number
    for number, known in known_calls(arch):
        if known == name:
            return number
    raise NotKnown("system call", name, arch)


def syscall_name(number: int, arch: str | None = None) -> str:
    """Return the name of a call.  None is the native architecture.  Raises NotKnown."""
    from ._abi import ffi

    library = open_library()
    token = library.seccomp_arch_native() if arch is None else arch_token(arch)
    found = library.seccomp_syscall_resolve_num_arch(token, number)
    if not found:
        raise NotKnown("system call", number, arch)
    try:
        name: str = ffi.string(found).decode()
        return name
    finally:
        libc().free(found)  # the library hands over what it allocated


# Where the numbers of an architecture begin, if not at 0.
_BASES = {
    "SCMP_ARCH_X32": 0x40000000,
    "SCMP_ARCH_MIPS": 4000,
    "SCMP_ARCH_MIPSEL": 4000,
    "SCMP_ARCH_MIPS64": 5000,
    "SCMP_ARCH_MIPSEL64": 5000,
    "SCMP_ARCH_MIPS64N32": 6000,
    "SCMP_ARCH_MIPSEL64N32": 6000,
}
_ROOM = 1024  # numbers above the base; Linux has used 550
_ARM_PRIVATE = (0xF0001, 0xF0006)  # cacheflush, set_tls ...


def known_calls(arch: str) -> Iterator[tuple[int, str]]:
    """Yield number and name of every call of an architecture that the library knows."""
    arch = arch_name(arch_token(arch))
    base = _BASES.get(arch, 0)
    numbers = [*range(base, base + _ROOM)]
    if arch == "SCMP_ARCH_ARM":
        numbers += range(*_ARM_PRIVATE)
    for number in numbers:
        try:
            yield number, syscall_name(number, arch)
        except NotKnown:
            continue


def libc() -> Any:
    """Return the C library that this process runs on."""
    from ._abi import ffi

    return ffi.dlopen(None)
