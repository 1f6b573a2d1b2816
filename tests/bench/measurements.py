"""How each row is measured: one sample of one runtime at a time."""

from __future__ import annotations

import itertools
import statistics
import time
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import rows
import spawn
from lab import proportional_memory
from probe import Library, run_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from lab import Container, Lab
    from rows import Row
    from runtimes import Runtime


def _nothing(lab: Lab, runtime: Runtime) -> AbstractContextManager[Any]:
    return nullcontext()


@dataclass(frozen=True)
class Measurement:
    """Rows that are taken together.  A sample is a value for each row's key."""

    rows: tuple[Row, ...]
    sample: Callable[[Lab, Runtime, Any], dict[str, float]]
    prepare: Callable[[Lab, Runtime], AbstractContextManager[Any]] = _nothing
    most: int | None = None  # rounds, for what does not vary
    own_only: bool = False


def life(lab: Lab, runtime: Runtime, _: object = None) -> dict[str, float]:
    """A container from create to the end of delete, in three processes.

    The whole has the payload's own time in it: delete must wait for its end.
    """
    began = time.perf_counter()
    with lab.create(runtime, lab.bundles.true()) as container:
        started = container.start()
        container.wait()
        deleted = container.delete()
        whole = (time.perf_counter() - began) * 1000
        return {
            "cycle": whole,
            "create": container.took,
            "start": started,
            "delete": deleted,
        }


def foreground(lab: Lab, runtime: Runtime, _: object) -> dict[str, float]:
    """A container in the foreground, gone at the end."""
    return {"run": run_once(lab, runtime, lab.bundles.true())}


def run_once(lab: Lab, runtime: Runtime, bundle: str) -> float:
    identifier = lab.claim(runtime)
    try:
        took = lab.command(runtime, "run", "--bundle", bundle, identifier)
        lab.forget(identifier)
        return took
    finally:
        lab.discard(identifier)


@contextmanager
def one_sleeping(lab: Lab, runtime: Runtime) -> Iterator[Container]:
    with lab.create(runtime, lab.bundles.sleep()) as container:
        container.start()
        yield container
        container.kill()
        container.delete()


def tenant(lab: Lab, runtime: Runtime, container: Container) -> dict[str, float]:
    """One more process in a running container."""
    return {"exec": lab.command(runtime, "exec", container.id, "/bin/true")}


@contextmanager
def ten_created(lab: Lab, runtime: Runtime) -> Iterator[list[Container]]:
    with ExitStack() as stack:
        create = lab.create
        bundle = lab.bundles.true()
        yield [stack.enter_context(create(runtime, bundle)) for _ in range(10)]


def questions(lab: Lab, runtime: Runtime, ten: list[Container]) -> dict[str, float]:
    """The commands that change nothing, with ten containers there."""
    state = lab.command(runtime, "state", ten[0].id)
    lab.rest()
    # A signal that a process ignores unless it asked for it.
    kill = lab.command(runtime, "kill", ten[0].id, "WINCH")
    lab.rest()
    return {"state": state, "kill": kill, "list": lab.command(runtime, "list")}


@contextmanager
def library_worker(lab: Lab, runtime: Runtime) -> Iterator[Library | None]:
    if not runtime.own:
        yield None
        return
    with Library(lab, runtime, lab.bundles.true()) as library:
        yield library


def library_life(lab: Lab, runtime: Runtime, library: Library | None) -> dict[str, float]:
    """The same life; ours in one process that has everything loaded, peers as before."""
    if library is None:
        return {"library": life(lab, runtime)["cycle"]}
    identifier = lab.claim(runtime)
    try:
        took = library.live(identifier)
        lab.forget(identifier)
        return {"library": took}
    finally:
        lab.discard(identifier)


def waiting_memory(lab: Lab, runtime: Runtime, _: object) -> dict[str, float]:
    """What everything that waits for `start` costs: all processes that create left."""
    found = {}
    for key, bundle in (
        ("memory", lab.bundles.true()),
        ("memory_docker", lab.bundles.docker()),
    ):
        before = spawn.descendants()
        with lab.create(runtime, bundle):
            left = [pid for pid in spawn.descendants() if pid not in before]
            found[key] = proportional_memory(left) / 1e6
    return found


