"""One loop applies steps and says which was refused."""

import errno
import os

import pytest

from libcontainer._record import BadDocument
from libcontainer.attributes import Hostname, LoopbackUp
from libcontainer.errors import StepFailed
from libcontainer.rootfs.root import Rootfs
from libcontainer.rootfs.steps import BindMount, Mask
from libcontainer.step import Step, apply_all, failed, prepare_all


@pytest.fixture
def nowhere(kernel):
    return Rootfs(kernel, "/nowhere")


def test_steps_are_applied_in_order(kernel, nowhere):
    """
    The order of the list is the order of the calls.
    """
    apply_all([LoopbackUp(), Hostname("a"), Hostname("b")], nowhere, kernel)

    assert kernel.calls == [("link_up", ("lo",)), ("sethostname", ("a",)), ("sethostname", ("b",))]


def test_a_refused_step_is_named_and_the_errno_kept(kernel, nowhere):
    """
    The first refusal ends the loop; it says which step, what the kernel said, and keeps the errno.
    """
    kernel.fail["sethostname"] = errno.EPERM

    with pytest.raises(StepFailed) as e:
        apply_all([Hostname("a"), LoopbackUp()], nowhere, kernel)

    assert str(e.value) == "set hostname a: operation not permitted"
    assert (e.value.step, e.value.errno) == ("set hostname a", errno.EPERM)
    assert isinstance(e.value.__cause__, PermissionError)
    assert kernel.names == ["sethostname"]


def test_a_refusal_while_preparing_names_the_step(kernel, nowhere):
    """
    A source that is not there is the failure of its mount, before any mount is made.
    """
    steps = [Mask("/x"), BindMount(source="/missing", destination="/x")]

    with pytest.raises(StepFailed, match=r"^bind /missing onto /x: no such file or directory$"):
        prepare_all(steps, nowhere, kernel)

    os.close(nowhere.null)
    assert kernel.names == ["open_tree"]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(OSError(1, "call: refused", "/y"), "call: refused (/y)", id="other-object"),
        pytest.param(OSError(1, "call: refused", "a"), "call: refused", id="object-is-the-steps"),
        pytest.param(OSError(1, "call: refused", 7), "call: refused", id="descriptor"),
        pytest.param(OSError(1, "openat2: refused", "/y"), "refused (/y)", id="implied-call"),
        pytest.param(OSError(1, "fsmount: refused"), "fsmount: refused", id="telling-call"),
        pytest.param(OSError(2, "No such file"), "no such file", id="standard-library"),
        pytest.param(OSError("odd"), "odd", id="without-errno"),
    ],
)  # fmt: skip
def test_what_a_refusal_says(error, reason):
    """
    The object is named unless the step has named it already.
    """
    assert str(failed(Hostname("a"), error)) == f"set hostname a: {reason}"


def test_a_step_is_written_with_its_class():
    """
    The written form of a step has its class name, by which it is read.
    """
    step = Hostname("a")

    assert step.to_json() == {"step": "Hostname", "name": "a"}
    assert Step.from_json(step.to_json()) == step


@pytest.mark.parametrize(
    "data", [None, [], {}, {"step": "Nothing"}, {"step": "Hostname"}, {"step": "Mask", "path": 1}]
)
def test_what_is_no_step_is_refused(data):
    """
    An unknown class, or one without its fields, is no step.
    """
    with pytest.raises(BadDocument):
        Step.from_json(data)
