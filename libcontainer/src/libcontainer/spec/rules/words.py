"""Small judgements on text that several rules share."""

from __future__ import annotations

from ... import codec


def quote(text: str) -> str:
    """Return the text as messages show it: in double quotes, nothing unprintable."""
    return codec.dumps(text)


def is_list_format(text: str) -> bool:
    """Tell whether the text has the form "0-3,7" of the kernel's lists; blanks are allowed.

    Kernel: lib/bitmap.c, bitmap_parselist; its group syntax ("0-31:2/8") is not taken.
    """
    for part in text.split(","):
        low, dash, high = part.strip().partition("-")
        low, high = low.strip(), high.strip()
        if not (low.isascii() and low.isdecimal()):
            return False
        if dash and not (high.isascii() and high.isdecimal() and int(low) <= int(high)):
            return False
    return True


def clean(path: str) -> str:
    """Return an absolute path without `.`, `..` and doubled slashes, as text; no link is read."""
    kept: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del kept[-1:]
        elif part not in ("", "."):
            kept.append(part)
    return "/" + "/".join(kept)
