"""Create a container and print the milliseconds from the exec of the stub to its `S`.

Arguments: state root, bundle, id.  Two instants are noted: the call of execve in init, in memory
that init shares with main, and main's hearing of `S`.
"""

import mmap
import posix
import struct
import sys
import time


def main(root: str, bundle: str, identifier: str) -> None:
    from libcontainer.ops.create import CreateOptions, create
    from libcontainer.process.channel import SET, Channel

    page = mmap.mmap(-1, mmap.PAGESIZE)  # shared, so that what init writes is seen here
    execve, hear = posix.execve, Channel.hear
    heard = []

    def noting_execve(*arguments: object) -> None:
        page[:8] = struct.pack("<Q", time.perf_counter_ns())
        execve(*arguments)  # type: ignore[arg-type]

    def noting_hear(channel: Channel) -> tuple[bytes, bytes]:
        message = hear(channel)
        if message[0] == SET:
            heard.append(time.perf_counter_ns())
        return message

    posix.execve = noting_execve  # type: ignore[assignment]
    Channel.hear = noting_hear  # type: ignore[assignment, method-assign]
    create(identifier, CreateOptions(root=root, bundle=bundle))
    (began,) = struct.unpack("<Q", page[:8])
    print((heard[0] - began) / 1e6)
    sys.stdout.flush()
    posix._exit(0)


main(*sys.argv[1:])