_LIMITS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
LIMITS = (*_LIMITS, 12288, 16384, 24576, 32768, 65536)  # kB


def smallest_limit(lab: Lab, runtime: Runtime, _: object) -> dict[str, float]:
    """Find by bisection where /bin/true runs three times out of three."""

    def runs(limit: int) -> bool:
        bundle = lab.bundles.limited(limit * 1024)
        try:
            for _ in range(3):
                run_once(lab, runtime, bundle)
        except spawn.CommandFailed:
            return False
        return True

    if not runs(LIMITS[-1]):
        run_once(lab, runtime, lab.bundles.limited(LIMITS[-1] * 1024))  # raises the reason
    fails, works = -1, len(LIMITS) - 1
    while works - fails > 1:
        middle = (fails + works) // 2
        fails, works = (fails, middle) if runs(LIMITS[middle]) else (middle, works)
    return {"limit": LIMITS[works]}


def last_mile(lab: Lab, runtime: Runtime, _: object) -> dict[str, float]:
    """From the exec of the stub in init to its report that it waits for `start`."""
    identifier = lab.claim(runtime)
    root = lab.state_root(runtime)
    try:
        took = run_probe(lab, runtime, "last_mile", root, lab.bundles.docker(), identifier)
    finally:
        lab.discard(identifier)
    return {"last_mile": took}


_caches = itertools.count()


def filters(lab: Lab, runtime: Runtime, _: object) -> dict[str, float]:
    """A filter compiled and stored, and then read by another process."""
    profile, cache = lab.bundles.filter(), str(lab.folder / f"cache-{next(_caches)}")
    return {
        "filter_first": run_probe(lab, runtime, "filter", profile, cache),
        "filter_cached": run_probe(lab, runtime, "filter", profile, cache),
    }


def crowd(count: int) -> Callable[[Lab, Runtime, object], dict[str, float]]:
    """Return what makes `count` containers, all alive, and compares the last with the first.

    Of the medians of the last and the first ten: a single create may take twice its time.
    """

    def sample(lab: Lab, runtime: Runtime, _: object) -> dict[str, float]:
        bundle = lab.bundles.true()
        with lab.create(runtime, bundle) as first:  # also warms up
            need = proportional_memory([first.pid]) * count
        if need > available_memory() / 2:
            raise spawn.CommandFailed(f"{count} of them would need {need / 1e9:.1f} GB")
        ends = max(1, min(10, count // 10))
        containers: list[Container] = []
        with ExitStack() as stack:
            for _ in range(count):
                lab.rest()
                containers.append(stack.enter_context(lab.create(runtime, bundle)))
            took = [container.took for container in containers]
            lists = [lab.command(runtime, "list") for _ in range(5)]
            # All at once and without the runtime: some wait 100 ms for each.
            for container in containers:
                container.kill()
                container.delete()
        return {
            "scale": statistics.median(took[-ends:]) / statistics.median(took[:ends]),
            "scale_list": statistics.median(lists),
        }

    return sample


def available_memory() -> int:
    """Return MemAvailable of /proc/meminfo, in bytes."""
    with open("/proc/meminfo") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("MemAvail"))


def all_measurements(scale: int) -> list[Measurement]:
    """Return everything that can be measured; `scale` containers alive, 0 leaves that out."""
    found = [
        Measurement((rows.CYCLE, rows.CREATE, rows.START, rows.DELETE), life),
        Measurement((rows.RUN,), foreground),
        Measurement((rows.EXEC,), tenant, one_sleeping),
        Measurement((rows.STATE, rows.KILL, rows.LIST), questions, ten_created),
        Measurement((rows.LIBRARY,), library_life, library_worker),
        Measurement((rows.LAST_MILE,), last_mile, own_only=True),
        Measurement((rows.FILTER_FIRST, rows.FILTER_CACHED), filters, own_only=True),
        Measurement((rows.MEMORY, rows.MEMORY_DOCKER), waiting_memory, most=5),
        Measurement((rows.LIMIT,), smallest_limit, most=1),
    ]
    if scale:
        last = replace(rows.SCALE, title=f"create number {scale} against the first, all alive")
        listed = replace(rows.SCALE_LIST, title=f"list of {scale}")
        found.append(Measurement((last, listed), crowd(scale), most=1))
    return found
