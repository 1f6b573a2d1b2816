"""The numbers of system calls."""

import pytest

from libcontainer.kernel import numbers as module


def test_a_machine_without_a_table_is_named():
    """
    There are tables for two machines.
    """
    with pytest.raises(OSError, match="no table of system calls for this machine: 'i686'"):
        module.numbers("i686")
