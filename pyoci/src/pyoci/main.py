"""The program: reads the command line, does the command, says what went wrong, leaves.

    argv ─> liboci_cli ─> one file of commands/ ─> libcontainer.ops

Only this module prints errors, logs them and picks the exit status.
"""

from __future__ import annotations

import _signal
import gc
import posix
import sys

from liboci_cli.args import parse
from liboci_cli.errors import UsageError

from .log import BadLog, Log, environment, quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from liboci_cli.args import GlobalArgs

_PREFIXES = {"create": "create failed: ", "run": "run failed: ", "exec": "exec failed: "}
# While these make something, a request to stop must not leave it half made.
_MAKING = ("create", "run", "exec")
_REQUESTS = {
    _signal.SIGINT: "interrupted",
    _signal.SIGTERM: "terminated",
    _signal.SIGHUP: "hung up",
}
# Of a failure that is ours; exec's tells it from the program's own 1.
_STATUSES = {"exec": 255}


class Asked(BaseException):
    """A signal has asked us to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def main() -> NoReturn:
    """Run the command line and leave with its exit status.

    Through `_exit`: the interpreter's own end costs 1.1 ms, and there is nothing to tidy.
    """
    gc.disable()  # a run is over before a collection would find anything
    try:
        status = run(sys.argv[1:])
    except Asked as e:
        status = 128 + e.number  # all was said already
    posix._exit(status)


def run(argv: list[str]) -> int:
    """Do what a command line says; return the exit status."""
    _open_stdio()
    log = quiet()
    if asked := environment("_PYOCI_COMPLETE"):
        from .completing import answer

        return answer(asked)
    try:
        invocation = parse(argv, program="pyoci")
    except UsageError as e:
        return _usage_error(e, log)
    except Exception as e:
        return _crash(e, log, "")
    command = invocation.command
    try:
        log = _log(invocation.globals)
    except BadLog as e:
        log.error(str(e))
        return 1
    try:
        _take_signals(command)
        module = __import__(f"pyoci.commands.{command}", fromlist=["run"])
        status: int = module.run(invocation.globals, invocation.args)
        return status
    except Asked as e:
        log.error(_PREFIXES.get(command, "") + _REQUESTS[e.number])
        return 128 + e.number  # as a shell says it
    except BrokenPipeError:
        return 1  # whoever read our output has gone
    except Exception as e:
        _failure(e, log, command)
        return _STATUSES.get(command, 1)


def _take_signals(command: str) -> None:
    """Be asked to stop by an exception, so that what is half made is undone.

    But for the ends of children, which nobody may ignore: else nobody can be waited for.
    """
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    be_asked(*(_REQUESTS if command in _MAKING else (_signal.SIGINT,)))
    sys.unraisablehook = _ask_again


def be_asked(*numbers: int) -> None:
    """Raise Asked for these signals, unless the caller has us ignore them."""
    for number in numbers:
        if _signal.getsignal(number) != _signal.SIG_IGN:
            _signal.signal(number, _stop)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    for other in _REQUESTS:
        _signal.signal(other, _signal.SIG_IGN)  # once: undoing is not to be left half done either
    raise Asked(number)


def _ask_again(unraisable: sys.UnraisableHookArgs) -> None:
    """The exception came where nothing can be raised, as in a finaliser: soon somewhere else."""
    error = unraisable.exc_value
    if not isinstance(error, Asked):
        sys.__unraisablehook__(unraisable)
        return

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise Asked(error.number)

    _signal.signal(_signal.SIGALRM, stop)
    _signal.setitimer(_signal.ITIMER_REAL, 0.001)


def _failure(e: Exception, log: Log, command: str) -> None:
    from libcontainer.errors import ContainerError, SpecError, failures

    prefix = _PREFIXES.get(command, "")
    if not isinstance(e, (*failures(), ValueError)):
        _crash(e, log, prefix)
        return
    _trace(e, log)
    hint = _hint(e) if posix.isatty(2) else None
    text, lines = str(e), []
    if isinstance(e, SpecError) and posix.isatty(2) and len(e.faults) > 1:
        lines = [prefix + "the document has faults:", *["  " + fault for fault in e.faults]]
    elif isinstance(e, OSError) and not isinstance(e, ContainerError):
        what = f"{e.filename}: " if e.filename is not None else ""
        text = what + (e.strerror or str(e)).lower()
    log.error(prefix + text, hint, tuple(lines))


def _hint(e: Exception) -> str | None:
    """Return what helps a person on; engines never see it."""
    from libcontainer.errors import NoSuchContainer

    text = str(e)
    if isinstance(e, NoSuchContainer):
        return f"the state root searched is {e.root}"
    if "rootless container requires user namespaces" in text:
        return "pyoci spec --rootless writes a document that has one"
    if text.startswith("JSON specification file"):
        return "--bundle names another directory, --config another file; pyoci spec writes one"
    if text.startswith("chdir ") and getattr(e, "stage", "") == "bundle":
        return "a bundle is a directory with config.json and a root file system"
    if text.startswith("cannot allocate tty"):
        return "set process.terminal to false, or give --console-socket"
    if text.startswith("open /dev/tty"):
        return "set process.terminal to false, or use --detach and --console-socket"
    if isinstance(e, PermissionError) and not environment("XDG_RUNTIME_DIR") and posix.geteuid():
        return "XDG_RUNTIME_DIR is not set; set it, or name a state directory with --root"
    return None


def _crash(e: Exception, log: Log, prefix: str) -> int:
    """A fault of ours: still one line; the trace is for whoever asks."""
    _trace(e, log)
    hint = "this is a fault of pyoci; PYOCI_DEBUG=1 shows where"
    log.error(f"{prefix}internal error: {type(e).__name__}: {e}", hint)
    return 1


def _trace(e: Exception, log: Log) -> None:
    """Show where it happened, to who asked: PYOCI_DEBUG=1 on stderr, --debug in the log."""
    shown = environment("PYOCI_DEBUG")
    if shown or log.wants("debug"):
        import traceback

        text = "".join(traceback.format_exception(e))
        log.details(text)
        if shown:
            posix.write(2, text.encode("utf-8", "backslashreplace"))


def _usage_error(e: UsageError, log: Log) -> int:
    if e.globals is not None:
        try:
            log = _log(e.globals)
        except BadLog:
            pass  # the command line is wrong, and that is told
    hint = None
    if posix.isatty(2):
        enable_site()
        from liboci_cli.people import hint as suggest

        hint = suggest(e, "pyoci")
    log.error(str(e), hint)
    return e.exit_status


def enable_site() -> None:
    """Find what is installed, as an ordinary start does: the launcher leaves `site` out."""
    if sys.flags.no_site and "site" not in sys.modules:
        import site

        site.main()


def _log(options: GlobalArgs) -> Log:
    level = options.log_level or ("debug" if options.debug else "error")
    log = Log(
        options.log,
        json=options.log_format == "json",
        level=level,
        journal=options.systemd_log,
    )
    log.take_over()
    if options.criu is not None:
        log.message("warning", "--criu is ignored, criu is found in $PATH")
    return log


def _open_stdio() -> None:
    """Open what the caller left closed of 0, 1 and 2: else the next file would take its place."""
    for fd in (0, 1, 2):
        try:
            posix.fstat(fd)
        except OSError:
            # Not close-on-exec: what the caller left closed is still stdio of what we execute.
            posix.set_inheritable(posix.open("/dev/null", posix.O_RDWR), True)
