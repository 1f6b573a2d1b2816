"""Small judgements on text that several rules share."""

from __future__ import annotations

from ... import codec


def quote(text: str) -> str:
    """Return the text as messages show it: in double quotes, nothing unprintable."""
    return codec.dumps(text)


def is_list_format(text: str) -> bool:
    """Tell whether the text has the form "0-3,7" of the kernel's lists; blanks are allowed."""
    return count_listed(text) is not None


def count_listed(text: str) -> int | None:
    """Return how many numbers such a list names; None if it is none, or names one too large."""
    from libcgroups.errors import CgroupError  # most documents have no list
    from libcgroups.lists import ranges

    if not all([part.strip() for part in text.split(",")]):
        return None
    try:
        return sum([len(part) for part in ranges(text)])
    except CgroupError:
        return None


def clean(path: str) -> str:
    """Return an absolute path without `.`, `..` and doubled slashes, as text; no link is read."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/" + "/".join(kept)
