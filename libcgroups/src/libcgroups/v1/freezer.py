"""`freezer.state`, and signals, which a frozen v1 cgroup only delivers after its thaw.

Kernel: Documentation/admin-guide/cgroup-v1/freezer-subsystem.rst.
"""

from __future__ import annotations

import time

from .. import files
from ..errors import CgroupError, ControlFileError
from ..files import Directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .manager import Manager

_SIGKILL = 9
_ROUNDS = 1000


def freeze(freezer: Directory) -> None:
    """Freeze, and return when every process stands.

    While processes fork, the kernel can stay at FREEZING for ever: the children are missed.
    Asking again helps mostly, a short thaw now and then helps the rest.
    """
    try:
        for i in range(_ROUNDS):
            if i % 50 == 49:
                freezer.write("freezer.state", "THAWED")
                time.sleep(0.01)
            freezer.write("freezer.state", "FROZEN")
            if i % 25 == 24:
                time.sleep(0.01)
            if freezer.read("freezer.state") == "FROZEN":
                return
        raise CgroupError("unable to freeze")
    except BaseException:  # who is interrupted leaves nobody frozen either
        try:
            freezer.write("freezer.state", "THAWED")
        except ControlFileError:
            pass  # best effort: the first error is the one to tell
        raise


def kill(manager: Manager, signal: int) -> None:
    """Signal every process of the cgroup and below."""
    freezer = manager.directory_of("freezer")
    if freezer is not None and not freezer.has("freezer.state"):
        freezer = None  # a part of the cgroup is missing: whoever made or removed it was killed
    was_frozen = manager.is_frozen()
    if signal == _SIGKILL and (unified := manager.paths.get("")):
        # At once and without a race, if the host is hybrid and the kernel 5.14.
        Directory(unified).kill()
    elif freezer is not None and not was_frozen:
        # Nobody may fork between the reading of the list and the signals.
        try:
            freeze(freezer)
        except ControlFileError as e:
            if e.errno not in files.ABSENT:
                raise
    try:
        files.signal(manager.pids(), signal)
    finally:
        if freezer is not None and (signal == _SIGKILL or not was_frozen):
            _thaw(freezer)


def _thaw(freezer: Directory) -> None:
    try:
        freezer.write("freezer.state", "THAWED")
    except ControlFileError as e:
        if e.errno not in files.ABSENT:  # removed meanwhile, so nobody was left in it
            raise
