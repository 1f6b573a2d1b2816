"""Operations on containers that exist: each refuses what is not for it, in runc's words."""

import os

import pytest

from libcgroups.resources import LinuxPids, LinuxResources
from libcontainer.errors import BadId, HookFailed, NoSuchContainer, WrongStatus
from libcontainer.identity import start_time
from libcontainer.ops.delete import delete
from libcontainer.ops.kill import kill
from libcontainer.ops.list import list_containers
from libcontainer.ops.start import start
from libcontainer.ops.state import state_document
from libcontainer.ops.update import update
from libcontainer.state import DamagedState, open_directory

WAYS = {
    "state": lambda id, root: state_document(id, root=root),
    "start": lambda id, root: start(id, root=root),
    "kill": lambda id, root: kill(id, 15, root=root),
    "delete": lambda id, root: delete(id, root=root),
}


@pytest.mark.parametrize("way", WAYS)
def test_no_such_container(root, no_leak, way):
    """
    Nothing of that id below the root, which need not even be there.
    """
    with pytest.raises(NoSuchContainer, match="^container does not exist$"):
        WAYS[way]("box", root)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("id", ["../box", "", "."])
def test_a_bad_id(root, way, id):
    """
    Is refused before anything is looked at.
    """
    with pytest.raises(BadId):
        WAYS[way](id, root)


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_state(box, root, way):
    """
    Is an error of every operation, that names the file.
    """
    one = box()
    with open(f"{one.path}/state.json", "w") as file:
        file.write("{")

    with pytest.raises(DamagedState, match=f"^read {one.path}/state.json: invalid JSON"):
        WAYS[way]("box", root)

    assert os.path.exists(one.path)
    delete("box", root=root, force=True)
    assert not os.path.exists(one.path)


# start


def test_start_lets_the_process_go(box, root):
    """
    After start it runs what it waited to run; its pid is the same.
    """
    one = box().wait_at_the_barrier()
    one.save()
    assert state_document("box", root=root)["status"] == "created"

    start("box", root=root)

    found = state_document("box", root=root)
    assert (found["status"], found["pid"]) == ("running", one.process.pid)


def test_a_running_container_is_not_started(box, root):
    """
    Once is enough.
    """
    box().run().save()

    with pytest.raises(WrongStatus, match="^cannot start an already running container$") as e:
        start("box", root=root)

    assert e.value.has == "running"


def test_a_stopped_container_is_not_started(box, root):
    """
    It cannot be brought back.
    """
    box().save()

    with pytest.raises(WrongStatus, match="^cannot start a container that has stopped$"):
        start("box", root=root)


def test_a_container_that_is_being_created_is_not_started(box, root):
    """
    Its creator holds the lock.
    """
    one = box()
    one.save("creating")
    one.directory.lock()

    with pytest.raises(WrongStatus, match="^cannot start a container in the creating state$"):
        start("box", root=root)


def test_poststart_hooks_run_when_the_payload_does(box, root, tmp_path):
    """
    In the bundle, with the state `running` and the pid.
    """
    one = box().wait_at_the_barrier()
    one.hooks(poststart=["cat > got"])
    one.save(hooks=("poststart",), bundle=str(tmp_path))

    start("box", root=root)

    got = (tmp_path / "got").read_text()
    assert '"status":"running"' in got and f'"pid":{one.process.pid}' in got


def test_a_failing_poststart_hook_stops_the_container(box, root, ended):
    """
    The hook's failure is that of start.
    """
    one = box().wait_at_the_barrier()
    one.hooks(poststart=["exit 3"])
    one.save(hooks=("poststart",))

    with pytest.raises(HookFailed, match="poststart hook #0: exit status 3"):
        start("box", root=root)

    assert ended(one) == "SIGKILL"


# kill


@pytest.mark.parametrize(("number", "name"), [(15, "SIGTERM"), (9, "SIGKILL"), (34, "SIGRTMIN")])
def test_kill_signals_init(box, root, ended, number, name):
    """
    Any signal, to the process itself.
    """
    one = box().run()
    one.save()

    kill("box", number, root=root)

    assert ended(one) == name


def test_signal_0_asks_whether_it_is_there(box, root):
    """
    It signals nobody.
    """
    one = box().run()
    one.save()

    kill("box", 0, root=root)

    assert one.process.poll() is None


@pytest.mark.parametrize(
    "state", [{}, {"status": "creating"}, {"start_time": 5}], ids=["gone", "creating", "reused"]
)
def test_nobody_to_kill(box, root, state):
    """
    Never another process: not one that has the pid by now.
    """
    one = box().run()
    if not state:
        one.end()
        one.process = None
        one = box("other")
    one.save(**state)

    with pytest.raises(WrongStatus, match="^container not running$"):
        kill(one.id, 9, root=root)

    if one.process:
        assert one.process.poll() is None


