"""Rules that the types do not say, judged without looking at the host.

All faults are told at once.  Where the other runtimes have a sentence that engines know, it is
that sentence, after the path if the sentence does not say where; elsewhere it is the path and what
is wrong.  What depends on the host (whose
namespace a path names, whether AppArmor is on, what the kernel has) is judged with the plan.
"""

from __future__ import annotations

from ..errors import SpecError
from .linux import Linux
from .rules import linux as linux_rules
from .rules import mounts as mount_rules
from .rules import process as process_rules
from .rules.words import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from .document import Spec
    from .hooks import Hook, Hooks
    from .process import Process

_LONGEST_NAME = 64  # bytes; __NEW_UTS_LEN, include/uapi/linux/utsname.h
_NO_LINUX = Linux()


def validate(spec: Spec) -> None:
    """Do nothing if the document is sound, else raise SpecError with every fault."""
    if found := tuple(_faults(spec)):
        raise SpecError(found)


def validate_process(process: Process, linux: Linux | None) -> None:
    """The same for a process that `exec` adds to a container with that `linux` object."""
    if found := tuple(process_rules.faults(process, linux or _NO_LINUX, "$")):
        raise SpecError(found)


def _faults(spec: Spec) -> Iterator[str]:
    linux = spec.linux or _NO_LINUX
    yield from _version(spec.oci_version)
    if spec.process is None:
        yield "process property must not be empty"
    else:
        yield from process_rules.faults(spec.process, linux, "$.process")
    if spec.root is None:
        yield "root must be specified"
    elif not spec.root.path:
        yield "$.root.path: empty"
    yield from _names(spec, linux)
    yield from mount_rules.faults(spec, linux)
    if spec.hooks is not None:
        yield from _hooks(spec.hooks)
    if "" in (spec.annotations or ()):
        yield "$.annotations: a key is empty"
    yield from linux_rules.faults(linux, domainname=spec.domainname)


def _version(text: str) -> Iterator[str]:
    # The specification promises compatibility inside a major version: a newer minor one is fine.
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    if not (major.isdecimal() and minor.isdecimal() and text.isascii()):
        yield f"$.ociVersion: not a version, got {quote(text)}"
    elif int(major) != 1:
        yield f"$.ociVersion: only versions 1.x are understood, got {quote(text)}"


def _names(spec: Spec, linux: Linux) -> Iterator[str]:
    for kind, name in (("hostname", spec.hostname), ("domainname", spec.domainname)):
        if not name:
            continue
        if not any([namespace.type == "uts" for namespace in linux.namespaces]):
            yield f"unable to set {kind} without a private UTS namespace"
        if len(name.encode()) > _LONGEST_NAME:
            yield f"$.{kind}: longer than {_LONGEST_NAME} bytes"


def _hooks(hooks: Hooks) -> Iterator[str]:
    for name, key, _, _ in hooks._fields:
        for i, hook in enumerate(getattr(hooks, name)):
            yield from _hook(hook, f"$.hooks.{key}[{i}]")


def _hook(hook: Hook, path: str) -> Iterator[str]:
    if not hook.path.startswith("/"):
        yield f"{path}.path: must be absolute, got {quote(hook.path)}"
    if hook.timeout is not None and hook.timeout <= 0:
        yield f"{path}.timeout: must be greater than 0, got {hook.timeout}"
