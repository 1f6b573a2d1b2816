"""Compiled profiles on disk, and everything that somebody could do to them."""

import json
import logging
import os
import subprocess
import sys

import pytest

from libseccomp import LinuxSeccomp, ProfileError, cache, compile_profile


@pytest.fixture
def profile(make_profile):
    """A small profile."""
    return make_profile("ERRNO", ("read write", "ALLOW"))


@pytest.fixture
def folder(tmp_path):
    """A directory for the cache; it does not exist yet."""
    return tmp_path / "seccomp"


@pytest.fixture
def compilations(monkeypatch):
    """Count how often a profile is compiled."""
    from libseccomp import compiler

    calls, real = [], compiler.compile_profile

    def counted(profile, **options):
        calls.append(profile)
        return real(profile, **options)

    monkeypatch.setattr(compiler, "compile_profile", counted)
    return calls


def entry(folder):
    """Return the one entry of the cache."""
    (found,) = folder.iterdir()
    return found


def test_the_second_container_does_not_compile(profile, folder, compilations):
    """
    The first load compiles and writes, the second reads the same filter.
    """
    first = cache.load(profile, str(folder))
    second = cache.load(profile, str(folder))

    assert first == second == compile_profile(profile)
    assert len(compilations) == 1
    assert folder.stat().st_mode & 0o777 == 0o700
    assert entry(folder).stat().st_mode & 0o777 == 0o600


def test_json_text_is_taken_as_well(profile, folder, compilations):
    """
    The text of the `linux.seccomp` object has an entry of its own, and the same filter.
    """
    text = json.dumps(profile.to_json()).encode()

    assert cache.load(text, str(folder)) == cache.load(text, str(folder))
    assert cache.load(text, str(folder)) == compile_profile(profile)
    assert len(compilations) == 1


def test_another_profile_has_another_entry(profile, folder):
    """
    Entries are named by content.
    """
    other = profile.replace(default_errno_ret=2)

    first, second = (cache.load(p, str(folder)) for p in (profile, other))

    assert first != second
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda m: m.setattr(cache, "__version__", "0.0.0"), id="our-version"),
        pytest.param(lambda m: m.setattr(cache, "_FORMAT", 0), id="format"),
        pytest.param(
            lambda m: m.setattr(cache, "_library", lambda: ("/x", 1, 2, 3, 4)), id="libseccomp"
        ),
        pytest.param(
            lambda m: m.setattr(cache.posix, "uname", lambda: posix_uname("9.9")), id="kernel"
        ),
    ],
)
def test_what_decides_about_a_program_is_in_its_name(profile, folder, monkeypatch, change):
    """
    Another version of ours, of libseccomp or of the kernel does not see the old entry.
    """
    cache.load(profile, str(folder))

    with monkeypatch.context() as patch:
        change(patch)
        cache.load(profile, str(folder))

    assert len(list(folder.iterdir())) == 2


def posix_uname(release):
    """Return a uname with another release."""
    host = os.uname()
    return os.uname_result((host.sysname, host.nodename, release, host.version, host.machine))


def replaced_by_link(path):
    """Move the entry away and put a symbolic link in its place."""
    path.rename(path.parent.parent / "elsewhere")
    path.symlink_to(path.parent.parent / "elsewhere")


def replaced_by_pipe(path):
    """Put a pipe in the entry's place."""
    path.unlink()
    os.mkfifo(path, 0o600)


def flipped(path):
    """Change one bit of the program."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def renamed_over(path):
    """Put the entry of another profile under this one's name."""
    other = path.parent.parent / "other"
    cache.load(LinuxSeccomp(default_action="SCMP_ACT_ALLOW"), str(other))
    entry(other).rename(path)


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(lambda p: p.chmod(0o644), id="readable-by-others"),
        pytest.param(lambda p: p.chmod(0o660), id="writable-by-group"),
        pytest.param(lambda p: os.link(p, p.parent.parent / "second"), id="hard-link"),
        pytest.param(replaced_by_link, id="symbolic-link"),
        pytest.param(replaced_by_pipe, id="pipe"),
        pytest.param(lambda p: os.truncate(p, 0), id="empty"),
        pytest.param(lambda p: os.truncate(p, p.stat().st_size - 8), id="truncated"),
        pytest.param(lambda p: p.write_bytes(p.read_bytes() + bytes(8)), id="longer"),
        pytest.param(lambda p: p.write_bytes(bytes(100_000)), id="too-large"),
        pytest.param(flipped, id="bit-flipped"),
        pytest.param(renamed_over, id="another-profiles"),
    ],
)
def test_a_doubtful_entry_is_not_used_and_is_replaced(
    profile, folder, compilations, caplog, tamper
):
    """
    An entry that others could have written, or that is damaged, is compiled again.
    """
    good = cache.load(profile, str(folder))
    tamper(entry(folder))
    del compilations[:]

    with caplog.at_level(logging.WARNING, "libseccomp"):
        assert cache.load(profile, str(folder)) == good
    assert len(compilations) == 1
    assert "not used" in caplog.text

    assert cache.load(profile, str(folder)) == good
    assert len(compilations) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_another_users_entry_is_not_used(profile, folder, compilations):
    """
    An entry belongs to the effective user, or it is none.
    """
    good = cache.load(profile, str(folder))
    os.chown(entry(folder), 1, 1)

    assert cache.load(profile, str(folder)) == good
    assert len(compilations) == 2
    assert entry(folder).stat().st_uid == 0