def test_kill_all_without_a_cgroup(box, root):
    """
    Without one nobody knows who all are: init alone is signalled, and one that ended is no fault.
    """
    one = box().run()
    one.save()

    kill("box", 15, root=root, all=True)
    assert one.process.wait() == -15

    kill("box", 15, root=root, all=True)


# delete


def test_a_stopped_container_is_deleted(box, root):
    """
    Its directory goes.
    """
    one = box()
    one.save()

    delete("box", root=root)

    assert not os.path.exists(one.path)
    with pytest.raises(NoSuchContainer):
        delete("box", root=root)


def test_a_created_container_is_deleted(box, root, ended):
    """
    Its process is killed first.
    """
    one = box().wait_at_the_barrier()
    one.save()
    ended_by = one.process

    delete("box", root=root)

    assert ended_by.wait(timeout=5) == -9
    assert not os.path.exists(one.path)


def test_a_running_container_is_deleted_only_by_force(box, root, ended):
    """
    The error says what it is.
    """
    one = box().run()
    one.save()

    text = "^cannot delete container box that is not stopped: running$"
    with pytest.raises(WrongStatus, match=text):
        delete("box", root=root)
    assert one.process.poll() is None

    delete("box", root=root, force=True)

    assert ended(one) == "SIGKILL"
    assert not os.path.exists(one.path)


def test_force_does_not_mind_what_is_not_there(root):
    """
    Deleting twice by force is no fault.
    """
    delete("box", root=root, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_what_a_killed_create_has_left(box, root, force):
    """
    A directory without a state is cleared; without force it is told that there was no container.
    """
    one = box()

    if force:
        delete("box", root=root, force=True)
    else:
        with pytest.raises(NoSuchContainer):
            delete("box", root=root)

    assert not os.path.exists(one.path)


def test_what_a_create_that_was_killed_later_has_left(box, root, ended):
    """
    Nobody holds the lock, so it counts as stopped; what it made is killed.
    """
    one = box().run()
    one.save("creating")

    delete("box", root=root)

    assert ended(one) == "SIGKILL"
    assert not os.path.exists(one.path)


def test_poststop_hooks_run_when_all_is_gone(box, root, tmp_path):
    """
    Each of them, though one fails; without a pid, and after the directory went.
    """
    one = box()
    one.hooks(poststop=["cat > got", "exit 1", f"ls {one.path} 2> /dev/null; echo $? > gone"])
    one.save(hooks=("poststop",), bundle=str(tmp_path))

    delete("box", root=root)

    got = (tmp_path / "got").read_text()
    assert '"status":"stopped"' in got and "pid" not in got
    assert (tmp_path / "gone").read_text() != "0\n"


# state and list


def test_the_state_document(box, root):
    """
    What others see of a container.
    """
    one = box().run()
    one.save(annotations={"a": "b"})

    found = state_document("box", root=root)

    assert found["pid"] == one.process.pid
    assert found["annotations"] == {"a": "b"}
    assert start_time(found["pid"]) is not None


def test_list(box, root, caplog):
    """
    All containers by id; one that is being made is left out, one that does not read is told.
    """
    box("b").run().save()
    box("a").save()
    box("new")
    with open(f"{box('damaged').path}/state.json", "w") as file:
        file.write("[]")

    found = list_containers(root=root)

    assert [(one["id"], one["status"]) for one in found] == [("a", "stopped"), ("b", "running")]
    assert "load container damaged: read" in caplog.text
    with pytest.raises(FileNotFoundError):
        list_containers(root="/nowhere")


def test_reading_needs_no_lock(box, root):
    """
    state reads without the lock: a create that takes long does not hold it up.
    """
    one = box().run()
    one.save()
    one.directory.lock()

    assert state_document("box", root=root)["status"] == "running"
    with open_directory(root, "box") as other:
        assert other.is_locked()


def test_kill_without_a_cgroup_and_a_pid_namespace(box, root, ended):
    """
    SIGKILL reaches init even where nobody can tell who else belongs to the container.
    """
    one = box().run()
    one.save(private_pids=False)

    kill("box", 9, root=root)

    assert ended(one) == "SIGKILL"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "invalid JSON at line 1, column 2: "),
        ("[]", "$: expected object, got "),
        ('{"cpu": {"shares": "x"}, "pids": 5}', '$.cpu.shares: expected u64, got "x"; $.pids: '),
    ],
)
def test_update_names_the_file_that_does_not_read(box, root, text, said):
    """
    Limits kept by an earlier update that do not read are an error with the file and its faults.
    """
    one = box().run()
    one.save()
    with open(f"{one.path}/resources.json", "w") as file:
        file.write(text)

    with pytest.raises(DamagedState) as e:
        update("box", LinuxResources(pids=LinuxPids(limit=5)), root=root)

    assert str(e.value).startswith(f"read {one.path}/resources.json: {said}")
