"""The kernel's list of mounts."""

import pytest

from libcontainer import mountinfo


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue",
            ("/mnt1", "/mnt2", "ext3", "rw,errors=continue"),
        ),
        ("1 0 0:1 / /p rw - proc proc rw", ("/", "/p", "proc", "rw")),
        ("1 0 0:1 / /p rw shared:1 master:2 - proc proc rw", ("/", "/p", "proc", "rw")),
        (r"1 0 0:1 /a\043 /b\040\134\011\012c rw - x y z", ("/a#", "/b \\\t\nc", "x", "z")),
        ("1 0 0:1 / /é\u2028\x0c\x85 rw - x y z", ("/", "/é\u2028\x0c\x85", "x", "z")),
    ],
    ids=["as in the manual", "no tag", "two tags", "escaped", "other ends of a line"],
)
def test_a_mount(line, expected):
    """
    Root, place, type and options, whatever letters the paths have.
    """
    assert mountinfo.parse(line + "\n") == [expected]


def test_order_is_the_kernels():
    """
    Later mounts cover earlier ones; nothing is left out.
    """
    text = "".join([f"{n} 0 0:{n} / /{n} rw - tmpfs none rw\n" for n in range(3)])

    assert [place for _, place, _, _ in mountinfo.parse(text)] == ["/0", "/1", "/2"]
    assert mountinfo.parse("") == []


def test_own_list():
    """
    The kernel's own, whole.
    """
    assert "/proc" in [place for _, place, _, _ in mountinfo.parse(mountinfo.read())]
