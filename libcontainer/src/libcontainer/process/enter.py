"""Putting a planned tenant into a container: filter, cgroup, process."""

from __future__ import annotations

from libcgroups.manager import load_manager

from ..state import FILTERS
from ..status import RUNNING, hook_document
from .placement import parse_subs, placements
from .tenant import Tenant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..kernel.linux import LinuxKernel
    from ..plan.tenant import TenantPlan
    from ..spec.document import Spec
    from ..state import SavedState
    from .tenant import Inside, Program


def annotated(spec: Spec) -> tuple[Spec, dict[str, bool]]:
    """Return the document with what annotations say, and what they ask of a tenant's plan."""
    if not any([key.startswith("run.oci.") for key in spec.annotations or ()]):
        return spec, {}
    from ..annotations import read  # rare

    spec, wishes = read(spec)
    return spec, {"keep_groups": wishes.keep_groups, "seccomp_strict": wishes.seccomp_strict}


def enter(
    plan: TenantPlan,
    program: Program,
    saved: SavedState,
    inside: Inside,
    kernel: LinuxKernel,
    *,
    root: str,
    cgroup: tuple[str, ...] = (),
    stdio: tuple[int, ...] = (0, 1, 2),
    before_run: Callable[[], object] | None = None,
) -> int:
    """Return the pid of the tenant, a child of ours that has become its program.

    `root` is the state root, whose cache may have the filter; `cgroup` as exec's option has it;
    `before_run` is called when nothing but the tenant's own exec is left to wait for.  Raises
    any of `errors.failures`; then nothing is left.
    """
    manager = load_manager(saved.cgroup)
    tenant = Tenant(plan, inside, program, kernel, manager, stdio=stdio)
    tenant.before_run = before_run
    if plan.seccomp is not None:
        _load_filter(tenant, plan, saved, root)
    return tenant.start(placements(manager, saved.cgroup, parse_subs(cgroup), inside.pid))


def _load_filter(tenant: Tenant, plan: TenantPlan, saved: SavedState, root: str) -> None:
    from libseccomp.cache import load  # only with a profile

    profile = plan.seccomp
    if profile is None:
        return
    compiled = load(profile, f"{root}/{FILTERS}", refuse_unknown=plan.seccomp_strict)
    tenant.filter, tenant.filter_flags = compiled.program, compiled.flags
    if not compiled.notifies:
        return
    from ..codec import loads
    from ..seccomp import hand_over  # rare

    state = loads(hook_document(saved, RUNNING))

    def take(pid: int, number: int, reader: int) -> None:
        hand_over(profile, pid, number, state, tenant.kernel, reader)

    tenant.on_filter = take
