import doctest
import os
import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"
RECIPES = re.findall(r"### (.*?)\n.*?```python\n(.*?)```", README.read_text(), re.S)


@pytest.mark.root
@pytest.mark.parametrize("recipe", RECIPES, ids=[title for title, _ in RECIPES])
def test_recipe_runs_as_written(recipe):
    """
    Every example of the README does what it shows.
    """
    title, code = recipe
    if "systemd=True" in code:
        if not os.path.isdir("/run/systemd/system"):
            pytest.skip("needs systemd")
    elif "open_manager" in code and not os.access("/sys/fs/cgroup/memory", os.W_OK):
        if not os.access("/sys/fs/cgroup/cgroup.procs", os.W_OK):
            pytest.skip("needs root and cgroups that can be written")
    if "PressureTrigger" in code and not os.access("/proc/pressure/memory", os.W_OK):
        pytest.skip("needs PSI")
    test = doctest.DocTestParser().get_doctest(code, {}, title, str(README), 0)
    said = []

    failed, _ = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(
        test, out=said.append
    )

    assert not failed, "".join(said)
