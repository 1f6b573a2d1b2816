"""For all tests of the workspace.

pytest's importlib mode calls `pyoci/tests/test_x.py` the module `pyoci.tests.test_x`, and makes a
package `pyoci` out of that folder unless one is loaded; so the real ones are loaded first.
"""

import faulthandler
import os
import signal

import pytest

import libcgroups  # noqa: F401
import libcontainer  # noqa: F401
import liboci_cli  # noqa: F401
import libseccomp  # noqa: F401
import pyoci  # noqa: F401

LONGEST = 300  # seconds for one test


def pytest_configure(config):
    """End the run when a test hangs, in a C library too, and show where.

    By a signal, not by pytest's own `faulthandler_timeout`: that starts a thread, and beside a
    thread libcontainer does not clone.  Neither fork nor clone hands the timer on.
    """
    with config.pluginmanager.get_plugin("capturemanager").global_and_fixture_disabled():
        stderr = os.dup(2)
    # chain: after the traceback the signal does what it does by default.
    faulthandler.register(signal.SIGALRM, file=stderr, chain=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol():
    signal.setitimer(signal.ITIMER_REAL, LONGEST)
    try:
        return (yield)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