def linked(folder):
    """Make the directory a symbolic link to one that would do."""
    real = folder.parent / "real"
    real.mkdir(mode=0o700)
    folder.symlink_to(real)


def of_another_user(folder):
    """Make the directory another user's."""
    folder.mkdir(mode=0o700)
    os.chown(folder, 1, 1)


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda f: f.mkdir(mode=0o755), id="listable"),
        pytest.param(lambda f: (f.mkdir(), f.chmod(0o777)), id="writable-by-all"),
        pytest.param(linked, id="symbolic-link"),
        pytest.param(lambda f: f.write_text(""), id="file"),
        pytest.param(
            of_another_user,
            id="another-users",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away"),
        ),
    ],
)
def test_a_doubtful_directory_is_neither_read_nor_written(profile, folder, compilations, make):
    """
    In a directory that is not ours alone nothing is cached; the filter is compiled every time.
    """
    make(folder)

    for _ in range(2):
        assert cache.load(profile, str(folder)) == compile_profile(profile)

    assert len(compilations) == 2
    assert not folder.is_dir() or list(folder.iterdir()) == []


def test_a_cache_that_cannot_be_written_costs_time_only(profile, tmp_path):
    """
    Without the parent directory there is no cache, but a filter.
    """
    assert cache.load(profile, str(tmp_path / "no" / "such")) == compile_profile(profile)


def test_a_library_that_only_the_loader_finds_is_not_cached(profile, folder, monkeypatch):
    """
    Where the file is not found in the usual folders, no name can be given to an entry.
    """
    monkeypatch.setattr(cache, "_library", lambda: None)

    assert cache.load(profile, str(folder)) == compile_profile(profile)
    assert not folder.exists()


def test_old_entries_make_room(make_profile, folder):
    """
    The cache keeps 64 entries, and what a killed writer left goes with the oldest.
    """
    folder.mkdir(mode=0o700)
    for i in range(70):
        (folder / f"old{i}").touch(mode=0o600)
        os.utime(folder / f"old{i}", (i, i))

    cache.load(make_profile("ALLOW"), str(folder))

    names = {path.name for path in folder.iterdir()}
    assert len(names) == 64
    assert "old69" in names and "old6" not in names


def test_faults_are_raised_not_cached(make_profile, folder):
    """
    A wrong profile fails each time.
    """
    for _ in range(2):
        with pytest.raises(ProfileError):
            cache.load(make_profile("X"), str(folder))
    assert list(folder.iterdir()) == []


def test_refused_names_are_not_served_from_a_lenient_entry(make_profile, folder):
    """
    A program made without the names that are not known is none for whoever wants them refused.
    """
    given = make_profile("ERRNO", ("read nope", "ALLOW"))
    cache.load(given, str(folder))

    with pytest.raises(ProfileError, match="no system call nope is known"):
        cache.load(given, str(folder), refuse_unknown=True)


def test_faults_of_json_text_have_paths(folder):
    """
    A text whose values have other types is refused with every path.
    """
    with pytest.raises(ProfileError) as e:
        cache.load(b'{"defaultAction": 1, "flags": {}}', str(folder))
    assert [path for path, _ in e.value.faults] == [".defaultAction", ".flags"]


def test_a_hit_opens_neither_cffi_nor_libseccomp(folder, docker):
    """
    A hit imports what a hot command may import, and maps no library.
    """
    profile = LinuxSeccomp.from_json(docker)
    cache.load(profile, str(folder))
    script = (
        "import sys; sys.path = sys.argv[2].split(':')\n"
        "before = set(sys.modules)\n"
        "from libseccomp import cache\n"
        "from libseccomp.profile import LinuxSeccomp\n"
        "import marshal\n"
        "document = marshal.load(sys.stdin.buffer)\n"
        "cache.load(LinuxSeccomp.from_json(document), sys.argv[1])\n"
        "print(*sorted(set(sys.modules) - before))\n"
        "print('libseccomp.so' in open('/proc/self/maps').read())\n"
    )
    import marshal

    import libseccomp

    home = os.path.dirname(os.path.dirname(libseccomp.__file__))
    path = ":".join([*[p for p in sys.path if "site-packages" not in p and p], home])
    done = subprocess.run(
        [sys.executable, "-IS", "-c", script, str(folder), path],
        input=marshal.dumps(docker),
        capture_output=True,
    )
    modules, mapped = done.stdout.decode().splitlines()

    ours = {m for m in modules.split() if m.startswith("libseccomp")}
    assert set(modules.split()) - ours <= {
        "__future__",
        "_blake2",
        "_stat",
        "_struct",
        "errno",
        "marshal",
        "posix",
        "stat",
        "struct",
    }
    assert "libseccomp._abi" not in ours and "libseccomp.compiler" not in ours
    assert mapped == "False"
