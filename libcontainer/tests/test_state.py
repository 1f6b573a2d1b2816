"""The state directory: claimed first, committed last, locked between."""

import json
import os
import pickle
import re
import stat
import threading

import pytest

from libcgroups.manager import CgroupState
from libcontainer.errors import BadId, ContainerExists, InitFailed, NoSuchContainer
from libcontainer.state import (
    DamagedState,
    ForeignState,
    SavedState,
    check_id,
    claim,
    container_ids,
    now,
    open_directory,
)

SAVED = SavedState(
    id="box",
    status="created",
    pid=42,
    start_time=7,
    bundle="/b",
    rootfs="/b/rootfs",
    created="2026-01-02T03:04:05.000000006Z",
    owner=0,
    cgroup=CgroupState(manager="disabled", paths={}),
    private_pids=True,
)


@pytest.fixture
def root(tmp_path):
    return str(tmp_path / "state/root")


@pytest.mark.parametrize(
    "id", ["a", "A-b_c.d+e", "-x", "_x", "+x", "0", "a..b", "x" * 255, "a.", "a..", ".x", "..."]
)
def test_ids(id):
    """
    Letters, digits and `_+-.`, at most 255; also beginning with a dot, as with runc.
    """
    check_id(id)


BAD_IDS = [
    "", ".", "..", "../x", "a/b", "/a", ".seccomp", "x" * 256, "a b", "a\0", "a\n", "é", "a%b",
    "~a", "a\\b", "\u0661",
]  # fmt: skip


@pytest.mark.parametrize("id", BAD_IDS, ids=ascii)
def test_what_is_no_id(root, id):
    """
    Nothing else is ever made into a path, by any of the ways in.
    """
    text = "invalid container ID format" if id else "container id cannot be empty"
    for way in (check_id, lambda id: claim(root, id), lambda id: open_directory(root, id)):
        with pytest.raises(BadId) as e:
            way(id)
        assert str(e.value) == text

    assert not os.path.exists(root)


def test_a_claim_makes_the_directory(root, no_leak):
    """
    The root is for its owner alone, with its parents; a container's directory can be passed
    through but not listed.
    """
    with claim(root, "box") as directory:
        assert directory.path == f"{root}/box"
        assert not os.get_inheritable(directory.fd)

    assert stat.S_IMODE(os.stat(root).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(os.path.dirname(root)).st_mode) == 0o700
    assert stat.S_IMODE(os.stat(f"{root}/box").st_mode) == 0o711


def test_an_id_can_be_claimed_once(root, no_leak):
    """
    The second claim is refused, and leaves the first as it is.
    """
    with claim(root, "box"):
        with pytest.raises(ContainerExists, match="container with given ID already exists"):
            claim(root, "box")

    with claim(root, "other"):
        assert container_ids(root) == ("box", "other")


def test_two_claims_at_once(root):
    """
    Of many only one wins.
    """
    won, lost = [], []
    gate = threading.Barrier(8)

    def try_it():
        gate.wait()
        try:
            won.append(claim(root, "box"))
        except ContainerExists:
            lost.append(1)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(won), len(lost)) == (1, 7)
    won[0].close()


@pytest.mark.parametrize("there", ["file", "link", "nothing", "no-root"])
def test_what_is_no_container(root, tmp_path, no_leak, there):
    """
    A file or a link in the root is no container.
    """
    if there != "no-root":
        os.makedirs(root)
    if there == "file":
        open(f"{root}/box", "w").close()
    elif there == "link":
        os.symlink(tmp_path, f"{root}/box")

    with pytest.raises(NoSuchContainer, match="^container does not exist$"):
        open_directory(root, "box")


def test_state_is_saved_and_loaded(root, no_leak):
    """
    What is loaded is what was saved last; the file is for its owner alone, without leftovers.
    """
    with claim(root, "box") as directory:
        directory.save(SAVED)
        directory.save(SAVED.replace(pid=43, annotations={"é": "\u2028"}, hooks=("poststop",)))

    with open_directory(root, "box") as directory:
        assert directory.load() == SAVED.replace(
            pid=43, annotations={"é": "\u2028"}, hooks=("poststop",)
        )
    assert os.listdir(f"{root}/box") == ["state.json"]
    assert stat.S_IMODE(os.stat(f"{root}/box/state.json").st_mode) == 0o600


