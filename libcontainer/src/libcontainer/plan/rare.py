"""What few documents ask of their process: a memory policy, a personality, an executor."""

from __future__ import annotations

from .. import _log
from ..memory_policy import policy_call
from ..spec.rules.rare import DOMAINS
from .lastmile import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..namespaces import Namespaces
    from ..spec.document import Spec
    from ..spec.linux import Linux


def inherited(linux: Linux) -> list[Entry]:
    """Return the calls for what a process keeps over its exec and needs no right for.

    In the list, so that Python's own pages and its view of the machine stay as they are.
    """
    entries = []
    if linux.memory_policy is not None:
        policy = policy_call(linux.memory_policy)
        entries.append(Entry("set_mempolicy", policy, "set the memory policy"))
    if (personality := linux.personality) is not None:
        if personality.flags:
            _log.warning("linux.personality.flags are not defined, ignored")
        if domain := DOMAINS[personality.domain]:
            entries.append(Entry("personality", (domain,), "set the personality"))
    return entries


def executor_faults(name: str, spec: Spec, namespaces: Namespaces, *, sealed: bool) -> list[str]:
    """Return why an interpreter may not be what a container runs.

    Who may trace it could open its file, and keep that for when the host runs it again
    (CVE-2019-5736); other containers are not to see it at all.
    """
    faults = []
    if not namespaces.new("pid"):
        faults.append(f"{name} needs a new pid namespace")
    if not sealed and not namespaces.own("user"):
        text = "needs a user namespace of the container's own, or a sealed copy of the runtime"
        faults.append(f"{name} {text}")
    if spec.hooks is not None and spec.hooks.start_container:
        faults.append(f"startContainer hooks are not supported beside {name}")
    return faults
