"""Time how a filter is had: arguments are a file with a profile and the cache's folder.

A process of its own: what `create` pays in its single call, imports included.
"""

import posix
import sys
import time


def main(path: str, cache: str) -> None:
    from libcontainer import codec
    from libseccomp.profile import LinuxSeccomp

    with open(path) as file:
        profile = LinuxSeccomp.from_json(codec.loads(file.read()))
    began = time.perf_counter_ns()
    from libseccomp.cache import load

    load(profile, cache)
    print((time.perf_counter_ns() - began) / 1e6)
    sys.stdout.flush()
    posix._exit(0)


main(*sys.argv[1:])