def test_a_claimed_directory_has_no_state_yet(root):
    """
    Until the first commit there is no container.
    """
    with claim(root, "box") as directory, pytest.raises(NoSuchContainer):
        directory.load()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "invalid JSON at line 1, column 1: expecting value", id="empty"),
        pytest.param('{"id": "box"', "invalid JSON at line 1, column 13: expecting", id="cut"),
        pytest.param("[]", r"\$: expected object, got \[\]", id="list"),
        pytest.param("null", r"\$: expected object, got null", id="null"),
        pytest.param("{}", r"\$.id: missing; \$.status: missing; \$.pid: missing", id="no-fields"),
        pytest.param('{"id": 1, "id": 2}', r"\$.id: given twice", id="twice"),
        pytest.param('{"id": "a\\u0000"}', r"\$.id: NUL in a string", id="nul"),
        pytest.param(b"\xff\xfe", "", id="bytes"),
    ],
)
def test_a_damaged_file_is_named(root, no_leak, text, why):
    """
    The error has the file's path and what is wrong with it.
    """
    with claim(root, "box") as directory:
        with open(f"{root}/box/state.json", "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())

        with pytest.raises(DamagedState, match=f"^read {re.escape(root)}/box/state.json: {why}"):
            directory.load()


def test_a_field_of_the_wrong_kind_is_named(root):
    """
    With its path and what it is.
    """
    with claim(root, "box") as directory:
        data = SAVED.to_json() | {"pid": "1"}
        with open(f"{root}/box/state.json", "w") as file:
            json.dump(data, file)

        with pytest.raises(DamagedState, match=r'\$.pid: expected i64, got "1"$'):
            directory.load()


@pytest.mark.parametrize("name", ["state.json", "config.json"])
def test_links_are_not_followed(root, tmp_path, no_leak, name):
    """
    Neither when reading nor when writing.
    """
    (tmp_path / "victim").write_text("{}")
    with claim(root, "box") as directory:
        os.symlink(tmp_path / "victim", f"{root}/box/{name}")
        read = directory.load if name == "state.json" else directory.document
        with pytest.raises(OSError, match="symbolic links"):
            read()
        os.symlink(tmp_path / "victim", f"{root}/box/.{name}.new")
        with pytest.raises(InitFailed, match=f"^write {root}/box/{name}: .*symbolic links$"):
            directory.save(SAVED) if name == "state.json" else directory.keep_document("x")

    assert (tmp_path / "victim").read_text() == "{}"


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_a_directory_of_somebody_else_is_refused(root, no_leak):
    """
    Its pids would be signalled and its paths removed, at the word of its owner.
    """
    with claim(root, "a"):
        pass
    os.chown(f"{root}/a", 1000, -1)

    with pytest.raises(ForeignState, match=r"/a belongs to uid 1000, not to us$") as e:
        open_directory(root, "a")

    assert pickle.loads(pickle.dumps(e.value)).owner == 1000


def test_the_document_is_kept(root):
    """
    As it was, byte for byte.
    """
    text = '{"a":\t"é"}\n' * 100_000
    with claim(root, "box") as directory:
        directory.keep_document(text)
        assert directory.document() == text


# Locks


def test_a_lock_keeps_others_out(root, no_leak):
    """
    Whoever asks sees that somebody is between reading and committing.
    """
    with claim(root, "box") as mine, open_directory(root, "box") as other:
        assert not other.is_locked()
        other.close()

        mine.lock()
        with open_directory(root, "box") as third:
            assert third.is_locked()
            mine.unlock()
            assert not third.is_locked()


def test_a_lock_ends_with_its_holder(root):
    """
    Closing unlocks, even when a forked child still has the descriptor.
    """
    directory = claim(root, "box")
    directory.lock()
    copy = os.dup(directory.fd)
    try:
        directory.close()
        directory.close()  # again: no fault
        with open_directory(root, "box") as other:
            assert not other.is_locked()
    finally:
        os.close(copy)


# The start barrier


def test_the_barrier(root, no_leak):
    """
    Nobody waits before it is made; then its writer is found by opening it.
    """
    with claim(root, "box") as directory:
        assert directory.open_fifo() is None
        gate = directory.make_fifo()
        found = os.fstat(gate)
        assert stat.S_ISFIFO(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
        writer = directory.open_fifo()
        os.write(writer, b"s")
        assert os.read(gate, 1) == b"s"
        os.close(writer)
        os.close(gate)
        assert directory.open_fifo() is None


# The end


def test_removal_leaves_nothing(root, no_leak):
    """
    The directory goes with all that is in it; what has gone already is no fault.
    """
    with claim(root, "box") as directory:
        directory.save(SAVED)
        directory.keep_document("{}")
        os.close(directory.make_fifo())
        directory.remove()
        directory.remove()

    assert os.listdir(root) == []


def test_removal_spares_another_container_of_that_id(root, no_leak):
    """
    Whoever comes late with the old directory does not remove the new one.
    """
    with claim(root, "box") as old:
        old.remove()
        with claim(root, "box") as new:
            old.remove()

            assert (old.is_there(), new.is_there()) == (False, True)
            new.remove()


def test_a_fifo_holds_nobody_up(root, no_leak):
    """
    What is no file in the place of the state is a damaged state.
    """
    with claim(root, "box") as directory:
        os.mkfifo("state.json", dir_fd=directory.fd)

        with pytest.raises(DamagedState):
            directory.load()
        directory.remove()


def test_ids_below_a_root(root):
    """
    Directories, sorted, without what cannot be an id.
    """
    os.makedirs(root)
    for name in ("b", "a", ".seccomp", "c.d"):
        os.mkdir(f"{root}/{name}")
    os.symlink("a", f"{root}/link")
    os.mknod(f"{root}/file")

    assert container_ids(root) == ("a", "b", "c.d")


def test_a_root_that_is_not_there():
    """
    Is the caller's to judge.
    """
    with pytest.raises(FileNotFoundError):
        container_ids("/nowhere")


def test_now_is_rfc_3339():
    """
    UTC, to the nanosecond.
    """
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z", now())
