"""What no tracked file may say."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Each pattern has a letter in brackets, so that this file does not match itself.
FORBIDDEN = {
    "a path of one machine": r"/[w]ork/(main|shared)|/[r]oot/\.|/[h]ome/[a-z]+/[a-z]",
    "a path outside the repository": r"\.\./[s]hared/(design|trials|hooks|reference)",
    "the host of a package registry": r"pypi\.[o]rg|python[h]osted|deb\.[d]ebian|registry\.[n]pmjs",
    "who or what typed it": r"\b([c]laude|[a]nthropic|[c]hatgpt|[o]penai|[c]opilot|[l]lm)\b",
    "how it was typed": r"\b[A]I[- ](written|generated|assisted)|language [m]odel|co-[a]uthored-by",
}


def tracked():
    command = ["git", "-c", "safe.directory=*", "-C", str(ROOT), "ls-files", "-z"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout, or no git")
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("pattern", FORBIDDEN.values(), ids=FORBIDDEN)
def test_text_is_about_the_project(pattern):
    """
    Files tell what the project does, not where or how it was made.
    """
    wanted = re.compile(pattern, re.IGNORECASE)

    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in tracked()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if wanted.search(line)
    ]

    assert found == []


def test_files_are_tidy():
    """
    No trailing blanks, no carriage returns, a newline at the end of every source file.
    """
    kinds = {".py", ".md", ".toml", ".sh", ".S", ""}

    untidy = [
        str(path.relative_to(ROOT))
        for path in tracked()
        if path.suffix in kinds
        and (text := path.read_bytes())
        and (re.search(rb"[ \t\r]$", text, re.MULTILINE) or not text.endswith(b"\n"))
    ]

    assert untidy == []


def test_modules_are_short():
    """
    A module is one noun: 500 lines is the limit.
    """
    long = [
        f"{path.relative_to(ROOT)}: {count} lines"
        for path in tracked()
        if path.suffix == ".py" and "tests" not in path.parts
        if (count := len(path.read_text().splitlines())) > 500
    ]

    assert long == []
