"""What few documents ask of their process: a memory policy, a personality."""

from __future__ import annotations

from .. import _log
from ..memory_policy import policy_call
from ..spec.rules.rare import DOMAINS
from .lastmile import Entry

TYPE_CHECKING = False
if TYPE_CHECKING:
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
