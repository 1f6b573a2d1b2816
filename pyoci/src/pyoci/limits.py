"""What update's options say, as `linux.resources`."""

from __future__ import annotations

from libcgroups.resources import LinuxBlockIO, LinuxCPU, LinuxMemory, LinuxPids, LinuxResources
from libcontainer import _log, codec
from libcontainer.errors import SpecError
from libcontainer.spec.rules.resources import faults

from .output import BadOption, read_file
from .quantities import number, size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from liboci_cli.running import UpdateArgs

# Options whose values the library judges, by where the document has them.
_OPTIONS = {
    "$.cpu.cpus": "cpuset-cpus",
    "$.cpu.mems": "cpuset-mems",
    "$.blockIO.weight": "blkio-weight",
}


def limits(args: UpdateArgs) -> LinuxResources:
    """Return the limits of the file, or else those of the options.  Raises BadOption, SpecError."""
    if args.resources is not None:
        return _load(args.resources)
    found = _given(args)
    if wrong := [_by_option(fault) for fault in faults(found, "$")]:
        raise BadOption("; ".join(wrong))
    return found


def _by_option(fault: str) -> str:
    """Name the option in place of the document's path, which nobody has typed."""
    path, _, why = fault.partition(": ")
    return f"invalid value for {_OPTIONS[path]}: {why}" if path in _OPTIONS else fault


def _given(args: UpdateArgs) -> LinuxResources:
    if args.kernel_memory is not None or args.kernel_memory_tcp is not None:
        _log.warning("Kernel memory settings are ignored and will be removed")
    return LinuxResources(
        memory=LinuxMemory(
            limit=size("memory", args.memory),
            reservation=size("memory-reservation", args.memory_reservation),
            swap=size("memory-swap", args.memory_swap),
        ),
        cpu=_cpu(args),
        # 0 means 1 in a document, but nobody who types 0 means that.
        pids=LinuxPids(limit=args.pids_limit) if args.pids_limit else None,
        block_io=LinuxBlockIO(weight=args.blkio_weight) if args.blkio_weight else None,
    )


def _cpu(args: UpdateArgs) -> LinuxCPU:
    idle = number("cpu-idle", args.cpu_idle, signed=True)
    if idle not in (None, 0, 1):
        raise BadOption(f"invalid value for cpu-idle: {args.cpu_idle}")
    return LinuxCPU(
        shares=number("cpu-share", args.cpu_share),
        quota=number("cpu-quota", args.cpu_quota, signed=True),
        burst=number("cpu-burst", args.cpu_burst),
        period=number("cpu-period", args.cpu_period),
        realtime_runtime=number("cpu-rt-runtime", args.cpu_rt_runtime, signed=True),
        realtime_period=number("cpu-rt-period", args.cpu_rt_period),
        cpus=args.cpuset_cpus or None,
        mems=args.cpuset_mems or None,
        idle=idle,
    )


def _load(path: str) -> LinuxResources:
    text = read_file(path)
    try:
        value = codec.loads(text)
    except codec.BadJSON as e:
        raise SpecError(e.faults) from None
    try:
        return LinuxResources.from_json(value)
    except ValueError:
        from libcgroups._record import faults as shape_faults  # only for bad documents

        raise SpecError(tuple(shape_faults(LinuxResources, value))) from None
