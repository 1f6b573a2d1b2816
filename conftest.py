"""For all tests of the workspace.

pytest's importlib mode calls `pyoci/tests/test_x.py` the module `pyoci.tests.test_x`, and makes a
package `pyoci` out of that folder unless one is loaded; so the real ones are loaded first.
"""

import libcgroups  # noqa: F401
import libcontainer  # noqa: F401
import liboci_cli  # noqa: F401
import libseccomp  # noqa: F401
import pyoci  # noqa: F401
