"""What is asked of systemd about units."""

from __future__ import annotations

from .._log import warning
from ..errors import BusError, CgroupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .annotations import Property
    from .bus import Bus

_PATIENCE = 30  # seconds for a job
_EXISTS = "org.freedesktop.systemd1.UnitExists"
_NO_SUCH = (
    "org.freedesktop.systemd1.NoSuchUnit",
    "org.freedesktop.systemd1.UnitNotLoaded",
    "org.freedesktop.DBus.Error.UnknownObject",  # it went between two calls
)
_SCOPE = "org.freedesktop.systemd1.Scope"
_UNKNOWN = "Cannot set property "  # "... X, or unknown property"


class Units:
    """systemd's manager, the system's or the user's; connected when first needed."""

    def __init__(self, *, user: bool, bus: Bus | None = None) -> None:
        self._user = user
        self._open_bus = bus
        self._subscribed = False

    @property
    def _bus(self) -> Bus:
        if self._open_bus is None:
            from .bus import open_bus

            self._open_bus = open_bus(user=self._user)
        return self._open_bus

    def control_group(self) -> str:
        """Return the manager's own cgroup: "" for the host's."""
        found: str = self._bus.get("ControlGroup")
        return found

    def start(self, unit: str, properties: list[Property]) -> None:
        """Start a transient unit, and return when it runs."""
        self.finish(unit, self.begin(unit, properties))

    def begin(self, unit: str, properties: list[Property]) -> str:
        """Have a transient unit started; return the job.  From then on the unit is ours.

        Raises BusError where there is a unit of that name: it is somebody else's.
        """
        try:
            return self._begin(unit, properties)
        except BusError as e:
            if e.name != _EXISTS:
                raise
            # Left from one that failed; if it is in use, the second try says so.
            self.reset_failed(unit)
            return self._begin(unit, properties)

    def _begin(self, unit: str, properties: list[Property]) -> str:
        self._subscribe()

        def call(known: list[Property]) -> str:
            reply = self._bus.call(
                "StartTransientUnit", "ssa(sv)a(sa(sv))", unit, "replace", _variants(known), []
            )
            return str(reply.read("o"))

        return self._without_unknown(call, properties)

    def finish(self, unit: str, job: str) -> None:
        """Return when the job of `begin` is done."""
        if (result := self._wait(job)) != "done":
            self.reset_failed(unit)
            raise CgroupError(f"error creating systemd unit `{unit}`: got `{result}`")

    def set(self, unit: str, properties: list[Property]) -> None:
        """Change properties of a running unit, until the next boot."""

        def call(known: list[Property]) -> str:
            self._bus.call("SetUnitProperties", "sba(sv)", unit, True, _variants(known))
            return ""

        self._without_unknown(call, properties)

    def _without_unknown(
        self, call: Callable[[list[Property]], str], properties: list[Property]
    ) -> str:
        """Call, again without the property that an older systemd does not know."""
        left = list(properties)
        for _ in range(32):
            try:
                return call(left)
            except BusError as e:
                _, found, rest = e.text.partition(_UNKNOWN)
                name = rest.partition(",")[0].strip()
                if not found or name not in [item[0] for item in left]:
                    raise
                warning(f"systemd does not know the property {name}, only the file is written")
                left = [item for item in left if item[0] != name]
        raise CgroupError("systemd refuses too many properties")

    def stop(self, unit: str) -> None:
        """Stop a unit, and return when it has stopped.  No such unit is no error."""
        self._subscribe()
        try:
            job = self._bus.call("StopUnit", "ss", unit, "replace").read("o")
        except BusError as e:
            if e.name not in _NO_SUCH:
                raise
            return
        self._wait(job)
        self.reset_failed(unit)

    def slice_of(self, unit: str) -> str | None:
        """Return the slice that a scope is in; None if there is no such unit."""
        try:
            path = self._bus.call("GetUnit", "s", unit).read("o")
            return str(self._bus.get("Slice", _SCOPE, path))
        except BusError as e:
            if e.name not in _NO_SUCH:
                raise
            return None

    def reset_failed(self, unit: str) -> None:
        """Forget that a unit failed.  Best effort: mostly it has not, and is gone by now."""
        try:
            self._bus.call("ResetFailedUnit", "s", unit)
        except BusError:
            return

    def attach(self, unit: str, cgroup: str, pid: int) -> None:
        """Move a process into a cgroup of a unit, with systemd's rights instead of ours."""
        self._bus.call("AttachProcessesToUnit", "ssau", unit, cgroup, [pid])

    def _subscribe(self) -> None:
        # Before the call that makes the job: the signal may come before the reply.
        if not self._subscribed:
            self._bus.subscribe()
            self._subscribed = True

    def _wait(self, job: str) -> str:
        for signal in self._bus.signals("JobRemoved", _PATIENCE):
            signal.read("u")
            if signal.read("o") == job:
                signal.read("s")
                return str(signal.read("s"))
        raise CgroupError(f"timeout waiting for systemd job {job}")


def _variants(properties: list[Property]) -> list[tuple[str, tuple[str, object]]]:
    return [(name, (signature, value)) for name, signature, value in properties]
