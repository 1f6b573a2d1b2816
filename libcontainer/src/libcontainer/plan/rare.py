"""What few documents ask of their process: a memory policy, a personality, an executor."""

from __future__ import annotations

from .. import _log
from ..capabilities import OPENS_MAPPED
from ..errors import SpecError
from ..memory_policy import policy_call
from ..spec.rules.rare import DOMAINS
from .lastmile import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..capabilities import CapabilitySets
    from ..namespaces import Namespaces
    from ..spec.document import Spec
    from ..spec.linux import Linux


def inherited(linux: Linux) -> list[Entry]:
    """Return the calls for what a process keeps over its exec and needs no right for.

    In the list, so that Python's own pages and its view of the machine stay as they are.
    """
    entries = []
    if linux.memory_policy is not None:
        policy = linux.memory_policy
        nodes = policy.nodes.strip()
        does = f"set the memory policy to {policy.mode}" + (f" of nodes {nodes}" if nodes else "")
        entries.append(Entry("set_mempolicy", policy_call(policy), does))
    if (personality := linux.personality) is not None:
        if personality.flags:
            _log.warning("linux.personality.flags are not defined, ignored")
        # 0 too: it takes away what the caller has changed of its own (setarch).
        domain = DOMAINS[personality.domain]
        does = f"set the personality to {personality.domain}"
        entries.append(Entry("personality", (domain,), does))
    return entries


def check_executor(
    name: str,
    spec: Spec,
    namespaces: Namespaces,
    capabilities: CapabilitySets,
    *,
    sealed: bool,
) -> None:
    """Raise SpecError where an interpreter may not be what a container runs.

    Who may trace it could open its file, and write it when the host does not run it any more
    (CVE-2019-5736); other containers are not to see it at all.  Its libraries are the host's
    files: with two of the host's capabilities it could open what it has mapped.
    """
    faults = []
    if not namespaces.new("pid"):
        faults.append(f"{name} needs a new pid namespace")
    if not sealed:
        faults.append(f"{name} needs a sealed copy of the runtime's interpreter")
    had = capabilities.bounding | capabilities.permitted | capabilities.inheritable
    if had & OPENS_MAPPED and not namespaces.own("user"):
        text = "may not have CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE without a user namespace"
        faults.append(f"{name} {text}")
    if spec.hooks is not None and spec.hooks.start_container:
        faults.append(f"startContainer hooks are not supported beside {name}")
    if faults:
        raise SpecError(tuple(faults))
