"""The README's examples."""

import doctest
import pathlib


def test_examples_run_as_written():
    """
    Every example of the README gives what it shows.
    """
    readme = pathlib.Path(__file__).parent.parent / "README.md"
    failed, tried = doctest.testfile(str(readme), module_relative=False)

    assert tried > 10
    assert not failed
