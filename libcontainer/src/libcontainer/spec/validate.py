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
from .rules.apart import apart
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
    if found := tuple(faults(spec)):
        raise SpecError(found)


def validate_process(process: Process, linux: Linux | None) -> None:
    """The same for a process that `exec` adds to a container with that `linux` object."""
    if found := tuple(process_rules.faults(process, linux or _NO_LINUX, "$")):
        raise SpecError(found)


def faults(spec: Spec) -> Iterator[str]:
    """Yield every fault of the document."""
    return apart(
        _version(spec),
        _process(spec),
        _root(spec),
        _names(spec),
        mount_rules.faults(spec),
        _hooks(spec),
        _annotations(spec),
        linux_rules.faults(spec),
    )


def _version(spec: Spec) -> Iterator[str]:
    # The specification promises compatibility inside a major version: a newer minor one is fine.
    text = spec.oci_version
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0].partition("-")[0]
    if not (major.isdecimal() and minor.isdecimal() and text.isascii()):
        yield f"$.ociVersion: not a version, got {quote(text)}"
    elif int(major) != 1:
        yield f"$.ociVersion: only versions 1.x are understood, got {quote(text)}"


def _process(spec: Spec) -> Iterator[str]:
    if spec.process is None:
        yield "process property must not be empty"
    else:
        yield from process_rules.faults(spec.process, spec.linux or _NO_LINUX, "$.process")


def _root(spec: Spec) -> Iterator[str]:
    if spec.root is None:
        yield "root must be specified"
    elif not spec.root.path:
        yield "$.root.path: empty"


def _annotations(spec: Spec) -> Iterator[str]:
    given = spec.annotations or {}
    if "" in given:
        yield "$.annotations: a key is empty"
    if any([key.startswith(("run.oci.", "module.wasm.", "krun.")) for key in given]):
        from .rules import annotations as rules  # rare

        yield from rules.faults(given, spec.process.args if spec.process is not None else ())


def _names(spec: Spec) -> Iterator[str]:
    linux = spec.linux or _NO_LINUX
    for kind, name in (("hostname", spec.hostname), ("domainname", spec.domainname)):
        if not name:
            continue
        if not any([namespace.type == "uts" for namespace in linux.namespaces]):
            yield f"unable to set {kind} without a private UTS namespace"
        if len(name.encode()) > _LONGEST_NAME:
            yield f"$.{kind}: longer than {_LONGEST_NAME} bytes"


def _hooks(spec: Spec) -> Iterator[str]:
    if (hooks := spec.hooks) is not None:
        yield from apart(*[_kind(hooks, name, key) for name, key, _, _ in hooks._fields])


def _kind(hooks: Hooks, name: str, key: str) -> Iterator[str]:
    found: tuple[Hook, ...] = getattr(hooks, name)
    yield from apart(*[_hook(hook, f"$.hooks.{key}[{i}]") for i, hook in enumerate(found)])


def _hook(hook: Hook, path: str) -> Iterator[str]:
    if not hook.path.startswith("/"):
        yield f"{path}.path: must be absolute, got {quote(hook.path)}"
    if hook.timeout is not None and hook.timeout <= 0:
        yield f"{path}.timeout: must be greater than 0, got {hook.timeout}"
